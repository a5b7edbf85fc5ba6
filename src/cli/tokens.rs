//! `tokens`: its words, its grammar, and how one becomes the other.

use super::grammar::moment;
use crate::domain::ids::TokenId;
use crate::domain::token::TokenTerms;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

/// What to do with the client tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Tokens {
    /// Issue one.
    Create {
        /// What it may do.
        terms: TokenTerms,
        /// Answer as JSON.
        json: bool,
    },
    /// List them.
    List {
        /// As JSON.
        json: bool,
    },
    /// Take these back for good; their history stays.
    Revoke {
        /// Which, at least one.
        ids: Vec<TokenId>,
    },
}

/// The grammar of the subcommand.
pub fn grammar() -> clap::Command {
    let limit = |name: &'static str, help: &'static str| {
        let numbers = value_parser!(u32).range(1..);
        Arg::new(name).long(name).value_name("N").value_parser(numbers).help(help)
    };
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON");
    let create = clap::Command::new("create")
        .about("Issue a token to a client and print it, this once")
        .arg(Arg::new("name").value_name("NAME").required(true).help("What to call its holder"))
        .arg(
            Arg::new("expires")
                .long("expires")
                .value_name("TIME")
                .value_parser(moment)
                .help("When it ends: 2026-12-31 or 2026-12-31T15:04:05Z"),
        )
        .arg(limit("daily-limit", "Requests a UTC day"))
        .arg(limit("minute-limit", "Requests within any minute"))
        .arg(
            Arg::new("model")
                .long("model")
                .value_name("MODEL")
                .action(ArgAction::Append)
                .help("A model it may use, or a pattern such as *:free; all when none is named"),
        )
        .arg(json());
    let ids = Arg::new("id")
        .value_name("ID")
        .value_parser(value_parser!(i64).range(1..))
        .action(ArgAction::Append)
        .required(true)
        .help("Which ones");
    clap::Command::new("tokens")
        .about("Look at or change the client tokens")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(create)
        .subcommand(clap::Command::new("list").about("List the tokens, masked").arg(json()))
        .subcommand(clap::Command::new("revoke").about("Take tokens back for good").arg(ids))
}

/// What the subcommand's arguments ask for.
pub fn command(matches: &ArgMatches) -> Tokens {
    match matches.subcommand() {
        Some(("create", own)) => {
            let models: Vec<String> = own.get_many("model").unwrap_or_default().cloned().collect();
            let terms = TokenTerms {
                name: own.get_one::<String>("name").cloned().unwrap_or_default(),
                expires_at: own.get_one("expires").copied(),
                allowed_models: (!models.is_empty()).then_some(models),
                requests_per_day: own.get_one("daily-limit").copied(),
                requests_per_minute: own.get_one("minute-limit").copied(),
            };
            Tokens::Create { terms, json: own.get_flag("json") }
        }
        Some(("revoke", own)) => {
            let ids = own.get_many::<i64>("id").unwrap_or_default();
            Tokens::Revoke { ids: ids.copied().map(TokenId).collect() }
        }
        Some((_, own)) => Tokens::List { json: own.get_flag("json") },
        None => Tokens::List { json: false },
    }
}

//! The grammar of the command line: subcommands by hand, flags of settings from the table.

use crate::config::table::{Kind, Preset, Row, SECTIONS, rows};
use crate::domain::time::Timestamp;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, value_parser};
use std::path::PathBuf;

/// The whole grammar, for parsing and for `--help`.
pub fn program() -> clap::Command {
    let program = clap::Command::new("openrouter-proxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(
            "Every setting can also be given in config.json and as a variable of the environment or .env: \
             a flag wins over the environment, the environment over .env, .env over config.json.\n\
             `config schema` and .env.example list those without a flag; `config show` prints what holds.",
        )
        .disable_help_subcommand(true)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .global(true)
                .help("Configuration file [default: config.json, if it exists]"),
        )
        .subcommand(clap::Command::new("serve").about("Run both planes (the default)"))
        .subcommand(demo())
        .subcommand(simulate())
        .subcommand(keys())
        .subcommand(super::tokens::grammar())
        .subcommand(usage())
        .subcommand(config())
        .subcommand(secret())
        .subcommand(super::db::grammar())
        .subcommand(admin())
        .subcommand(clap::Command::new("healthcheck").about("Ask a running server whether it is alive"));
    rows().filter_map(setting_arg).fold(program, clap::Command::arg)
}

/// The flag of a setting, with everything the table says about it.
fn setting_arg(row: &'static Row) -> Option<Arg> {
    let flag = row.flag?;
    let default = match row.preset {
        Preset::Value(value) => value,
        Preset::Unset(otherwise) => otherwise,
    };
    let variables = row.variables().join(", ");
    let heading = SECTIONS.iter().find(|(section, _)| *section == row.section()).map(|(_, title)| *title);
    let arg = Arg::new(row.key)
        .long(flag.name)
        .help(format!("{} [default: {default}] [env: {variables}]", row.doc))
        .help_heading(heading)
        .value_name(value_name(&row.kind))
        .value_parser(ValueParser::string())
        .allow_negative_numbers(true)
        .global(true);
    let arg = match flag.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let arg = arg.visible_aliases(flag.also);
    // A list grows with each time the flag is written; of anything else there can be one.
    let arg = if row.kind == Kind::ProviderRules { arg.action(ArgAction::Append) } else { arg };
    Some(match flag.implies {
        Some(implied) => arg.num_args(0..=1).require_equals(true).default_missing_value(implied),
        None => arg,
    })
}

fn value_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Whole { .. } => "N",
        Kind::Seconds { .. } => "SECONDS",
        Kind::Bytes { .. } => "SIZE",
        Kind::Switch => "BOOL",
        Kind::Path => "PATH",
        Kind::Choice(_) => "WORD",
        Kind::DatabaseUrl => "URL",
        Kind::ProviderRules => "PATTERN=P1,P2",
        _ => "TEXT",
    }
}

fn demo() -> clap::Command {
    let traffic = Arg::new("traffic")
        .long("traffic")
        .value_name("N")
        .value_parser(value_parser!(u32).range(1..=500))
        .help("Send N mixed requests a second, failures included, and begin with two weeks of made-up rows");
    clap::Command::new("demo")
        .about("Run both planes against a simulated OpenRouter; nothing to sign up for")
        .arg(traffic)
}

fn simulate() -> clap::Command {
    // The id of the setting's own `--port`, so that this one stands in its place here.
    let port = Arg::new("server.port")
        .long("port")
        .short('p')
        .value_name("PORT")
        .value_parser(|text: &str| text.parse::<u16>().map(|port| port.to_string()))
        .help("Port the simulator listens on; 0 takes any free one [default: 9999]");
    let threads = Arg::new("threads")
        .long("threads")
        .value_name("N")
        .value_parser(value_parser!(u16).range(1..=1024))
        .default_value("1")
        .help("Its threads");
    clap::Command::new("simulate").about("Run the simulated OpenRouter alone").arg(port).arg(threads)
}

fn keys() -> clap::Command {
    let ids = || {
        Arg::new("id").value_name("ID").value_parser(value_parser!(i64).range(1..)).action(ArgAction::Append)
    };
    let add = clap::Command::new("add")
        .about("Add a key")
        .arg(
            Arg::new("key")
                .value_name("KEY")
                .help("The key, or - to read it from standard input; asked for when left out"),
        )
        .arg(
            Arg::new("label")
                .long("label")
                .value_name("LABEL")
                .default_value("")
                .hide_default_value(true)
                .help("What to call it"),
        )
        .arg(
            Arg::new("daily-limit")
                .long("daily-limit")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("Requests a UTC day through this key"),
        );
    let list = clap::Command::new("list")
        .about("List the keys, masked")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"));
    let import = clap::Command::new("import")
        .about("Add many keys, one a line: key[,label[,daily limit]]")
        .arg(Arg::new("file").value_name("FILE").help("The file; standard input when it is - or left out"))
        .arg(
            Arg::new("from-sqlite")
                .long("from-sqlite")
                .value_name("OLD.DB")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("file")
                .help("The database of the earlier Python proxy, instead of a file"),
        )
        .arg(
            Arg::new("with-usage")
                .long("with-usage")
                .action(ArgAction::SetTrue)
                .requires("from-sqlite")
                .help("Bring its usage rows too"),
        );
    let check = clap::Command::new("check")
        .about("Ask OpenRouter about keys")
        .arg(ids().help("Which ones; all when none is named"));
    let remove = clap::Command::new("remove")
        .about("Remove keys; their history stays")
        .arg(ids().required(true).help("Which ones"));
    clap::Command::new("keys")
        .about("Look at or change the upstream keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([add, list, import, check, remove])
}

fn usage() -> clap::Command {
    let moment = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("TIME").value_parser(moment).help(help)
    };
    let export = clap::Command::new("export")
        .about("Print usage rows to standard output")
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["jsonl", "csv"])
                .default_value("jsonl")
                .help("In which form"),
        )
        .arg(moment("since", "Only rows from this moment on: 2026-11-22 or 2026-11-22T15:04:05Z"))
        .arg(moment("until", "Only rows before this moment"));
    clap::Command::new("usage")
        .about("Look at what was used")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(export)
}

fn secret() -> clap::Command {
    let rotate = clap::Command::new("rotate")
        .about("Make another secret key; running servers go on, and the old one no longer opens the database")
        .arg(
            Arg::new("data-key")
                .long("data-key")
                .action(ArgAction::SetTrue)
                .help("Encrypt every upstream key again under another data key too"),
        )
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("data-key")
                .help("Put it into this new file, when SECRET_KEY gives the old one; shown when left out"),
        );
    clap::Command::new("secret")
        .about("Look after the secret key that upstream keys are encrypted with")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(rotate)
}

fn admin() -> clap::Command {
    let reset = clap::Command::new("reset-password")
        .about("Set another admin password and end every session; a running server notices")
        .arg(
            Arg::new("password")
                .value_name("-")
                .value_parser(["-"])
                .help("Take it from the terminal or from standard input, instead of making one"),
        );
    clap::Command::new("admin")
        .about("Look after the admin plane")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(reset)
}

fn config() -> clap::Command {
    clap::Command::new("config")
        .about("Look at the configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(clap::Command::new("check").about("Say what is wrong with it, all at once"))
        .subcommand(
            clap::Command::new("show").about("Print each value and where it came from, secrets masked"),
        )
        .subcommand(clap::Command::new("schema").about("Print the JSON Schema of config.json"))
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "expected a time such as 2026-11-22 or 2026-11-22T15:04:05Z".to_owned())
}

//! `db`: its words, its grammar, and how one becomes the other.

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::path::PathBuf;

/// What to do with the database as a whole.
#[derive(Clone, PartialEq)]
pub enum Db {
    /// Bring its schema up to date.
    Migrate,
    /// Say how it stands.
    Status {
        /// As JSON.
        json: bool,
    },
    /// Copy an SQLite database to a file.
    Backup {
        /// The file, which must not exist yet.
        to: PathBuf,
    },
    /// Copy everything into another, empty database.
    Copy {
        /// That database's URL.
        to: String,
    },
}

/// Never shows the URL: it may hold a password.
impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Db::Migrate => f.write_str("Migrate"),
            Db::Status { json } => write!(f, "Status({json})"),
            Db::Backup { to } => write!(f, "Backup({})", to.display()),
            Db::Copy { .. } => f.write_str("Copy(…)"),
        }
    }
}

/// The grammar of the subcommand.
pub fn grammar() -> clap::Command {
    let migrate = clap::Command::new("migrate").about("Bring the schema up to date, as a start would");
    let status = clap::Command::new("status")
        .about("Say how the database stands; it is only looked at")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"));
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("Where to; it must not exist yet");
    let backup = clap::Command::new("backup")
        .about("Copy an SQLite database to a file, also while a server runs")
        .arg(file);
    let to =
        Arg::new("to").long("to").value_name("URL").required(true).help(
            "The other database: a path, sqlite://… or postgres://…; it must be empty or not exist yet",
        );
    let copy = clap::Command::new("copy")
        .about("Copy everything into another, empty database of either kind, and compare")
        .arg(to);
    clap::Command::new("db")
        .about("Look after the database")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([migrate, status, backup, copy])
}

/// What was asked for.
pub fn command(matches: &ArgMatches) -> Db {
    match matches.subcommand() {
        Some(("migrate", _)) => Db::Migrate,
        Some(("backup", own)) => {
            Db::Backup { to: own.get_one::<PathBuf>("file").cloned().unwrap_or_default() }
        }
        Some(("copy", own)) => Db::Copy { to: own.get_one::<String>("to").cloned().unwrap_or_default() },
        Some((_, own)) => Db::Status { json: own.get_flag("json") },
        None => Db::Status { json: false },
    }
}

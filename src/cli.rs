//! The command line: what to do, and which settings were given as flags.
//!
//! The flags of settings come from the table in [`crate::config`], so `--help` cannot disagree with
//! it; their values are judged there, with those of every other source. This file only parses.

mod db;
pub mod grammar;
mod tokens;

pub use db::Db;
pub use tokens::Tokens;

use crate::config::table::rows;
use crate::domain::ids::KeyId;
use crate::domain::time::Timestamp;
use crate::domain::usage_export::ExportFormat;
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// A command line, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Cli {
    /// What to do.
    pub command: Command,
    /// The flags of settings, by long name without dashes, one text for each time it was written.
    pub flags: BTreeMap<String, Vec<String>>,
    /// The configuration file named with `--config`.
    pub config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run both planes.
    Serve,
    /// Run both planes against the simulator, with a few simulated keys.
    Demo {
        /// Requests a second that it sends itself; `None`: it only waits for some.
        traffic: Option<u32>,
    },
    /// Run the simulator alone.
    Simulate {
        /// The port it listens on; 0: any free one.
        port: u16,
        /// Its threads, at least 1.
        threads: usize,
    },
    /// Look at or change the upstream keys.
    Keys(Keys),
    /// Look at or change the client tokens.
    Tokens(Tokens),
    /// Print usage rows.
    UsageExport {
        /// In which form.
        format: ExportFormat,
        /// Only rows from this moment on.
        since: Option<Timestamp>,
        /// Only rows before this moment.
        until: Option<Timestamp>,
    },
    /// Look after the database as a whole.
    Db(Db),
    /// Say what is wrong with the configuration.
    ConfigCheck,
    /// Print each effective value and where it came from.
    ConfigShow,
    /// Print the JSON Schema of `config.json`.
    ConfigSchema,
    /// Ask a running server whether it is alive.
    Healthcheck,
    /// Change the secret key.
    SecretRotate {
        /// The data key too.
        data_key: bool,
        /// The new file that takes the new secret key, when a setting gives the old one.
        to: Option<PathBuf>,
    },
    /// Set another admin password.
    ResetPassword {
        /// Read it from the terminal or from standard input, instead of making one.
        given: bool,
    },
}

/// What to do with the upstream keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Add one.
    Add {
        /// The key; `None`: ask for it.
        key: Option<Input>,
        /// What to call it.
        label: String,
        /// Requests a UTC day through this key.
        daily_limit: Option<u32>,
    },
    /// List them.
    List {
        /// As JSON.
        json: bool,
    },
    /// Add those of a file, one a line: `key[,label[,daily limit]]`.
    Import {
        /// The file.
        from: Input,
    },
    /// Add those of the earlier Python proxy's database.
    ImportSqlite {
        /// The database; it is only read.
        path: PathBuf,
        /// Its usage rows too.
        with_usage: bool,
    },
    /// Ask OpenRouter about these, or about all when none is named.
    Check {
        /// Which.
        ids: Vec<KeyId>,
    },
    /// Remove these; their history stays.
    Remove {
        /// Which, at least one.
        ids: Vec<KeyId>,
    },
}

/// Something given on the command line, or to be read from standard input (`-`).
#[derive(Clone, PartialEq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// The argument itself: a key, or a path.
    Given(String),
}

/// Never shows what was given: it may be a key.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Input::Stdin { "Stdin" } else { "Given(…)" })
    }
}

/// Parses a command line; the first argument is the program's name.
///
/// # Errors
/// A mistake of syntax, or the text of `--help` and `--version`: clap's [`clap::Error::exit`] does
/// what each needs (exit code 2 for a mistake).
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let matches = grammar::program().try_get_matches_from(arguments)?;
    let command = command(&matches);
    let mut flags = setting_flags(&matches);
    if let Command::Simulate { .. } = command {
        // There `--port` is the simulator's own.
        flags.remove("port");
    }
    Ok(Cli { command, flags, config: matches.get_one::<PathBuf>("config").cloned() })
}

fn setting_flags(matches: &ArgMatches) -> BTreeMap<String, Vec<String>> {
    let given = rows().filter_map(|row| {
        let flag = row.flag?;
        let texts: Vec<String> = matches.get_many::<String>(row.key)?.cloned().collect();
        Some((flag.name.to_owned(), texts))
    });
    given.collect()
}

fn command(matches: &ArgMatches) -> Command {
    match matches.subcommand() {
        Some(("demo", own)) => Command::Demo { traffic: own.get_one("traffic").copied() },
        Some(("simulate", own)) => Command::Simulate {
            port: own.get_one::<String>("server.port").and_then(|port| port.parse().ok()).unwrap_or(9999),
            threads: own.get_one::<u16>("threads").map_or(1, |threads| usize::from(*threads)),
        },
        Some(("keys", own)) => Command::Keys(keys_command(own)),
        Some(("tokens", own)) => Command::Tokens(tokens::command(own)),
        Some(("usage", own)) => match own.subcommand() {
            Some((_, own)) => Command::UsageExport {
                format: match own.get_one::<String>("format").map(String::as_str) {
                    Some("csv") => ExportFormat::Csv,
                    _ => ExportFormat::Jsonl,
                },
                since: own.get_one("since").copied(),
                until: own.get_one("until").copied(),
            },
            None => Command::Serve,
        },
        Some(("config", own)) => match own.subcommand_name() {
            Some("show") => Command::ConfigShow,
            Some("schema") => Command::ConfigSchema,
            _ => Command::ConfigCheck,
        },
        Some(("db", own)) => Command::Db(db::command(own)),
        Some(("healthcheck", _)) => Command::Healthcheck,
        Some(("secret", own)) => match own.subcommand() {
            Some((_, own)) => {
                Command::SecretRotate { data_key: own.get_flag("data-key"), to: own.get_one("to").cloned() }
            }
            None => Command::Serve,
        },
        Some(("admin", own)) => match own.subcommand() {
            Some((_, own)) => Command::ResetPassword { given: own.get_one::<String>("password").is_some() },
            None => Command::Serve,
        },
        _ => Command::Serve,
    }
}

fn keys_command(matches: &ArgMatches) -> Keys {
    let input = |text: &String| if text == "-" { Input::Stdin } else { Input::Given(text.clone()) };
    let ids = |own: &ArgMatches| own.get_many::<i64>("id").unwrap_or_default().copied().map(KeyId).collect();
    match matches.subcommand() {
        Some(("add", own)) => Keys::Add {
            key: own.get_one::<String>("key").map(input),
            label: own.get_one::<String>("label").cloned().unwrap_or_default(),
            daily_limit: own.get_one("daily-limit").copied(),
        },
        Some(("import", own)) => match own.get_one::<PathBuf>("from-sqlite") {
            Some(path) => Keys::ImportSqlite { path: path.clone(), with_usage: own.get_flag("with-usage") },
            None => Keys::Import { from: own.get_one::<String>("file").map_or(Input::Stdin, input) },
        },
        Some(("check", own)) => Keys::Check { ids: ids(own) },
        Some(("remove", own)) => Keys::Remove { ids: ids(own) },
        Some((_, own)) => Keys::List { json: own.get_flag("json") },
        None => Keys::List { json: false },
    }
}

#[cfg(test)]
mod tests;

//! The command line: what to do, and which settings were given as flags.
//!
//! The flags of settings come from the table in [`crate::config`], so `--help` cannot disagree with
//! it; their values are judged there, with those of every other source. This file only parses.

pub mod grammar;
mod tokens;

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
mod tests {
    use super::*;
    use crate::domain::ids::TokenId;
    use crate::domain::token::TokenTerms;

    fn parsed(line: &str) -> Cli {
        let arguments = std::iter::once("openrouter-proxy").chain(line.split_whitespace());
        parse(arguments).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_grammar_is_sound() {
        grammar::program().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        let day = Timestamp::parse("2026-11-22");
        for (line, command) in [
            ("", Command::Serve),
            ("serve", Command::Serve),
            ("--port 1", Command::Serve),
            ("demo", Command::Demo { traffic: None }),
            ("demo --traffic 5", Command::Demo { traffic: Some(5) }),
            ("simulate", Command::Simulate { port: 9999, threads: 1 }),
            ("simulate --port 0 --threads 4", Command::Simulate { port: 0, threads: 4 }),
            ("keys list --json", Command::Keys(Keys::List { json: true })),
            ("keys check", Command::Keys(Keys::Check { ids: vec![] })),
            ("keys remove 1 2", Command::Keys(Keys::Remove { ids: vec![KeyId(1), KeyId(2)] })),
            ("keys import", Command::Keys(Keys::Import { from: Input::Stdin })),
            ("keys import a.csv", Command::Keys(Keys::Import { from: Input::Given("a.csv".into()) })),
            (
                "keys import --from-sqlite old.db --with-usage",
                Command::Keys(Keys::ImportSqlite { path: "old.db".into(), with_usage: true }),
            ),
            ("tokens list --json", Command::Tokens(Tokens::List { json: true })),
            ("tokens revoke 3", Command::Tokens(Tokens::Revoke { ids: vec![TokenId(3)] })),
            (
                "tokens create Ada --expires 2026-11-22 --daily-limit 9 --model a/* --model b --json",
                Command::Tokens(Tokens::Create {
                    terms: TokenTerms {
                        name: "Ada".into(),
                        expires_at: day,
                        allowed_models: Some(vec!["a/*".into(), "b".into()]),
                        requests_per_day: Some(9),
                        requests_per_minute: None,
                    },
                    json: true,
                }),
            ),
            ("keys add", Command::Keys(Keys::Add { key: None, label: String::new(), daily_limit: None })),
            (
                "keys add - --label a --daily-limit 50",
                Command::Keys(Keys::Add {
                    key: Some(Input::Stdin),
                    label: "a".into(),
                    daily_limit: Some(50),
                }),
            ),
            (
                "usage export --format csv --since 2026-11-22",
                Command::UsageExport { format: ExportFormat::Csv, since: day, until: None },
            ),
            ("config check", Command::ConfigCheck),
            ("config show", Command::ConfigShow),
            ("config schema", Command::ConfigSchema),
            ("healthcheck", Command::Healthcheck),
            ("secret rotate", Command::SecretRotate { data_key: false, to: None }),
            ("secret rotate --data-key", Command::SecretRotate { data_key: true, to: None }),
            ("secret rotate --to k", Command::SecretRotate { data_key: false, to: Some("k".into()) }),
            ("admin reset-password", Command::ResetPassword { given: false }),
            ("admin reset-password -", Command::ResetPassword { given: true }),
        ] {
            assert_eq!(parsed(line).command, command, "{line}");
        }
    }

    #[test]
    fn flags_of_settings_work_before_and_after_the_subcommand() {
        for line in [
            "--port 81 --database-url x.db --config c.json keys list",
            "keys list --port 81 --database-url x.db --config c.json",
            "--port 81 keys --config c.json list --database-url x.db",
        ] {
            let cli = parsed(line);
            assert_eq!(cli.flags.get("port"), Some(&vec!["81".to_owned()]), "{line}");
            assert_eq!(cli.flags.get("database-url"), Some(&vec!["x.db".to_owned()]), "{line}");
            assert_eq!(cli.config, Some(PathBuf::from("c.json")), "{line}");
        }
        assert!(parsed("simulate --port 81").flags.is_empty());
    }

    #[test]
    fn a_bare_flag_stands_for_its_value() {
        assert_eq!(parsed("--verbose").flags.get("verbose"), Some(&vec!["debug".to_owned()]));
        assert_eq!(parsed("--verbose=trace serve").flags.get("verbose"), Some(&vec!["trace".to_owned()]));
        assert_eq!(parsed("--verbose serve").command, Command::Serve);
        // Judged with all the other settings, not here.
        assert_eq!(parsed("--port -1").flags.get("port"), Some(&vec!["-1".to_owned()]));
    }

    /// The command lines in the README of the Rust proxy with provider mapping.
    #[test]
    fn coming_from_the_provider_mapping_proxy() {
        let cli = parsed(
            "--ip 127.0.0.1 -p 8080 --openrouter-base-url https://openrouter.ai/api/v1 \
             --model-provider-mapping *anthropic/claude*=Anthropic,Google --model-provider-mapping gpt-4=OpenAI",
        );
        let given = |flag: &str| cli.flags.get(flag).map(Vec::as_slice).unwrap_or_default();
        assert_eq!((given("host"), given("port")), (&["127.0.0.1".to_owned()][..], &["8080".to_owned()][..]));
        assert_eq!(given("model-provider-mapping"), ["*anthropic/claude*=Anthropic,Google", "gpt-4=OpenAI"]);
        let cli = parsed("--https --cert-path=./cert.pem --key-path=./key.pem");
        assert_eq!(cli.flags.get("https"), Some(&vec!["true".to_owned()]));
        assert_eq!(cli.flags.get("cert-path"), Some(&vec!["./cert.pem".to_owned()]));
    }

    #[test]
    fn mistakes_of_syntax_exit_with_2() {
        for line in [
            "--prot 1",
            "fly",
            "keys",
            "keys remove",
            "keys remove one",
            "keys import --with-usage",
            "keys import keys.txt --from-sqlite old.db",
            "secret",
            "secret rotate --to k --data-key",
            "admin",
            "admin reset-password hunter2",
            "keys add k --daily-limit 0",
            "tokens create",
            "tokens create x --minute-limit 0",
            "tokens revoke",
            "simulate --threads 0",
            "demo --traffic 0",
            "demo --traffic many",
            "simulate --port x",
            "usage export --since yesterday",
            "usage export --format xml",
        ] {
            let arguments = std::iter::once("openrouter-proxy").chain(line.split_whitespace());
            assert_eq!(parse(arguments).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn help_shows_every_flag_with_default_and_variables() {
        let help = grammar::program().render_help().to_string();
        for row in rows() {
            let Some(flag) = row.flag else { continue };
            let start = help.find(&format!("--{} ", flag.name)).or(help.find(&format!("--{}[", flag.name)));
            let rest = &help[start.unwrap_or_else(|| panic!("--{} is missing", flag.name))..];
            let entry =
                rest.split_once("\n  -").or(rest.split_once("\n      --")).map_or(rest, |(entry, _)| entry);
            assert!(entry.contains(row.doc) && entry.contains("[default: "), "{entry}");
            for variable in row.variables() {
                assert!(entry.contains(&variable), "{variable}: {entry}");
            }
        }
    }

    #[test]
    fn a_key_on_the_command_line_is_not_shown() {
        assert!(!format!("{:?}", parsed("keys add sk-or-v1-hunter2")).contains("hunter2"));
    }
}

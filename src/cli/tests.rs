//! Command lines and what they are read as.

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
            Command::Keys(Keys::Add { key: Some(Input::Stdin), label: "a".into(), daily_limit: Some(50) }),
        ),
        (
            "usage export --format csv --since 2026-11-22",
            Command::UsageExport { format: ExportFormat::Csv, since: day, until: None },
        ),
        ("db migrate", Command::Db(Db::Migrate)),
        ("db status --json", Command::Db(Db::Status { json: true })),
        ("db backup a.db", Command::Db(Db::Backup { to: "a.db".into() })),
        ("db copy --to postgres://h/db", Command::Db(Db::Copy { to: "postgres://h/db".into() })),
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
        "db",
        "db backup",
        "db copy",
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
    for line in ["keys add sk-or-v1-hunter2", "db copy --to postgres://u:hunter2@h/db"] {
        assert!(!format!("{:?}", parsed(line)).contains("hunter2"));
    }
}

//! The database as a whole, with the real program: made by several at once, killed while it is made, looked
//! at, backed up, copied to another, and refused where it cannot be used.

use crate::support::{PASSWORD, Program, is_long, key, postgres, wait_until};
use serde_json::Value;
use std::time::Duration;

fn status(program: &Program, arguments: &[&str]) -> Value {
    let ended = program.run(&[&["db", "status", "--json"], arguments].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.out).expect("JSON")
}

#[test]
fn several_may_start_at_once_on_an_empty_database() {
    let program = Program::new()
        .set("OPENROUTER_API_URL", "http://127.0.0.1:1")
        .set("OPENROUTER_API_KEY", &key("good", 1))
        .set("ACCESS_PASSWORD", PASSWORD);
    let mut running: Vec<_> = (0..4).map(|_| program.start(&["serve"])).collect();
    for one in &mut running {
        one.address("clients connect to ");
    }
    for one in &mut running {
        one.signal("TERM");
        assert_eq!(one.ended(), 0, "{:#?}", one.seen);
    }
    assert_eq!(status(&program, &[])["rows"]["keys"], 1);
}

#[test]
fn a_kill_while_the_schema_is_made_leaves_a_database_to_use() {
    for round in 0..if is_long() { 50 } else { 6 } {
        let program = Program::new();
        let mut making = program.start(&["db", "migrate"]);
        // No condition says how far it has come; the moments are spread over the time it takes.
        std::thread::sleep(Duration::from_millis(round * 7 % 60));
        making.signal("KILL");
        making.ended();
        let made = program.run(&["db", "migrate"]);
        assert_eq!(made.code, 0, "{made:?}");
        let added = program.run_with(&["keys", "add", "-"], &key("good", 1));
        assert_eq!(added.code, 0, "{added:?}");
    }
}

#[test]
fn a_copy_serves_in_place_of_its_source() {
    let program = Program::new();
    assert_eq!(program.run_with(&["keys", "add", "-", "--label", "mine"], &key("good", 1)).code, 0);
    assert_eq!(program.run(&["tokens", "create", "Ada"]).code, 0);
    let there = status(&program, &[]);
    let kind = if postgres::wanted() { "postgres" } else { "sqlite" };
    assert_eq!(
        (&there["kind"], &there["rows"]["keys"], &there["pending"]),
        (&kind.into(), &1.into(), &Value::Array(vec![]))
    );

    let target = "copies.db";
    let copied = program.run(&["db", "copy", "--to", target]);
    assert_eq!(copied.code, 0, "{copied:?}");
    assert!(copied.out.contains("holds the same now") && copied.err.contains("keys: 1 rows"), "{copied:?}");
    let again = program.run(&["db", "copy", "--to", target]);
    assert!(again.code == 1 && again.err.contains("is not empty"), "{again:?}");

    let on_copy = ["--database-url", target];
    // With SQLite the folder of the copy is the same, and so is the secret key's file.
    let listed = program.run(&[&["keys", "list", "--json"], &on_copy[..]].concat());
    assert!(listed.code == 0 && listed.out.contains("mine"), "{listed:?}");
    let copy = status(&program, &on_copy);
    assert_eq!((&copy["kind"], &copy["rows"]), (&"sqlite".into(), &there["rows"]));

    let backed_up = program.run(&[&["db", "backup", "kept.db"], &on_copy[..]].concat());
    assert_eq!(backed_up.code, 0, "{backed_up:?}");
    assert!(backed_up.out.contains("secret.key"), "{backed_up:?}");
    let kept = status(&program, &["--database-url", "kept.db"]);
    assert_eq!(kept["rows"], there["rows"]);
    if postgres::wanted() {
        let refused = program.run(&["db", "backup", "other.db"]);
        assert!(refused.code == 1 && refused.err.contains("pg_dump"), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_copied_or_looked_at_is_told_without_a_trace() {
    let program = Program::on_sqlite();
    let missing = program.run(&["db", "status"]);
    assert!(missing.code == 1 && missing.err.contains("does not exist yet"), "{missing:?}");
    assert!(!program.folder().join("openrouter_proxy.db").exists());
    assert_eq!(program.run_with(&["keys", "add", "-"], &key("good", 1)).code, 0);
    for (to, words) in [
        ("mysql://u:hunter2@h/db", "is not supported"),
        ("missing/folder.db", "does not exist"),
        ("postgres://u:hunter2@127.0.0.1:1/db", "cannot be reached"),
        ("openrouter_proxy.db", "not empty"),
    ] {
        let refused = program.run(&["db", "copy", "--to", to]);
        assert!(refused.code != 0 && refused.err.contains(words), "{to}: {refused:?}");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn a_server_that_cannot_be_used_is_told_with_what_to_do() {
    let Some(database) = postgres::Database::create() else { return };
    let url = database.url();
    let (credentials, place) = url.trim_start_matches("postgres://").split_once('@').expect("a URL");
    let (user, _) = credentials.split_once(':').expect("a password");
    let (server, _) = place.split_once('/').expect("a database");
    for (url, code, words) in [
        (format!("postgres://{user}:hunter2@{place}"), 78, "password authentication failed"),
        (format!("postgres://nobody:hunter2@{place}"), 78, "check database.url"),
        (format!("postgres://{credentials}@{server}/hunter2"), 78, "does not exist"),
        (format!("postgres://{credentials}@127.0.0.1:1/db"), 1, "cannot be reached"),
        (format!("postgres://{credentials}@{place}?sslmode=require"), 78, "SSL"),
    ] {
        let program = Program::on_sqlite().set("DATABASE_URL", &url);
        for command in [&["serve"][..], &["keys", "list"], &["db", "status"]] {
            let ended = program.run(command);
            assert_eq!(ended.code, code, "{command:?}: {ended:?}");
            assert!(ended.err.contains(words), "{words}: {ended:?}");
            assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
        }
        assert!(!program.folder().join("openrouter_proxy.db").exists(), "another database was made instead");
    }
}

#[test]
fn a_running_servers_database_is_backed_up() {
    let program = Program::on_sqlite()
        .set("OPENROUTER_API_URL", "http://127.0.0.1:1")
        .set("OPENROUTER_API_KEY", &key("good", 1))
        .set("ACCESS_PASSWORD", PASSWORD);
    let mut running = program.start(&["serve"]);
    running.address("clients connect to ");
    assert_eq!(program.run(&["db", "backup", "kept.db"]).code, 0);
    wait_until("the backup to be whole", || program.folder().join("kept.db").exists());
    assert_eq!(status(&program, &["--database-url", "kept.db"])["rows"]["keys"], 1);
    running.signal("TERM");
    assert_eq!(running.ended(), 0);
}

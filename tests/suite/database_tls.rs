//! TLS to Postgres: what `sslmode` and `sslrootcert` ask for holds, and what it refuses is told.

use crate::support::{
    Authority, CHAT, Call, PASSWORD, PostgresServer, Program, Wire, chat, key, postgres, wait_until,
};
use openrouter_proxy::simulator::{Options, Simulator};
use std::fs;

const DAY: i64 = 86_400;

/// Lets the server show a certificate for `host`, from now on.
fn certify(server: &PostgresServer, authority: &Authority, host: &str) {
    let (certificate, key) = authority.vouch(host, -DAY, DAY);
    for (file, text) in [("server.crt", certificate), ("server.key", key)] {
        let text = String::from_utf8(text).expect("a PEM");
        // It takes a key only from a file that nobody else can read.
        server.tell(&format!(
            "COPY (SELECT regexp_split_to_table('{}', '\n')) TO PROGRAM 'umask 077; cat > {file}'",
            text.trim_end()
        ));
    }
    server.tell("ALTER SYSTEM SET ssl = on");
    server.tell("SELECT pg_reload_conf()");
}

/// The database's URL with these options, and how the program's command with it ends.
fn status(program: &mut Program, database: &postgres::Database, options: &str) -> (i32, String) {
    program.change("DATABASE_URL", &format!("{}?{options}", database.url()));
    let ended = program.run(&["db", "status"]);
    (ended.code, ended.err)
}

#[test]
fn certificates_and_host_names_are_checked_as_the_url_says() {
    let Some(server) = PostgresServer::start() else { return };
    let database = server.database();
    let mut program = Program::on_sqlite();
    assert_eq!(status(&mut program, &database, "sslmode=prefer").0, 0);
    let (code, said) = status(&mut program, &database, "sslmode=require");
    assert!(code == 78 && said.contains("does not support SSL"), "{code}: {said}");

    let (authority, stranger) = (Authority::new(), Authority::new());
    fs::write(program.folder().join("ca.pem"), authority.pem()).expect("a folder");
    fs::write(program.folder().join("other.pem"), stranger.pem()).expect("a folder");
    certify(&server, &authority, "localhost");
    wait_until("the server to speak TLS", || status(&mut program, &database, "sslmode=require").0 == 0);
    for (options, code, words) in [
        ("sslmode=disable", 0, ""),
        ("sslmode=verify-ca&sslrootcert=ca.pem", 0, ""),
        ("sslmode=verify-full&sslrootcert=ca.pem", 0, ""),
        ("sslmode=verify-ca&sslrootcert=other.pem", 78, "SSL error"),
        ("sslmode=verify-full&sslrootcert=other.pem", 78, "SSL error"),
        ("sslmode=verify-full&sslrootcert=missing.pem", 78, "does not exist"),
        ("sslmode=verify-full", 78, "certificate verify failed"),
        ("sslrootcert=system", 78, "certificate verify failed"),
    ] {
        let (ended, said) = status(&mut program, &database, options);
        assert!(ended == code && said.contains(words), "{options}: {ended}: {said}");
    }
    // What the machine trusts is found where it says.
    program.change("SSL_CERT_FILE", "ca.pem");
    for options in ["sslmode=verify-full", "sslrootcert=system", "sslmode=require&sslrootcert=system"] {
        let (ended, said) = status(&mut program, &database, options);
        assert_eq!(ended, 0, "{options}: {said}");
    }

    certify(&server, &authority, "db.example");
    wait_until("the server to show the other certificate", || {
        let (code, said) = status(&mut program, &database, "sslmode=verify-full&sslrootcert=ca.pem");
        code == 78 && said.contains("does not match host name")
    });
    assert_eq!(status(&mut program, &database, "sslmode=verify-ca&sslrootcert=ca.pem").0, 0);
}

#[test]
fn a_proxy_serves_and_hears_of_changes_through_tls() {
    let Some(server) = PostgresServer::start() else { return };
    let database = server.database();
    let simulator = Simulator::start(Options::default()).expect("a simulator");
    let authority = Authority::new();
    certify(&server, &authority, "localhost");
    let program = Program::on_sqlite()
        .file("ca.pem", &String::from_utf8(authority.pem()).expect("a PEM"))
        .set("DATABASE_URL", &format!("{}?sslmode=verify-full&sslrootcert=ca.pem", database.url()))
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("ACCESS_PASSWORD", PASSWORD);
    let mut running = program.start(&[]);
    let address = running.address("clients connect to");
    let ask = || {
        let call = Call::post(CHAT, chat("hello", false).to_string());
        Wire::open(address).ask(&call).status
    };
    assert_ne!(ask(), 200, "without a key");
    assert_eq!(program.run_with(&["keys", "add", "-"], &key("good", 1)).code, 0);
    wait_until("the new key to be heard of", || ask() == 200);
    running.signal("TERM");
    assert_eq!(running.ended(), 0);
}

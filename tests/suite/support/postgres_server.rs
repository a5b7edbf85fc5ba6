//! A Postgres server of its own for one test, which the test may end.

use super::postgres::Database;
use super::wait_for;
use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;
use diesel::{RunQueryDsl, sql_query, sql_types};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The server. Dropping it ends it for good.
pub struct PostgresServer {
    child: Child,
    url: String,
}

#[derive(diesel::QueryableByName)]
struct Told {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

impl PostgresServer {
    /// A new one; `None` where no test runs on Postgres.
    pub fn start() -> Option<PostgresServer> {
        std::env::var_os("TEST_POSTGRES_URL")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres.sh");
        let mut child = Command::new(script)
            .args(["sh", "-c", "echo \"$TEST_POSTGRES_URL\"; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut url = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        out.read_line(&mut url).expect("a line");
        Some(PostgresServer { child, url: url.trim().to_owned() })
    }

    /// An empty database on it.
    pub fn database(&self) -> Database {
        Database::on(self.url.clone())
    }

    /// Says a statement to it.
    pub fn tell(&self, statement: &str) {
        let mut connection = PgConnection::establish(&self.url).expect("the server answers");
        connection.batch_execute(statement).expect("a valid statement");
    }

    /// Ends it by this signal, and waits until it serves anew.
    pub fn restart(&self, signal: &str) {
        let before = self.id().expect("it answers");
        let status = Command::new("kill").args([format!("-{signal}"), before.clone()]).status();
        assert!(status.is_ok_and(|status| status.success()));
        wait_for("the server to be back", || self.id().filter(|id| *id != before));
    }

    /// The process id of the server itself.
    fn id(&self) -> Option<String> {
        let mut connection = PgConnection::establish(&self.url).ok()?;
        let query = sql_query("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS text");
        query.get_result::<Told>(&mut connection).ok().map(|told| told.text)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

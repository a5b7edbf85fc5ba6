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
    pub fn restart(&self, name: &str) {
        let before = self.id().expect("it answers");
        signal(name, std::slice::from_ref(&before));
        wait_for("the server to be back", || self.id().filter(|id| *id != before));
    }

    /// Lets it fall silent, as a machine that hangs: it accepts connections and answers nothing.
    pub fn silence(&self) -> Silence {
        let server = self.id().expect("it answers");
        let mut processes = vec![server.clone()];
        let all = std::fs::read_dir("/proc").expect("the processes").flatten();
        processes.extend(all.filter_map(|process| {
            let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
            // proc(5): the state and the parent follow the name, which stands in parentheses.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            (parent == server).then(|| process.file_name().to_string_lossy().into_owned())
        }));
        signal("STOP", &processes);
        Silence(processes)
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

/// A server that says nothing; it goes on when this is dropped.
pub struct Silence(Vec<String>);

impl Drop for Silence {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

/// Sends the signal; some of the processes may have ended meanwhile.
fn signal(name: &str, processes: &[String]) {
    let _ = Command::new("kill").arg(format!("-{name}")).args(processes).status();
}

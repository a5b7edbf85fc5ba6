//! A Postgres database of its own for one test, on the server that `TEST_POSTGRES_URL` names
//! (`tests/postgres.sh` makes one), or on another one. Dropping it drops the database.

use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;

/// Whether tests are to run on Postgres: `TEST_DATABASE=postgres`.
pub fn wanted() -> bool {
    std::env::var("TEST_DATABASE").is_ok_and(|database| database == "postgres")
}

/// An empty database.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new one; `None` where no server is named.
    pub fn create() -> Option<Database> {
        let server = std::env::var("TEST_POSTGRES_URL").ok()?;
        Some(Database::on(server))
    }

    /// A new one on the server of this URL.
    pub fn on(server: String) -> Database {
        let name = format!("test_{:016x}", fastrand::u64(..));
        let database = Database { server, name };
        database.tell(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        database
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}", self.name)
    }

    fn tell(&self, statement: &str) {
        connect(&self.server).batch_execute(statement).expect("a valid statement");
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("the server answers")
}

impl Drop for Database {
    fn drop(&mut self) {
        // With a test that fails, the server may be the reason.
        if !std::thread::panicking() {
            self.tell(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

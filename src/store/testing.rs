//! A database of its own for one test: SQLite, or with `TEST_DATABASE=postgres` on the Postgres server
//! that `TEST_POSTGRES_URL` names. What is peculiar to SQLite's files asks for SQLite.

use super::{Place, SecretKeySource, Store, StoreError};
use crate::domain::key::NewKey;
use crate::domain::secret::Secret;
use diesel::connection::{Connection, SimpleConnection};
use diesel::{PgConnection, SqliteConnection};
use std::path::PathBuf;

#[path = "../../tests/suite/support/postgres.rs"]
mod postgres;

/// A database, and a folder with its secret key; both go when it is dropped.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    postgres: Option<postgres::Database>,
}

impl Bench {
    /// On the database that is tested.
    pub(super) fn new() -> Bench {
        let server = || postgres::Database::create().expect("TEST_POSTGRES_URL names a server");
        Bench { postgres: postgres::wanted().then(server), ..Bench::sqlite() }
    }

    /// On SQLite in any case.
    pub(super) fn sqlite() -> Bench {
        Bench { folder: tempfile::tempdir().expect("a folder"), postgres: None }
    }

    /// The SQLite file.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.folder.path().join("secret.key")
    }

    pub(super) fn place(&self) -> Place {
        match &self.postgres {
            Some(database) => Place::Postgres(Secret::new(database.url())),
            None => Place::Sqlite(self.database()),
        }
    }

    pub(super) fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.place(), &SecretKeySource::File(self.key_file()))
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().expect("a database")
    }
}

/// A key to add, a different one for each label.
pub(super) fn key(label: &str) -> NewKey {
    NewKey {
        secret: Secret::new(format!("sk-or-v1-{label}-0123456789abcdef")),
        label: label.to_owned(),
        daily_limit: None,
    }
}

/// Changes the database behind the store's back.
pub(super) fn raw(bench: &Bench, statement: &str) {
    if let Some(database) = &bench.postgres {
        let mut connection = PgConnection::establish(&database.url()).expect("a database");
        return connection.batch_execute(statement).expect("a valid statement");
    }
    let path = bench.database();
    let mut connection =
        SqliteConnection::establish(path.to_str().expect("a UTF-8 path")).expect("a database");
    connection.batch_execute("PRAGMA busy_timeout = 5000").expect("a database");
    connection.batch_execute(statement).expect("a valid statement");
}

//! A database of its own for one test.

use super::{Place, SecretKeySource, Store, StoreError};
use crate::domain::key::NewKey;
use crate::domain::secret::Secret;
use diesel::SqliteConnection;
use diesel::connection::{Connection, SimpleConnection};
use std::path::PathBuf;

/// A folder with a database and its secret key; both go when it is dropped.
pub(super) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.folder.path().join("secret.key")
    }

    pub(super) fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&Place::Sqlite(self.database()), &SecretKeySource::File(self.key_file()))
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().expect("a database")
    }
}

/// An empty database on the Postgres server that `TEST_POSTGRES_URL` names, in a schema of its own;
/// `None` where no server is named. The schema stays: such a server is made for tests.
pub(super) fn postgres() -> Option<Store> {
    let url = std::env::var("TEST_POSTGRES_URL").ok()?;
    let schema = format!("test_{:016x}", fastrand::u64(..));
    let mut connection = diesel::PgConnection::establish(&url).expect("a server");
    connection.batch_execute(&format!("CREATE SCHEMA {schema}")).expect("a schema");
    let url = format!("{url}?options=-csearch_path%3D{schema}");
    let secret_key = super::SecretKey::generate().expect("randomness").to_file_text();
    let given = SecretKeySource::Given(Secret::new(secret_key.as_str()));
    Some(Store::open(&Place::Postgres(Secret::new(url)), &given).expect("a database"))
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
    let path = bench.database();
    let mut connection =
        SqliteConnection::establish(path.to_str().expect("a UTF-8 path")).expect("a database");
    connection.batch_execute("PRAGMA busy_timeout = 5000").expect("a database");
    connection.batch_execute(statement).expect("a valid statement");
}

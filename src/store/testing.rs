//! A database of its own for one test.

use super::{Place, SecretKeySource, Store, StoreError};
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

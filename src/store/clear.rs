//! Upstream keys in clear, for an export that the operator asked for twice. Nothing else leaves the
//! store so.

use super::Store;
use super::error::StoreError;
use crate::domain::key::{KeyRecord, StoredKey};
use crate::domain::time::Day;
use zeroize::Zeroizing;

impl Store {
    /// Every key with its text, which is wiped when dropped.
    pub fn keys_in_clear(&self, day: Day) -> Result<Vec<(KeyRecord, Zeroizing<String>)>, StoreError> {
        let in_clear = |StoredKey { record, secret }| (record, Zeroizing::new(secret.expose().to_owned()));
        Ok(self.keys(day)?.into_iter().map(in_clear).collect())
    }
}

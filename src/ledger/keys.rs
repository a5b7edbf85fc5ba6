//! Upstream keys in the ledger.

use super::{Ledger, LedgerError};
use crate::domain::ids::KeyId;
use crate::domain::key::{KeyRecord, NewKey};
use crate::domain::time::{Day, Timestamp};
use crate::store::{KeyEdit, Store, StoreError};
use zeroize::Zeroizing;

/// What to change about a key; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// What the operator calls it.
    pub label: Option<String>,
    /// Requests a UTC day through this key; `Some(None)`: no limit of its own.
    pub daily_limit: Option<Option<u32>>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
}

/// A key as it is exported.
pub struct ExportedKey {
    /// What is known of it.
    pub record: KeyRecord,
    /// The key in clear, where it was asked for.
    pub clear: Option<Zeroizing<String>>,
}

impl Ledger {
    /// Every key with its counts for `day`, by id.
    pub async fn keys(&self, day: Day) -> Result<Vec<KeyRecord>, LedgerError> {
        self.run(move |store| store.key_records(day)).await
    }

    /// One key. Errors: [`LedgerError::Unknown`] when it is not there, as below.
    pub async fn key(&self, id: KeyId, day: Day) -> Result<KeyRecord, LedgerError> {
        self.run(move |store| record(store, id, day)).await
    }

    /// Adds a key. Errors: [`LedgerError::DuplicateKey`].
    pub async fn add_key(
        &self,
        key: NewKey,
        enabled: bool,
        now: Timestamp,
    ) -> Result<KeyRecord, LedgerError> {
        self.run(move |store| {
            let added = store.add_key(key, now)?;
            if enabled {
                return Ok(added);
            }
            store.set_key_enabled(added.id, false)?;
            Ok(KeyRecord { enabled, ..added })
        })
        .await
    }

    /// Changes a key.
    pub async fn change_key(&self, id: KeyId, change: KeyChange, day: Day) -> Result<KeyRecord, LedgerError> {
        self.run(move |store| {
            let KeyChange { label, daily_limit, enabled } = change;
            store.edit_key(id, &KeyEdit { label, daily_limit })?;
            if let Some(enabled) = enabled {
                store.set_key_enabled(id, enabled)?;
            }
            record(store, id, day)
        })
        .await
    }

    /// Removes a key; its history stays.
    pub async fn remove_key(&self, id: KeyId, now: Timestamp) -> Result<(), LedgerError> {
        self.run(move |store| store.remove_key(id, now)).await
    }

    /// Every key for an export, in clear if `in_clear`.
    pub async fn export_keys(&self, in_clear: bool, day: Day) -> Result<Vec<ExportedKey>, LedgerError> {
        self.run(move |store| {
            if in_clear {
                let keys = store.keys_in_clear(day)?.into_iter();
                return Ok(keys.map(|(record, clear)| ExportedKey { record, clear: Some(clear) }).collect());
            }
            let records = store.key_records(day)?.into_iter();
            Ok(records.map(|record| ExportedKey { record, clear: None }).collect())
        })
        .await
    }
}

fn record(store: &Store, id: KeyId, day: Day) -> Result<KeyRecord, StoreError> {
    let records = store.key_records(day)?;
    records.into_iter().find(|record| record.id == id).ok_or(StoreError::UnknownKey { id })
}

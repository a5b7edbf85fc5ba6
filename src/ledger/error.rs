//! Why the ledger could not do what it was asked to.

use crate::domain::ids::KeyId;
use crate::store::StoreError;

/// Why the ledger could not do what it was asked to. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The same upstream key is there already.
    #[error("this upstream key is already there, as key {0}")]
    DuplicateKey(KeyId),
    /// There is no such thing.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// The database did not do it.
    #[error("the database could not be used: {0}")]
    Away(String),
    /// The work ended without an answer.
    #[error("the work ended early; the log says more")]
    Broken,
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> LedgerError {
        match error {
            StoreError::DuplicateKey { id } => LedgerError::DuplicateKey(id),
            StoreError::UnknownKey { .. } => LedgerError::Unknown("key"),
            StoreError::UnknownAccount { .. } => LedgerError::Unknown("account"),
            other => {
                log::warn!("the admin plane could not use the database: {other}");
                LedgerError::Away(other.to_string())
            }
        }
    }
}

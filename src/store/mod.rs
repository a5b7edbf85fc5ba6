//! The store: what survives a restart. The only room that knows Diesel.
//!
//! Everything here blocks: callers run it off the worker threads. It decides nothing about quotas
//! or models, never keeps a secret in clear on disk, and never opens a sealed database with another
//! secret key than its own.

mod accounts;
mod clear;
mod connection;
mod cooldowns;
mod copy;
mod earlier;
mod error;
mod instances;
mod keys;
mod leases;
mod listings;
mod migrations;
mod model_choices;
mod news;
mod password;
mod rotate;
mod schema;
mod seal;
mod secret_key;
mod sessions;
mod settings;
mod statement;
mod tables;
#[cfg(test)]
mod testing;
mod text;
mod tokens;
mod upkeep;
mod usage;
mod vaults;

pub use connection::Place;
pub use copy::{Copied, copy};
pub use earlier::{Earlier, EarlierError, Imported, ImportedUsage};
pub use error::StoreError;
pub use keys::KeyEdit;
pub use listings::StoredListing;
pub use news::Topic;
pub use password::PasswordHash;
pub use rotate::{HandOver, Rotated};
pub use seal::SecretKey;
pub use secret_key::SecretKeySource;
pub use tokens::{StoredToken, TokenText};
pub use upkeep::{Migrated, Status, backup, migrate, status};

use connection::Pool;
use std::sync::Arc;
use vaults::Vaults;

/// The open database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    pool: Arc<Pool>,
    vaults: Arc<Vaults>,
}

impl Store {
    /// Opens the database at `place`, creates it if it does not exist, brings its schema up to date
    /// and unwraps its data key. A new database gets a new data key, and a new secret key file if
    /// `secret_key` names one that does not exist.
    ///
    /// # Errors
    /// Those for which [`StoreError::is_configuration`] is true mean exit code 78.
    pub fn open(place: &Place, secret_key: &SecretKeySource) -> Result<Store, StoreError> {
        let pool = Pool::open(place)?;
        // Alone, so that of two processes on a new database one makes the keys and the other finds them.
        let vaults = pool.write_alone(|connection| Vaults::open(connection, secret_key))?;
        Ok(Store { pool: Arc::new(pool), vaults: Arc::new(vaults) })
    }
}

#[cfg(test)]
mod tests;

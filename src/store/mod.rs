//! The store: what survives a restart. The only room that knows Diesel.
//!
//! Everything here blocks: callers run it off the worker threads. It decides nothing about quotas
//! or models, never keeps a secret in clear on disk, and never opens a sealed database with another
//! secret key than its own.

mod accounts;
mod clear;
mod connection;
mod cooldowns;
mod earlier;
mod error;
mod keys;
mod leases;
mod listings;
mod migrations;
mod model_choices;
mod password;
mod schema;
mod seal;
mod secret_key;
mod settings;
#[cfg(test)]
mod testing;
mod text;
mod tokens;
mod usage;

pub use connection::Place;
pub use earlier::{Earlier, EarlierError, Imported, ImportedUsage};
pub use error::StoreError;
pub use keys::KeyEdit;
pub use listings::StoredListing;
pub use password::PasswordHash;
pub use seal::SecretKey;
pub use secret_key::SecretKeySource;
pub use tokens::{StoredToken, TokenText};

use connection::{AnyConnection, Pool};
use diesel::prelude::*;
use seal::Vault;
use std::sync::Arc;

/// The setting that holds the data key, wrapped by the secret key. Being there, it says that the
/// database is sealed; unwrapping, that the secret key is the right one.
const DATA_KEY_SETTING: &str = "data_key";

/// The open database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    pool: Arc<Pool>,
    vault: Arc<Vault>,
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
        let vault = pool.write_alone(|connection| open_vault(connection, secret_key))?;
        Ok(Store { pool: Arc::new(pool), vault: Arc::new(vault) })
    }
}

fn open_vault(connection: &mut AnyConnection, source: &SecretKeySource) -> Result<Vault, StoreError> {
    if let Some(wrapped) = settings::get(connection, DATA_KEY_SETTING)? {
        let vault = Vault::open(&source.load()?, &wrapped)?;
        return vault.ok_or_else(|| StoreError::WrongSecretKey { origin: source.origin() });
    }
    let sealed: i64 =
        schema::keys::table.filter(schema::keys::sealed.is_not_null()).count().get_result(connection)?;
    if sealed > 0 {
        return Err(StoreError::LostDataKey);
    }
    let (vault, wrapped) = Vault::create(&source.load_or_create()?)?;
    settings::put(connection, DATA_KEY_SETTING, &wrapped)?;
    Ok(vault)
}

#[cfg(test)]
mod tests;

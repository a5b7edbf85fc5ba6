//! The vault in use, and how it follows a rotation of the data key by another process.
//!
//! The database says which data key its rows are sealed under, by a number that rises with each new
//! one. Must never seal a row under another data key than the one in force, and never go on with a
//! database that the secret key does not open.

use super::connection::AnyConnection;
use super::error::StoreError;
use super::schema::keys;
use super::seal::{DataKey, Vault};
use super::secret_key::SecretKeySource;
use super::settings;
use arc_swap::ArcSwap;
use diesel::prelude::*;
use std::ops::Deref;
use std::sync::Arc;

/// The setting that holds the data key, wrapped by the secret key. Being there, it says that the
/// database is sealed; unwrapping, that the secret key is the right one.
pub(super) const DATA_KEY_SETTING: &str = "data_key";
/// The setting that rises with each new data key.
pub(super) const DATA_KEY_NUMBER_SETTING: &str = "data_key_number";

/// A vault, and which data key it is of.
pub(super) struct Numbered {
    vault: Vault,
    number: i64,
}

impl Deref for Numbered {
    type Target = Vault;

    fn deref(&self) -> &Vault {
        &self.vault
    }
}

/// The vault in use.
pub(super) struct Vaults {
    source: SecretKeySource,
    current: ArcSwap<Numbered>,
}

impl Vaults {
    /// Opens the vault of the database; a new database gets a data key, and a secret key if need be.
    /// Must run where nobody else does the same.
    pub(super) fn open(
        connection: &mut AnyConnection,
        source: &SecretKeySource,
    ) -> Result<Vaults, StoreError> {
        if settings::get(connection, DATA_KEY_SETTING)?.is_none() {
            let sealed: i64 =
                keys::table.filter(keys::sealed.is_not_null()).count().get_result(connection)?;
            if sealed > 0 {
                return Err(StoreError::LostDataKey);
            }
            let wrapped = DataKey::generate()?.wrap(&source.load_or_create()?)?;
            settings::put(connection, DATA_KEY_SETTING, &wrapped)?;
        }
        let current = ArcSwap::from(read(connection, source)?);
        Ok(Vaults { source: source.clone(), current })
    }

    /// Where the secret key is.
    pub(super) fn source(&self) -> &SecretKeySource {
        &self.source
    }

    /// The vault of the data key in force. What is sealed with it must be written in the same
    /// transaction, which must be alone.
    pub(super) fn now(&self, connection: &mut AnyConnection) -> Result<Arc<Numbered>, StoreError> {
        let current = self.current.load_full();
        if settings::number(connection, DATA_KEY_NUMBER_SETTING)? == current.number {
            return Ok(current);
        }
        let newer = read(connection, &self.source)?;
        self.current.store(Arc::clone(&newer));
        Ok(newer)
    }

    /// What `look` reads, with the vault that it was sealed with.
    pub(super) fn reading<T>(
        &self,
        connection: &mut AnyConnection,
        look: impl Fn(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<(Arc<Numbered>, T), StoreError> {
        loop {
            let vault = self.now(connection)?;
            let found = look(connection)?;
            // A rotation between the two statements would look like damage.
            if settings::number(connection, DATA_KEY_NUMBER_SETTING)? == vault.number {
                return Ok((vault, found));
            }
        }
    }
}

fn read(connection: &mut AnyConnection, source: &SecretKeySource) -> Result<Arc<Numbered>, StoreError> {
    loop {
        let number = settings::number(connection, DATA_KEY_NUMBER_SETTING)?;
        let mut wrapped = || settings::get(connection, DATA_KEY_SETTING)?.ok_or(StoreError::LostDataKey);
        let found = wrapped()?;
        let data_key = match source.data_key(&found) {
            // The secret key of the next rotation does not open what the last one wrapped.
            Err(StoreError::WrongSecretKey { .. }) if wrapped()? != found => continue,
            data_key => data_key?,
        };
        let vault = data_key.vault()?;
        if settings::number(connection, DATA_KEY_NUMBER_SETTING)? == number {
            return Ok(Arc::new(Numbered { vault, number }));
        }
    }
}

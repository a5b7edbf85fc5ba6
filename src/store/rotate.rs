//! `secret rotate`: another secret key, and on demand another data key, while servers run.
//!
//! A new secret key wraps the same data key anew, which running servers hold already: they notice
//! nothing. With a new data key every upstream key is sealed again, all in one transaction; servers
//! follow by its number. Must never leave a database that no secret key at hand opens: the new one is
//! on disk, or handed over, before the database is sealed with it.

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::keys;
use super::seal::{DataKey, SecretKey, Vault};
use super::secret_key::{Replacement, SecretKeySource, create};
use super::settings;
use super::vaults::{DATA_KEY_NUMBER_SETTING, DATA_KEY_SETTING};
use crate::domain::ids::KeyId;
use diesel::prelude::*;
use std::io;
use std::path::{Path, PathBuf};

/// Where a new secret key goes when the old one was given by a setting.
pub enum HandOver<'a> {
    /// Into a new file that only this user may read.
    File(&'a Path),
    /// To whoever shows it, once.
    Show(&'a mut dyn FnMut(&str) -> io::Result<()>),
}

/// What a rotation has changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The upstream keys that were sealed again under a new data key; `None`: the data key stays.
    pub resealed: Option<usize>,
    /// The file that the new secret key lies in; `None`: it was shown, or there is no new one.
    pub file: Option<PathBuf>,
    /// Whether there is a new secret key.
    pub new_secret_key: bool,
}

impl Store {
    /// Seals the database with a new secret key, and with `data_key` its upstream keys under a new
    /// data key. A secret key in a file is replaced there, and `hand_over` must not name another; one
    /// that a setting gives is handed over, or with `data_key` stays as it is.
    ///
    /// # Errors
    /// Whatever it is, the database is sealed as before, but for an error of the connection at the very
    /// end: then either key may be the right one, and the next opening finds out.
    pub fn rotate(&self, data_key: bool, hand_over: HandOver<'_>) -> Result<Rotated, StoreError> {
        match (self.vaults.source(), hand_over) {
            (SecretKeySource::File(path), HandOver::File(_)) => {
                Err(StoreError::RotatesInPlace { path: path.clone() })
            }
            (SecretKeySource::File(path), HandOver::Show(_)) => self.rotate_in_place(path, data_key),
            (source, HandOver::File(_)) if data_key => {
                Err(StoreError::RotateInTwoSteps { origin: source.origin() })
            }
            (SecretKeySource::Given(_), hand_over) => self.rotate_given(data_key, hand_over),
        }
    }

    fn rotate_in_place(&self, path: &Path, data_key: bool) -> Result<Rotated, StoreError> {
        let replacement = Replacement::begin(path)?;
        let resealed = self.pool.write_alone(|connection| {
            let old = self.old_data_key(connection)?;
            let new_secret_key = SecretKey::generate()?;
            replacement.write(&new_secret_key)?;
            if data_key {
                return reseal(connection, &old, &new_secret_key).map(Some);
            }
            settings::put(connection, DATA_KEY_SETTING, &old.wrap(&new_secret_key)?)?;
            Ok(None)
        })?;
        Ok(Rotated { resealed, file: Some(replacement.finish()), new_secret_key: true })
    }

    fn rotate_given(&self, data_key: bool, hand_over: HandOver<'_>) -> Result<Rotated, StoreError> {
        self.pool.write_alone(|connection| {
            let old = self.old_data_key(connection)?;
            if data_key {
                let secret_key = self.vaults.source().load()?;
                let resealed = Some(reseal(connection, &old, &secret_key)?);
                return Ok(Rotated { resealed, file: None, new_secret_key: false });
            }
            let new_secret_key = SecretKey::generate()?;
            let file = match hand_over {
                HandOver::File(path) => {
                    create(path, &new_secret_key)?;
                    Some(path.to_owned())
                }
                HandOver::Show(show) => {
                    show(new_secret_key.to_file_text().trim_end()).map_err(StoreError::NotHandedOver)?;
                    None
                }
            };
            settings::put(connection, DATA_KEY_SETTING, &old.wrap(&new_secret_key)?)?;
            Ok(Rotated { resealed: None, file, new_secret_key: true })
        })
    }

    /// The data key in force. A secret key that an earlier rotation has left beside its file is in its
    /// place afterwards, if it is the right one.
    fn old_data_key(&self, connection: &mut AnyConnection) -> Result<DataKey, StoreError> {
        let wrapped = settings::get(connection, DATA_KEY_SETTING)?.ok_or(StoreError::LostDataKey)?;
        let data_key = self.vaults.source().data_key(&wrapped)?;
        // What lies beside the file is about to be replaced: not if it is the one that opens.
        match DataKey::unwrap_by(&self.vaults.source().load()?, &wrapped) {
            Some(_) => Ok(data_key),
            None => Err(StoreError::WrongSecretKey { origin: self.vaults.source().origin() }),
        }
    }
}

/// Seals every upstream key under a new data key, which `secret_key` wraps. How many there are.
fn reseal(
    connection: &mut AnyConnection,
    old: &DataKey,
    secret_key: &SecretKey,
) -> Result<usize, StoreError> {
    let data_key = DataKey::generate()?;
    let (from, to) = (old.vault()?, data_key.vault()?);
    let rows: Vec<(i64, Option<String>)> = keys::table
        .filter(keys::sealed.is_not_null())
        .order(keys::id)
        .select((keys::id, keys::sealed))
        .load(connection)?;
    for (id, sealed) in &rows {
        reseal_one(connection, KeyId(*id), sealed.as_deref().unwrap_or_default(), &from, &to)?;
    }
    settings::put(connection, DATA_KEY_SETTING, &data_key.wrap(secret_key)?)?;
    settings::count_up(connection, DATA_KEY_NUMBER_SETTING)?;
    news::tell(connection, Topic::Keys)?;
    Ok(rows.len())
}

fn reseal_one(
    connection: &mut AnyConnection,
    id: KeyId,
    sealed: &str,
    from: &Vault,
    to: &Vault,
) -> Result<(), StoreError> {
    let secret = from.unseal(id, sealed).ok_or(StoreError::DamagedKey { id })?;
    diesel::update(keys::table.find(id.0))
        .set((keys::sealed.eq(to.seal(id, &secret)?), keys::fingerprint.eq(to.fingerprint(&secret)?)))
        .execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests;

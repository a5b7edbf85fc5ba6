//! Upstream keys: sealed, with their counts. A removed key keeps its row and loses its secret.
//!
//! Must never store a key in clear, nor give an id twice.

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::{key_days, keys};
use super::statement::{self, Value};
use super::text::storable;
use super::vaults::Vaults;
use crate::domain::account::AccountUse;
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::key::{KeyRecord, KeyUse, NewKey, StoredKey};
use crate::domain::time::{Day, Timestamp};
use diesel::dsl::max;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// What to change about a key; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEdit {
    /// What the operator calls it.
    pub label: Option<String>,
    /// Requests a UTC day through this key; `Some(None)`: no limit of its own.
    pub daily_limit: Option<Option<u32>>,
}

impl Store {
    /// A number that rises with each edit of the keys, but not with their counts: whoever holds them in
    /// memory reads them again when it has changed.
    pub fn keys_revision(&self) -> Result<i64, StoreError> {
        self.revision(Topic::Keys)
    }

    /// Every key with its secret and its counts for `day`, in the order they were added.
    ///
    /// # Errors
    /// [`StoreError::DamagedKey`] when one does not unseal: its row was changed from outside.
    pub fn keys(&self, day: Day) -> Result<Vec<StoredKey>, StoreError> {
        let (vault, rows) = self
            .pool
            .read(|connection| self.vaults.reading(connection, |connection| load(connection, day)))?;
        let unseal = |row: KeyRow| {
            let id = KeyId(row.id);
            let secret = row.sealed.as_deref().and_then(|sealed| vault.unseal(id, sealed));
            let secret = secret.ok_or(StoreError::DamagedKey { id })?;
            Ok(StoredKey { record: row.into(), secret })
        };
        rows.into_iter().map(unseal).collect()
    }

    /// Like [`Store::keys`] without the secrets; it lists damaged keys too.
    pub fn key_records(&self, day: Day) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.pool.read(|connection| load(connection, day))?;
        Ok(rows.into_iter().map(KeyRecord::from).collect())
    }

    /// Adds a key, enabled and as an account of its own.
    ///
    /// # Errors
    /// [`StoreError::DuplicateKey`] when the same key is there; a removed one is not.
    pub fn add_key(&self, key: NewKey, now: Timestamp) -> Result<KeyRecord, StoreError> {
        self.pool.write_alone(|connection| add(connection, &self.vaults, &key, now))
    }

    /// Removes a key: its secret is wiped, its history stays.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] when it is not there, as with the other changes below.
    pub fn remove_key(&self, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let changed =
                diesel::update(keys::table.filter(keys::id.eq(id.0)).filter(keys::removed_at.is_null()))
                    .set((
                        keys::sealed.eq(None::<String>),
                        keys::fingerprint.eq(None::<String>),
                        keys::removed_at.eq(now.millis()),
                    ))
                    .execute(connection)?;
            expect_one(id, changed)?;
            news::tell(connection, Topic::Keys)
        })
    }

    /// Lets a key be used, or not.
    pub fn set_key_enabled(&self, id: KeyId, enabled: bool) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let changed =
                diesel::update(keys::table.filter(keys::id.eq(id.0)).filter(keys::removed_at.is_null()))
                    .set(keys::enabled.eq(enabled))
                    .execute(connection)?;
            expect_one(id, changed)?;
            news::tell(connection, Topic::Keys)
        })
    }

    /// Notes why a key is out of use until the operator acts, or with `None` that it no longer is.
    pub fn set_key_fault(&self, id: KeyId, fault: Option<&str>) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let changed =
                diesel::update(keys::table.filter(keys::id.eq(id.0)).filter(keys::removed_at.is_null()))
                    .set(keys::fault.eq(fault.map(storable)))
                    .execute(connection)?;
            expect_one(id, changed)?;
            news::tell(connection, Topic::Keys)
        })
    }

    /// Changes a key's label or daily limit.
    pub fn edit_key(&self, id: KeyId, edit: &KeyEdit) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let of_key = || keys::table.filter(keys::id.eq(id.0)).filter(keys::removed_at.is_null());
            expect_one(
                id,
                usize::from(of_key().select(keys::id).first::<i64>(connection).optional()?.is_some()),
            )?;
            if let Some(label) = &edit.label {
                diesel::update(of_key()).set(keys::label.eq(storable(label))).execute(connection)?;
            }
            if let Some(limit) = edit.daily_limit {
                diesel::update(of_key())
                    .set(keys::daily_limit.eq(limit.map(i64::from)))
                    .execute(connection)?;
            }
            news::tell(connection, Topic::Keys)
        })
    }

    /// Adds attempts to the counts of keys, accounts and days. All of them count, or none; those of a
    /// key that never was are passed over.
    pub fn record_uses(&self, keys: &[KeyUse], accounts: &[AccountUse]) -> Result<(), StoreError> {
        // Summed first, and in order: replicas that write the same keys then cannot deadlock.
        let mut sums: BTreeMap<(KeyId, Day), (i64, Timestamp)> = BTreeMap::new();
        for used in keys {
            let sum = sums.entry((used.key, used.day)).or_insert((0, used.last));
            sum.0 += i64::from(used.count);
            sum.1 = sum.1.max(used.last);
        }
        if sums.is_empty() && accounts.is_empty() {
            return Ok(());
        }
        self.pool.write(|connection| {
            for ((key, day), (count, last)) in sums {
                add_uses(connection, key, day, count, last)?;
            }
            super::accounts::add_uses(connection, accounts)
        })
    }
}

/// Adds a key; must run where nobody else decides about the next id.
pub(super) fn add(
    connection: &mut AnyConnection,
    vaults: &Vaults,
    key: &NewKey,
    now: Timestamp,
) -> Result<KeyRecord, StoreError> {
    let vault = vaults.now(connection)?;
    let fingerprint = vault.fingerprint(&key.secret)?;
    let same = keys::table.filter(keys::fingerprint.eq(&fingerprint)).select(keys::id);
    if let Some(id) = same.first(connection).optional()? {
        return Err(StoreError::DuplicateKey { id: KeyId(id) });
    }
    let account = super::accounts::add(connection, now)?;
    let last: Option<i64> = keys::table.select(max(keys::id)).first(connection)?;
    let id = KeyId(last.unwrap_or(0) + 1);
    let record = KeyRecord {
        id,
        label: storable(&key.label).into_owned(),
        hint: key.secret.hint(),
        account,
        enabled: true,
        daily_limit: key.daily_limit,
        used_today: 0,
        used_total: 0,
        last_used: None,
        fault: None,
    };
    diesel::insert_into(keys::table)
        .values((
            keys::id.eq(id.0),
            keys::label.eq(&record.label),
            keys::hint.eq(storable(&record.hint)),
            keys::sealed.eq(vault.seal(id, &key.secret)?),
            keys::fingerprint.eq(&fingerprint),
            keys::account_id.eq(account.0),
            keys::enabled.eq(true),
            keys::daily_limit.eq(key.daily_limit.map(i64::from)),
            keys::used_total.eq(0_i64),
            keys::created_at.eq(now.millis()),
        ))
        .execute(connection)?;
    news::tell(connection, Topic::Keys)?;
    Ok(record)
}

fn load(connection: &mut AnyConnection, day: Day) -> Result<Vec<KeyRow>, StoreError> {
    let of_day = key_days::key_id.eq(keys::id).and(key_days::day.eq(day.0));
    let rows = keys::table
        .left_join(key_days::table.on(of_day))
        .filter(keys::removed_at.is_null())
        .order(keys::id)
        .select((
            keys::id,
            keys::label,
            keys::hint,
            keys::sealed,
            keys::account_id,
            keys::enabled,
            keys::daily_limit,
            key_days::used.nullable(),
            keys::used_total,
            keys::last_used,
            keys::fault,
        ))
        .load(connection)?;
    Ok(rows)
}

fn add_uses(
    connection: &mut AnyConnection,
    key: KeyId,
    day: Day,
    count: i64,
    last: Timestamp,
) -> Result<(), StoreError> {
    let (key, day, count, last) =
        (Value::Whole(key.0), Value::Whole(day.0.into()), Value::Whole(count), Value::Whole(last.millis()));
    let known = statement::run(
        connection,
        "UPDATE keys SET used_total = used_total + ?, \
         last_used = CASE WHEN last_used > ? THEN last_used ELSE ? END WHERE id = ?",
        &[count.clone(), last.clone(), last, key.clone()],
    )?;
    if known == 0 {
        return Ok(());
    }
    statement::run(
        connection,
        "INSERT INTO key_days (key_id, day, used) VALUES (?, ?, ?) \
         ON CONFLICT (key_id, day) DO UPDATE SET used = key_days.used + excluded.used",
        &[key, day, count],
    )?;
    Ok(())
}

fn expect_one(id: KeyId, changed: usize) -> Result<(), StoreError> {
    if changed == 0 { Err(StoreError::UnknownKey { id }) } else { Ok(()) }
}

/// A key as the tables hold it.
#[derive(Queryable)]
struct KeyRow {
    id: i64,
    label: String,
    hint: String,
    sealed: Option<String>,
    account_id: i64,
    enabled: bool,
    daily_limit: Option<i64>,
    used_today: Option<i64>,
    used_total: i64,
    last_used: Option<i64>,
    fault: Option<String>,
}

impl From<KeyRow> for KeyRecord {
    fn from(row: KeyRow) -> KeyRecord {
        KeyRecord {
            id: KeyId(row.id),
            label: row.label,
            hint: row.hint,
            account: AccountId(row.account_id),
            enabled: row.enabled,
            daily_limit: row.daily_limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            used_today: row.used_today.map_or(0, |used| u64::try_from(used).unwrap_or(0)),
            used_total: u64::try_from(row.used_total).unwrap_or(0),
            last_used: row.last_used.map(Timestamp::from_millis),
            fault: row.fault,
        }
    }
}

#[cfg(test)]
mod tests;

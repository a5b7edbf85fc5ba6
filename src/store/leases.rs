//! What has been handed out of each quota to the processes that share the database.
//!
//! One row per quota and period holds the sum of all parts. It rises before a part is used and never
//! above the limit; it falls only by what its holder gives back. Beside it stands how much of it is whose.

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::schema::{account_days, client_token_days, key_days, keys, quota_holdings, quota_leases};
use super::settings;
use crate::domain::ids::AccountId;
use crate::domain::quota::{Granted, Holder, Quota, QuotaKind, Want};
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use openssl::rand::rand_bytes;
use std::collections::HashSet;

/// The setting that holds what tells this database from every other one.
const IDENTITY_SETTING: &str = "database_id";

impl Store {
    /// Takes, gives back and raises parts of quotas for `holder`, all in one transaction; the answers
    /// stand in the order of `wants`. Of two wants for one quota and period the second sees the first.
    ///
    /// # Errors
    /// When it fails nothing was done, unless the connection broke at the very end: then what the holder
    /// has shows in the next answer.
    pub fn lease(&self, holder: &Holder, wants: &[Want]) -> Result<Vec<Granted>, StoreError> {
        if wants.is_empty() {
            return Ok(Vec::new());
        }
        // In one order everywhere, so that processes that want the same rows cannot deadlock.
        let mut ordered: Vec<(usize, &Want)> = wants.iter().enumerate().collect();
        ordered.sort_by_key(|(_, want)| (want.quota, want.period));
        let mut granted = self.pool.write(|connection| {
            let accounts = with_keys(connection, wants)?;
            let settle = |(at, want): (usize, &Want)| {
                // It was merged into another, whose limit holds for both.
                let is_gone = is_of_account(want) && !accounts.contains(&want.quota.subject);
                let gone = Granted { leased: u64::from(want.limit), is_gone, ..Granted::default() };
                Ok((at, if is_gone { gone } else { settle(connection, holder, want)? }))
            };
            ordered.into_iter().map(settle).collect::<Result<Vec<_>, StoreError>>()
        })?;
        granted.sort_by_key(|(at, _)| *at);
        Ok(granted.into_iter().map(|(_, granted)| granted).collect())
    }

    /// What tells this database from every other one: drawn by chance when it is first asked for.
    pub fn identity(&self) -> Result<String, StoreError> {
        if let Some(known) = self.pool.read(|connection| settings::get(connection, IDENTITY_SETTING))? {
            return Ok(known);
        }
        let mut bytes = [0u8; 16];
        rand_bytes(&mut bytes).map_err(|_| StoreError::Crypto("make random bytes"))?;
        self.pool.write_alone(|connection| {
            if let Some(known) = settings::get(connection, IDENTITY_SETTING)? {
                return Ok(known);
            }
            let identity = format!("{:032x}", u128::from_be_bytes(bytes));
            settings::put(connection, IDENTITY_SETTING, &identity)?;
            Ok(identity)
        })
    }

    /// Forgets what was handed out of periods that were over long before `now`.
    pub fn forget_leases(&self, now: Timestamp) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            for kind in QuotaKind::ALL {
                // Two periods stay: clocks of other processes may lag.
                let (kind, first) = (kind.word(), kind.period(now).saturating_sub(2));
                let over = quota_leases::kind.eq(kind).and(quota_leases::period.lt(first));
                diesel::delete(quota_leases::table.filter(over)).execute(connection)?;
                let over = quota_holdings::kind.eq(kind).and(quota_holdings::period.lt(first));
                diesel::delete(quota_holdings::table.filter(over)).execute(connection)?;
            }
            Ok(())
        })
    }

    /// The database's own time; `None` where that is this machine's.
    pub fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.pool.read(super::connection::time)
    }
}

fn number(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn is_of_account(want: &Want) -> bool {
    matches!(want.quota.kind, QuotaKind::AccountDay | QuotaKind::AccountMinute)
}

/// Those accounts in `wants` that have a key.
fn with_keys(connection: &mut AnyConnection, wants: &[Want]) -> Result<HashSet<i64>, StoreError> {
    let asked: HashSet<i64> =
        wants.iter().filter(|want| is_of_account(want)).map(|want| want.quota.subject).collect();
    let asked: Vec<i64> = asked.into_iter().collect();
    let mut known = HashSet::new();
    // SQLite takes some thousands of values in one statement.
    for some in asked.chunks(1000) {
        let query = keys::table.filter(keys::account_id.eq_any(some)).select(keys::account_id).distinct();
        known.extend(query.load::<i64>(connection)?);
    }
    Ok(known)
}

/// One number that a statement returns.
#[derive(QueryableByName)]
struct Amount {
    #[diesel(sql_type = BigInt)]
    amount: i64,
}

fn settle(connection: &mut AnyConnection, holder: &Holder, want: &Want) -> Result<Granted, StoreError> {
    let leased = match lower(connection, want)? {
        Some(leased) => leased,
        None => {
            ensure_row(connection, want.quota, want.period)?;
            lower(connection, want)?.unwrap_or(i64::MAX)
        }
    };
    let left = i64::from(want.limit).saturating_sub(leased).max(0);
    let amount = number(want.take).min(left);
    if amount > 0 {
        let row = quota_leases::table.find((want.quota.kind.word(), want.quota.subject, want.period));
        diesel::update(row).set(quota_leases::leased.eq(leased + amount)).execute(connection)?;
    }
    let held = hold(connection, holder, want, amount)?;
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Granted { amount: count(amount), leased: count(leased + amount), held: count(held), is_gone: false })
}

/// Takes back what is given and raises to what is known to be used; what is handed out then. The row is
/// locked by this until the transaction's end. `None`: there is no row yet.
fn lower(connection: &mut AnyConnection, want: &Want) -> Result<Option<i64>, StoreError> {
    let lowered = diesel::sql_query(
        "UPDATE quota_leases SET leased = CASE WHEN leased - $1 > $2 THEN leased - $1 ELSE $2 END \
         WHERE kind = $3 AND subject = $4 AND period = $5 RETURNING leased AS amount",
    )
    .bind::<BigInt, _>(number(want.give))
    .bind::<BigInt, _>(number(want.at_least))
    .bind::<Text, _>(want.quota.kind.word())
    .bind::<BigInt, _>(want.quota.subject)
    .bind::<BigInt, _>(want.period)
    .get_result::<Amount>(connection)
    .optional()?;
    Ok(lowered.map(|lowered| lowered.amount))
}

/// Writes down what the holder has now; how much that is. The quota's row must be locked.
fn hold(
    connection: &mut AnyConnection,
    holder: &Holder,
    want: &Want,
    amount: i64,
) -> Result<i64, StoreError> {
    let Quota { kind, subject } = want.quota;
    if amount == 0 && want.give == 0 {
        let row = quota_holdings::table.find((kind.word(), subject, want.period, &holder.0));
        let held: Option<i64> = row.select(quota_holdings::held).first(connection).optional()?;
        return Ok(held.unwrap_or(0));
    }
    // Of what it gives some may never have been written down as its own.
    let held = diesel::sql_query(
        "INSERT INTO quota_holdings (kind, subject, period, holder, held) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (kind, subject, period, holder) DO UPDATE SET held = $5 + \
         CASE WHEN quota_holdings.held > $6 THEN quota_holdings.held - $6 ELSE 0 END RETURNING held AS amount",
    )
    .bind::<Text, _>(kind.word())
    .bind::<BigInt, _>(subject)
    .bind::<BigInt, _>(want.period)
    .bind::<Text, _>(&holder.0)
    .bind::<BigInt, _>(amount)
    .bind::<BigInt, _>(number(want.give))
    .get_result::<Amount>(connection)?;
    Ok(held.amount)
}

/// A day's row begins at what was counted before there were rows.
fn ensure_row(connection: &mut AnyConnection, quota: Quota, period: i64) -> Result<(), StoreError> {
    let row = quota_leases::table.find((quota.kind.word(), quota.subject, period));
    if row.select(quota_leases::leased).first::<i64>(connection).optional()?.is_some() {
        return Ok(());
    }
    let counted = counted(connection, quota, period)?.unwrap_or(0);
    diesel::sql_query(
        "INSERT INTO quota_leases (kind, subject, period, leased) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (kind, subject, period) DO NOTHING",
    )
    .bind::<Text, _>(quota.kind.word())
    .bind::<BigInt, _>(quota.subject)
    .bind::<BigInt, _>(period)
    .bind::<BigInt, _>(counted.max(0))
    .execute(connection)?;
    Ok(())
}

fn counted(connection: &mut AnyConnection, quota: Quota, period: i64) -> Result<Option<i64>, StoreError> {
    let Ok(day) = i32::try_from(period) else { return Ok(None) };
    let of_day = (quota.subject, day);
    let counted = match quota.kind {
        QuotaKind::AccountDay => {
            account_days::table.find(of_day).select(account_days::used).first(connection).optional()
        }
        QuotaKind::KeyDay => key_days::table.find(of_day).select(key_days::used).first(connection).optional(),
        QuotaKind::TokenDay => {
            let row = client_token_days::table.find(of_day);
            row.select(client_token_days::used).first(connection).optional()
        }
        QuotaKind::AccountMinute | QuotaKind::TokenMinute => Ok(None),
    };
    Ok(counted?)
}

/// What was handed out of `gone`'s quotas was of `kept`'s all along. Must run before the counts of the
/// two are added up, since a row that is missing begins with them.
pub(super) fn merge(
    connection: &mut AnyConnection,
    kept: AccountId,
    gone: AccountId,
) -> Result<(), StoreError> {
    let last_days: Vec<i32> = account_days::table
        .filter(account_days::account_id.eq(gone.0))
        .order(account_days::day.desc())
        .limit(2)
        .select(account_days::day)
        .load(connection)?;
    for day in last_days {
        let quota = Quota { kind: QuotaKind::AccountDay, subject: gone.0 };
        ensure_row(connection, quota, i64::from(day))?;
    }
    for kind in [QuotaKind::AccountDay, QuotaKind::AccountMinute] {
        let is_of_gone = || quota_leases::kind.eq(kind.word()).and(quota_leases::subject.eq(gone.0));
        let rows: Vec<(i64, i64)> = quota_leases::table
            .filter(is_of_gone())
            .order(quota_leases::period)
            .select((quota_leases::period, quota_leases::leased))
            .load(connection)?;
        for (period, leased) in rows {
            ensure_row(connection, Quota { kind, subject: kept.0 }, period)?;
            diesel::update(quota_leases::table.find((kind.word(), kept.0, period)))
                .set(quota_leases::leased.eq(quota_leases::leased + leased))
                .execute(connection)?;
        }
        diesel::delete(quota_leases::table.filter(is_of_gone())).execute(connection)?;
        // Nobody knows what of these was used: as long as their holders live they go on with them, but who
        // takes over from one finds none of it.
        let is_of_gone = quota_holdings::kind.eq(kind.word()).and(quota_holdings::subject.eq(gone.0));
        diesel::delete(quota_holdings::table.filter(is_of_gone)).execute(connection)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

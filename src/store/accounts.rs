//! Accounts: their users, limits and counts. One that was merged into another keeps its row, so that
//! usage rows still mean something.
//!
//! Decides nothing: which keys share an account is the pool's to say.

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::leases;
use super::news::{self, Topic};
use super::schema::{account_days, account_users, accounts, keys};
use super::statement::{self, Value};
use super::text::storable;
use crate::domain::account::{AccountEdit, AccountRecord, AccountUse, Limit};
use crate::domain::ids::AccountId;
use crate::domain::time::{Day, Timestamp};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::collections::BTreeMap;

impl Store {
    /// Every account that has a key, with its count for `day`.
    pub fn accounts(&self, day: Day) -> Result<Vec<AccountRecord>, StoreError> {
        self.pool.read(|connection| load(connection, day))
    }

    /// Notes what `GET /key` said of an account; `None` leaves what was known.
    pub fn learn_account(
        &self,
        id: AccountId,
        free_tier: Option<bool>,
        daily_limit: Option<u32>,
    ) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let of_account = || accounts::table.find(id.0);
            if let Some(free_tier) = free_tier {
                diesel::update(of_account()).set(accounts::free_tier.eq(free_tier)).execute(connection)?;
            }
            if let Some(limit) = daily_limit {
                let limit = accounts::learned_daily_limit.eq(i64::from(limit));
                diesel::update(of_account()).set(limit).execute(connection)?;
            }
            Ok(())
        })
    }

    /// Sets or takes back the operator's own limits of an account.
    ///
    /// # Errors
    /// [`StoreError::UnknownAccount`] when it is not there.
    pub fn edit_account(&self, id: AccountId, edit: &AccountEdit) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            let of_account = || accounts::table.find(id.0);
            let known = of_account().select(accounts::id).first::<i64>(connection).optional()?;
            known.ok_or(StoreError::UnknownAccount { id })?;
            if let Some(limit) = edit.daily_limit {
                let limit = accounts::daily_limit.eq(limit.map(Limit::number));
                diesel::update(of_account()).set(limit).execute(connection)?;
            }
            if let Some(limit) = edit.minute_limit {
                let limit = accounts::minute_limit.eq(limit.map(Limit::number));
                diesel::update(of_account()).set(limit).execute(connection)?;
            }
            news::tell(connection, Topic::Keys)
        })
    }

    /// Notes that `user` is the upstream's name for an account.
    pub fn name_account(&self, id: AccountId, user: &str) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            diesel::sql_query(
                "INSERT INTO account_users (upstream_user, account_id) VALUES ($1, $2) \
                 ON CONFLICT (upstream_user) DO UPDATE SET account_id = excluded.account_id",
            )
            .bind::<Text, _>(storable(user))
            .bind::<BigInt, _>(id.0)
            .execute(connection)?;
            Ok(())
        })
    }

    /// Gives everything that belonged to the account `gone` to `kept`: keys, users and counts.
    pub fn merge_accounts(&self, kept: AccountId, gone: AccountId) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            leases::merge(connection, kept, gone)?;
            diesel::update(keys::table.filter(keys::account_id.eq(gone.0)))
                .set(keys::account_id.eq(kept.0))
                .execute(connection)?;
            diesel::update(account_users::table.filter(account_users::account_id.eq(gone.0)))
                .set(account_users::account_id.eq(kept.0))
                .execute(connection)?;
            let days: Vec<(i32, i64)> = account_days::table
                .filter(account_days::account_id.eq(gone.0))
                .select((account_days::day, account_days::used))
                .load(connection)?;
            for (day, used) in days {
                let count = u64::try_from(used).unwrap_or(0);
                add_uses(connection, &[AccountUse { account: kept, day: Day(day), count }])?;
            }
            diesel::delete(account_days::table.filter(account_days::account_id.eq(gone.0)))
                .execute(connection)?;
            news::tell(connection, Topic::Keys)
        })
    }
}

/// Adds an account of which nothing is known; must run where nobody else decides about the next id.
pub(super) fn add(connection: &mut AnyConnection, now: Timestamp) -> Result<AccountId, StoreError> {
    let last: Option<i64> = accounts::table.select(max(accounts::id)).first(connection)?;
    let id = last.unwrap_or(0) + 1;
    diesel::insert_into(accounts::table)
        .values((accounts::id.eq(id), accounts::created_at.eq(now.millis())))
        .execute(connection)?;
    Ok(AccountId(id))
}

/// Adds attempts to the counts of accounts and days.
pub(super) fn add_uses(connection: &mut AnyConnection, uses: &[AccountUse]) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(AccountId, Day), i64> = BTreeMap::new();
    for used in uses {
        let count = i64::try_from(used.count).unwrap_or(i64::MAX);
        let sum = sums.entry((used.account, used.day)).or_default();
        *sum = sum.saturating_add(count);
    }
    for ((account, day), count) in sums {
        // A key that was removed meanwhile leaves its account behind; one that never was is passed over.
        statement::run(
            connection,
            "INSERT INTO account_days (account_id, day, used) SELECT id, ?, ? FROM accounts WHERE id = ? \
             ON CONFLICT (account_id, day) DO UPDATE SET used = account_days.used + excluded.used",
            &[Value::Whole(day.0.into()), Value::Whole(count), Value::Whole(account.0)],
        )?;
    }
    Ok(())
}

fn load(connection: &mut AnyConnection, day: Day) -> Result<Vec<AccountRecord>, StoreError> {
    let in_use = keys::table.filter(keys::removed_at.is_null()).select(keys::account_id);
    let of_day = account_days::account_id.eq(accounts::id).and(account_days::day.eq(day.0));
    let rows: Vec<AccountRow> = accounts::table
        .left_join(account_days::table.on(of_day))
        .filter(accounts::id.eq_any(in_use))
        .order(accounts::id)
        .select((
            accounts::id,
            accounts::free_tier,
            accounts::learned_daily_limit,
            accounts::daily_limit,
            accounts::minute_limit,
            account_days::used.nullable(),
        ))
        .load(connection)?;
    let users: Vec<(i64, String)> = account_users::table
        .order(account_users::upstream_user)
        .select((account_users::account_id, account_users::upstream_user))
        .load(connection)?;
    let mut of_account: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (account, user) in users {
        of_account.entry(account).or_default().push(user);
    }
    Ok(rows.into_iter().map(|row| row.record(&mut of_account)).collect())
}

/// An account as the tables hold it.
#[derive(Queryable)]
struct AccountRow {
    id: i64,
    free_tier: Option<bool>,
    learned_daily_limit: Option<i64>,
    daily_limit: Option<i64>,
    minute_limit: Option<i64>,
    used_today: Option<i64>,
}

impl AccountRow {
    fn record(self, users: &mut BTreeMap<i64, Vec<String>>) -> AccountRecord {
        AccountRecord {
            id: AccountId(self.id),
            users: users.remove(&self.id).unwrap_or_default(),
            free_tier: self.free_tier,
            learned_daily_limit: self
                .learned_daily_limit
                .map(|limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX)),
            daily_limit: self.daily_limit.map(Limit::from_number),
            minute_limit: self.minute_limit.map(Limit::from_number),
            used_today: self.used_today.map_or(0, |used| u64::try_from(used).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Bench, key};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const DAY: Day = Day(20_000);

    #[test]
    fn what_is_learned_and_set_survives_a_restart() {
        let bench = Bench::new();
        let store = bench.open();
        let account = store.add_key(key("one"), NOW).expect("a key").account;
        store.learn_account(account, Some(false), Some(1000)).expect("learned");
        store.learn_account(account, None, None).expect("nothing new");
        store.name_account(account, "user_a").expect("named");
        let edit =
            AccountEdit { daily_limit: Some(Some(Limit::None)), minute_limit: Some(Some(Limit::Of(5))) };
        store.edit_account(account, &edit).expect("set");
        let used = AccountUse { account, day: DAY, count: 7 };
        store.record_uses(&[], &[used, used]).expect("counts");
        drop(store);

        let kept = bench.open().accounts(DAY).expect("accounts");
        let expected = AccountRecord {
            id: account,
            users: vec!["user_a".to_owned()],
            free_tier: Some(false),
            learned_daily_limit: Some(1000),
            daily_limit: Some(Limit::None),
            minute_limit: Some(Limit::Of(5)),
            used_today: 14,
        };
        assert_eq!(kept, [expected]);
        let unset = AccountEdit { daily_limit: Some(None), ..AccountEdit::default() };
        bench.open().edit_account(account, &unset).expect("taken back");
        assert_eq!(bench.open().accounts(DAY).expect("accounts")[0].daily_limit, None);
        assert!(bench.open().edit_account(AccountId(99), &unset).is_err());
    }

    #[test]
    fn a_merged_account_hands_everything_over() {
        let bench = Bench::new();
        let store = bench.open();
        let kept = store.add_key(key("one"), NOW).expect("a key").account;
        let gone = store.add_key(key("two"), NOW).expect("a key").account;
        let uses = [(kept, 3), (gone, 4)].map(|(account, count)| AccountUse { account, day: DAY, count });
        store.record_uses(&[], &uses).expect("counts");
        store.name_account(gone, "user_b").expect("named");
        let before = store.keys_revision().expect("a number");
        store.merge_accounts(kept, gone).expect("merged");
        store.merge_accounts(kept, gone).expect("merging again changes nothing");
        assert_ne!(store.keys_revision().expect("a number"), before);
        let accounts = store.accounts(DAY).expect("accounts");
        assert_eq!(accounts.len(), 1);
        assert_eq!((accounts[0].used_today, accounts[0].users.as_slice()), (7, &["user_b".to_owned()][..]));
        assert!(store.key_records(DAY).expect("keys").iter().all(|key| key.account == kept));
    }
}

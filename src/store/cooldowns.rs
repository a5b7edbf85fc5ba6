//! What rests, so that a restart does not forget it.

use super::Store;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::cooldowns;
use super::text::storable;
use crate::domain::cooldown::{CooldownRecord, Place};
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// Every rest that is stored, also those that are over, with the number of this state.
    pub fn cooldowns(&self) -> Result<(i64, Vec<CooldownRecord>), StoreError> {
        self.pool.read(|connection| {
            // The number first: what changes meanwhile raises it again.
            let revision = news::revision(connection, Topic::Cooldowns)?;
            let rows: Vec<CooldownRow> = cooldowns::table.order(cooldowns::place).load(connection)?;
            Ok((revision, rows.into_iter().filter_map(CooldownRow::record).collect()))
        })
    }

    /// Removes the rests of places that no longer rest, then stores those that began or changed; of two
    /// rests of a place, by two processes, the later end stays. Returns the number of this state.
    pub fn save_cooldowns(&self, changed: &[CooldownRecord], ended: &[Place]) -> Result<i64, StoreError> {
        // In order, so that replicas that write the same places cannot deadlock.
        let changed: BTreeMap<String, &CooldownRecord> =
            changed.iter().map(|rest| (storable(&rest.place.to_string()).into_owned(), rest)).collect();
        let ended: BTreeSet<String> =
            ended.iter().map(|place| storable(&place.to_string()).into_owned()).collect();
        self.pool.write(|connection| {
            if changed.is_empty() && ended.is_empty() {
                return news::revision(connection, Topic::Cooldowns);
            }
            let ended: Vec<String> = ended.into_iter().collect();
            for some in ended.chunks(500) {
                diesel::delete(cooldowns::table.filter(cooldowns::place.eq_any(some))).execute(connection)?;
            }
            for (place, rest) in changed {
                diesel::sql_query(
                    "INSERT INTO cooldowns (place, cause, since, ends_at, strikes, guessed) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (place) DO UPDATE SET \
                     cause = excluded.cause, since = excluded.since, ends_at = excluded.ends_at, \
                     strikes = excluded.strikes, guessed = excluded.guessed \
                     WHERE excluded.ends_at IS NULL OR excluded.ends_at >= cooldowns.ends_at",
                )
                .bind::<Text, _>(place)
                .bind::<Text, _>(storable(&rest.cause))
                .bind::<BigInt, _>(rest.since.millis())
                .bind::<Nullable<BigInt>, _>(rest.until.map(Timestamp::millis))
                .bind::<Integer, _>(i32::try_from(rest.strikes).unwrap_or(i32::MAX))
                .bind::<Bool, _>(rest.guessed)
                .execute(connection)?;
            }
            news::tell(connection, Topic::Cooldowns)?;
            news::revision(connection, Topic::Cooldowns)
        })
    }
}

/// A rest as the table holds it.
#[derive(Queryable)]
struct CooldownRow {
    place: String,
    cause: String,
    since: i64,
    ends_at: Option<i64>,
    strikes: i32,
    guessed: bool,
}

impl CooldownRow {
    /// A place that a newer program knew is passed over.
    fn record(self) -> Option<CooldownRecord> {
        Some(CooldownRecord {
            place: self.place.parse().ok()?,
            cause: self.cause,
            since: Timestamp::from_millis(self.since),
            until: self.ends_at.map(Timestamp::from_millis),
            strikes: u32::try_from(self.strikes).unwrap_or(0),
            guessed: self.guessed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AccountId, KeyId};
    use crate::store::testing::{Bench, raw};

    fn rest(place: Place, until: Option<i64>) -> CooldownRecord {
        CooldownRecord {
            place,
            cause: "free_daily_limit".to_owned(),
            since: Timestamp::from_millis(5),
            until: until.map(Timestamp::from_millis),
            strikes: 3,
            guessed: true,
        }
    }

    #[test]
    fn rests_survive_a_restart() {
        let bench = Bench::new();
        let account = rest(Place::Account(AccountId(1)), Some(90));
        let key = rest(Place::Key(KeyId(2)), None);
        bench
            .open()
            .save_cooldowns(&[rest(account.place.clone(), Some(7)), key.clone()], &[])
            .expect("saved");
        bench.open().save_cooldowns(std::slice::from_ref(&account), &[]).expect("saved anew");
        raw(&bench, "INSERT INTO cooldowns VALUES ('planet:1', 'x', 1, 2, 3, TRUE)");
        assert_eq!(bench.open().cooldowns().expect("rests").1, [account.clone(), key]);
        let (before, _) = bench.open().cooldowns().expect("rests");
        // Another process knows of an earlier end.
        let after =
            bench.open().save_cooldowns(&[rest(account.place.clone(), Some(89))], &[]).expect("saved");
        assert_eq!(after, before + 1);
        assert_eq!(bench.open().cooldowns().expect("rests").1[0], account);
        let anew = rest(account.place.clone(), Some(8));
        bench
            .open()
            .save_cooldowns(std::slice::from_ref(&anew), std::slice::from_ref(&anew.place))
            .expect("anew");
        assert_eq!(bench.open().cooldowns().expect("rests").1[0], anew);
        bench.open().save_cooldowns(&[], &[account.place]).expect("ended");
        assert_eq!(bench.open().cooldowns().expect("rests").1.len(), 1);
    }
}

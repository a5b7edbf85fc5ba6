//! The processes that share this database: each one's heartbeat, and what it says of itself.
//!
//! Times are those of the database's server where it has a clock of its own, so that no replica's
//! wrong clock makes another look dead.

use super::Store;
use super::connection;
use super::error::StoreError;
use super::schema::instances;
use super::text::storable;
use crate::domain::instance::{Instance, InstanceRecord};
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use std::time::Duration;

/// Who has been silent so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

impl Store {
    /// Says that `instance` lives; returns everyone's last word, the oldest instance first.
    pub fn beat(
        &self,
        instance: &Instance,
        draining: bool,
        now: Timestamp,
    ) -> Result<Vec<InstanceRecord>, StoreError> {
        self.pool.write(|connection| {
            let now = connection::time(connection)?.unwrap_or(now);
            diesel::sql_query(
                "INSERT INTO instances (id, version, host, pid, data_address, admin_address, started_at, \
                 beat_at, draining) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) \
                 DO UPDATE SET beat_at = excluded.beat_at, draining = excluded.draining",
            )
            .bind::<Text, _>(&instance.id)
            .bind::<Text, _>(&instance.version)
            .bind::<Text, _>(storable(&instance.host))
            .bind::<BigInt, _>(i64::from(instance.pid))
            .bind::<Text, _>(&instance.data_address)
            .bind::<Text, _>(&instance.admin_address)
            .bind::<BigInt, _>(instance.started_at.millis())
            .bind::<BigInt, _>(now.millis())
            .bind::<Bool, _>(draining)
            .execute(connection)?;
            let millis = i64::try_from(FORGOTTEN.as_millis()).unwrap_or(i64::MAX);
            let silent = instances::table.filter(instances::beat_at.lt(now.millis() - millis));
            diesel::delete(silent).execute(connection)?;
            let rows: Vec<InstanceRow> = instances::table.order(instances::id).load(connection)?;
            Ok(rows.into_iter().map(|row| row.record(now)).collect())
        })
    }

    /// Forgets an instance that has ended.
    pub fn leave(&self, id: &str) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            diesel::delete(instances::table.find(id)).execute(connection)?;
            Ok(())
        })
    }
}

/// An instance as the table holds it.
#[derive(Queryable)]
struct InstanceRow {
    id: String,
    version: String,
    host: String,
    pid: i64,
    data_address: String,
    admin_address: String,
    started_at: i64,
    beat_at: i64,
    draining: bool,
}

impl InstanceRow {
    fn record(self, now: Timestamp) -> InstanceRecord {
        let beat_at = Timestamp::from_millis(self.beat_at);
        InstanceRecord {
            instance: Instance {
                id: self.id,
                version: self.version,
                host: self.host,
                pid: u32::try_from(self.pid).unwrap_or(0),
                data_address: self.data_address,
                admin_address: self.admin_address,
                started_at: Timestamp::from_millis(self.started_at),
            },
            beat_at,
            silent_for: now.since(beat_at),
            draining: self.draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Bench, raw};

    fn instance(id: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            version: "1.2.3".to_owned(),
            host: "machine".to_owned(),
            pid: 7,
            data_address: "127.0.0.1:1".to_owned(),
            admin_address: "127.0.0.1:2".to_owned(),
            started_at: Timestamp::from_millis(1),
        }
    }

    #[test]
    fn instances_see_each_other_until_they_leave_or_are_silent_for_long() {
        let bench = Bench::new();
        let (store, now) = (bench.open(), Timestamp::from_millis(1_000_000_000));
        store.beat(&instance("a"), false, now).expect("a database");
        store.beat(&instance("c"), false, now).expect("a database");
        let seen = bench.open().beat(&instance("b"), true, now.after(Duration::from_secs(1))).expect("all");
        let said: Vec<_> =
            seen.iter().map(|seen| (seen.instance.id.as_str(), seen.draining, seen.is_live())).collect();
        assert_eq!(said, [("a", false, true), ("b", true, true), ("c", false, true)]);
        assert_eq!(seen[0].instance, instance("a"));

        store.leave("b").expect("a database");
        raw(&bench, "UPDATE instances SET beat_at = beat_at - 60000 WHERE id = 'a'");
        raw(&bench, "UPDATE instances SET beat_at = beat_at - 601000 WHERE id = 'c'");
        let seen = store.beat(&instance("d"), false, now.after(Duration::from_secs(2))).expect("all");
        let said: Vec<_> =
            seen.iter().map(|seen| (seen.instance.id.as_str(), seen.draining, seen.is_live())).collect();
        assert_eq!(said, [("a", false, false), ("d", false, true)]);
    }
}

//! What an operator asks of the database as a whole: `db migrate`, `db status` and `db backup`.
//!
//! Must never create a database where there is none, nor change one that is only looked at.

use super::connection::{AnyConnection, Manager, Place, Pool, explain, snapshot};
use super::error::StoreError;
use super::migrations;
use super::tables::TABLES;
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use std::path::Path;

/// How a database stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The version of its schema; `None`: it has none yet.
    pub schema: Option<String>,
    /// Changes of the schema that this program would make at its next start.
    pub pending: Vec<String>,
    /// What it takes on its disk, in bytes.
    pub bytes: u64,
    /// The rows of each table that is there.
    pub rows: Vec<(&'static str, u64)>,
    /// The time of its oldest and of its newest usage row.
    pub usage: Option<(Timestamp, Timestamp)>,
}

/// The schema's version before and after a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Before; `None`: the database was empty.
    pub from: Option<String>,
    /// After.
    pub to: Option<String>,
}

/// Brings the schema at `place` up to date; creates the database if it does not exist.
///
/// # Errors
/// Those of opening the store.
pub fn migrate(place: &Place) -> Result<Migrated, StoreError> {
    let from = match Connected::to(place) {
        Ok(mut there) => there.schema()?.0,
        Err(StoreError::NoDatabase { .. }) => None,
        Err(error) => return Err(error),
    };
    Pool::open(place)?;
    Ok(Migrated { from, to: Connected::to(place)?.schema()?.0 })
}

/// How the database at `place` stands; it is only looked at.
///
/// # Errors
/// [`StoreError::NoDatabase`] when there is none.
pub fn status(place: &Place) -> Result<Status, StoreError> {
    let mut there = Connected::to(place)?;
    let (schema, pending) = there.schema()?;
    there.at_one_moment(|connection| {
        let mut counted = Vec::new();
        for table in TABLES {
            // A table of a migration that is still to come has no rows to tell of.
            if has_table(connection, table.name)? {
                counted.push((table.name, rows(connection, table.name)?));
            }
        }
        let usage = if has_table(connection, "usage")? { span(connection)? } else { None };
        Ok(Status { schema, pending, bytes: bytes(connection)?, rows: counted, usage })
    })
}

/// Writes a copy of the SQLite database at `place` to the new file `to`, also while a server runs.
///
/// # Errors
/// [`StoreError::BackUpElsewhere`] for Postgres, which has a tool of its own, and
/// [`StoreError::BackupFile`] when the file is there already or cannot be written.
pub fn backup(place: &Place, to: &Path) -> Result<u64, StoreError> {
    let mut there = Connected::to(place)?;
    match &mut there.connection {
        AnyConnection::Postgres(_) => Err(StoreError::BackUpElsewhere),
        AnyConnection::Sqlite(connection) => super::connection::back_up(place, connection, to),
    }
}

/// A connection to a database that is there.
pub(super) struct Connected<'a> {
    place: &'a Place,
    connection: AnyConnection,
}

impl<'a> Connected<'a> {
    /// To the database at `place`, which is neither created nor changed.
    pub(super) fn to(place: &'a Place) -> Result<Connected<'a>, StoreError> {
        if let Place::Sqlite(path) = place
            && !path.exists()
        {
            return Err(StoreError::NoDatabase { database: place.to_string() });
        }
        let connection = r2d2::ManageConnection::connect(&Manager(place.clone()))?;
        Ok(Connected { place, connection })
    }

    /// The schema's version, and what is pending.
    fn schema(&mut self) -> Result<(Option<String>, Vec<String>), StoreError> {
        if !has_table(&mut self.connection, "__diesel_schema_migrations")? {
            return Ok((None, migrations::versions()?));
        }
        migrations::state(self.place, &mut self.connection)
    }

    /// Errors: it has another schema than this program writes.
    pub(super) fn must_be_current(&mut self) -> Result<(), StoreError> {
        let (schema, pending) = self.schema()?;
        if schema.is_none() || !pending.is_empty() {
            return Err(StoreError::Older { database: self.place.to_string() });
        }
        Ok(())
    }

    /// Runs `work`, which sees one moment of the database and only reads.
    pub(super) fn at_one_moment<T>(
        &mut self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        snapshot(&mut self.connection, work).map_err(|error| explain(self.place, error))
    }
}

#[derive(QueryableByName)]
struct Figure {
    #[diesel(sql_type = BigInt)]
    figure: i64,
}

fn figure(connection: &mut AnyConnection, query: String) -> Result<u64, StoreError> {
    let found: Figure = diesel::sql_query(query).get_result(connection)?;
    Ok(u64::try_from(found.figure).unwrap_or(0))
}

/// The rows of a table.
pub(super) fn rows(connection: &mut AnyConnection, table: &str) -> Result<u64, StoreError> {
    figure(connection, format!("SELECT COUNT(*) AS figure FROM {table}"))
}

fn has_table(connection: &mut AnyConnection, table: &str) -> Result<bool, StoreError> {
    let query = match connection {
        AnyConnection::Postgres(_) => {
            format!("SELECT COUNT(to_regclass('{table}')) AS figure")
        }
        AnyConnection::Sqlite(_) => {
            format!("SELECT COUNT(*) AS figure FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
        }
    };
    Ok(figure(connection, query)? > 0)
}

fn bytes(connection: &mut AnyConnection) -> Result<u64, StoreError> {
    let query = match connection {
        AnyConnection::Postgres(_) => "SELECT pg_database_size(current_database()) AS figure",
        AnyConnection::Sqlite(_) => {
            "SELECT page_count * page_size AS figure FROM pragma_page_count(), pragma_page_size()"
        }
    };
    figure(connection, query.to_owned())
}

fn span(connection: &mut AnyConnection) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    #[derive(QueryableByName)]
    struct Span {
        #[diesel(sql_type = Nullable<BigInt>)]
        oldest: Option<i64>,
        #[diesel(sql_type = Nullable<BigInt>)]
        newest: Option<i64>,
    }
    // Apart, so that each is read from the index.
    let found: Span = diesel::sql_query(
        "SELECT (SELECT MIN(time) FROM usage) AS oldest, (SELECT MAX(time) FROM usage) AS newest",
    )
    .get_result(connection)?;
    Ok(found
        .oldest
        .zip(found.newest)
        .map(|(oldest, newest)| (Timestamp::from_millis(oldest), Timestamp::from_millis(newest))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Bench, key, raw};
    use crate::store::{SecretKeySource, Store};
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn a_database_is_told_of_and_left_alone() {
        let bench = Bench::new();
        if matches!(bench.place(), Place::Sqlite(_)) {
            assert!(matches!(status(&bench.place()), Err(StoreError::NoDatabase { .. })));
            assert!(!bench.database().exists());
        } else {
            let nothing = status(&bench.place()).expect("an empty database");
            assert_eq!((nothing.schema, nothing.rows), (None, vec![]));
            assert!(!nothing.pending.is_empty());
        }
        let made = migrate(&bench.place()).expect("a schema");
        assert_eq!((made.from.clone(), made.to.is_some()), (None, true));
        let again = migrate(&bench.place()).expect("a schema");
        assert_eq!((again.from.clone(), again.from), (made.to.clone(), again.to));

        bench.open().add_key(key("one"), NOW).expect("a key");
        let state = status(&bench.place()).expect("a status");
        assert_eq!((state.schema, state.pending, state.usage), (made.to, vec![], None));
        assert!(state.rows.contains(&("keys", 1)) && state.bytes > 0);

        raw(&bench, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
        assert!(matches!(status(&bench.place()), Err(StoreError::Newer { .. })));
        assert!(matches!(migrate(&bench.place()), Err(StoreError::Newer { .. })));
    }

    #[test]
    fn what_is_pending_is_named_and_then_made() {
        let bench = Bench::new();
        migrate(&bench.place()).expect("a schema");
        raw(&bench, include_str!("../../migrations/2026-11-22-000004_model_choices/down.sql"));
        raw(&bench, "DELETE FROM __diesel_schema_migrations WHERE version = '20261122000004'");
        let state = status(&bench.place()).expect("a status");
        assert_eq!(state.pending, ["20261122000004"]);
        assert!(state.rows.iter().all(|(table, _)| *table != "model_choices"));
        let copy = crate::store::copy(&bench.place(), &Bench::sqlite().place(), &mut |_, _| {});
        assert!(matches!(copy, Err(StoreError::Older { .. })));
        migrate(&bench.place()).expect("a schema");
        assert_eq!(status(&bench.place()).expect("a status").pending, [""; 0]);
    }

    #[test]
    fn a_backup_opens_with_the_same_secret_key() {
        let bench = Bench::sqlite();
        let store = bench.open();
        store.add_key(key("one"), NOW).expect("a key");
        let file = bench.database().with_file_name("it's a \"back?up\".db");
        assert!(backup(&bench.place(), &file).expect("a backup") > 0);
        let rights = std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
        assert_eq!(rights, 0o600);
        let again = backup(&bench.place(), &file).expect_err("nothing is overwritten");
        assert!(matches!(again, StoreError::BackupFile { .. }), "{again}");
        let source = SecretKeySource::File(bench.key_file());
        let kept = Store::open(&Place::Sqlite(file), &source).expect("a database");
        assert_eq!(kept.keys(NOW.day()).expect("keys").len(), 1);
        assert!(backup(&bench.place(), &bench.database().join("deeper/x.db")).is_err());
    }

    #[test]
    fn whole_tables_are_given_time() {
        #[derive(QueryableByName)]
        struct Shown {
            #[diesel(sql_type = diesel::sql_types::Text)]
            statement_timeout: String,
        }
        let bench = Bench::new();
        let place = bench.place();
        if let Place::Postgres(_) = place {
            let show = |connection: &mut AnyConnection| {
                let shown: Shown = diesel::sql_query("SHOW statement_timeout").get_result(connection)?;
                Ok(shown.statement_timeout)
            };
            let pool = Pool::open(&place).expect("a database");
            let looked = Connected::to(&place).expect("a database").at_one_moment(show).expect("a look");
            let written = pool.write_whole(show).expect("a look");
            let other = pool.write(show).expect("a look");
            assert_eq!((looked.as_str(), written.as_str(), other.as_str()), ("10min", "10min", "5s"));
        }
    }

    #[test]
    fn postgres_has_a_tool_of_its_own() {
        let bench = Bench::new();
        if let Place::Postgres(_) = bench.place() {
            let refused = backup(&bench.place(), &bench.database()).expect_err("a refusal");
            assert!(refused.to_string().contains("pg_dump"), "{refused}");
        }
    }
}

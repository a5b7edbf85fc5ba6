//! Connections: the one file that knows there are two databases, with a neighbour for what is
//! peculiar to each. Everyone else writes statements that both can run.
//!
//! Must never hold a connection across two calls of the store, put a URL into an error, or create a
//! database file when the one in use vanished.

mod postgres;
mod postgres_url;
mod sqlite;

use super::error::StoreError;
use super::migrations;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};
use diesel::result::Error as DieselError;
use diesel::{PgConnection, SqliteConnection};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a caller waits for a free connection (stack facts 1.4: the default of 30 s is too long).
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_CONNECTIONS: u32 = 4;

/// Where the database is.
#[derive(Clone)]
pub enum Place {
    /// A SQLite file; it is created when it does not exist, its folder is not.
    Sqlite(PathBuf),
    /// A Postgres URL. Secret, since it may hold a password.
    Postgres(Secret),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Sqlite(path) => path.display().fmt(f),
            Place::Postgres(_) => f.write_str("on Postgres"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// A connection to whichever database was chosen.
#[derive(diesel::MultiConnection)]
pub(super) enum AnyConnection {
    /// To Postgres.
    Postgres(PgConnection),
    /// To SQLite.
    Sqlite(SqliteConnection),
}

/// The connections in use, with the transactions that both databases understand.
pub(super) struct Pool {
    place: Place,
    connections: r2d2::Pool<Manager>,
}

impl Pool {
    /// Opens the database, creates it if need be and brings its schema up to date.
    pub(super) fn open(place: &Place) -> Result<Pool, StoreError> {
        if let Place::Sqlite(path) = place {
            sqlite::ensure_file(path)?;
        }
        let manager = Manager(place.clone());
        // The first connection is made by hand: the pool would hide its error behind a timeout.
        let mut first = r2d2::ManageConnection::connect(&manager)?;
        migrations::run(place, &mut first)?;
        if let (Place::Sqlite(path), AnyConnection::Sqlite(connection)) = (place, &mut first) {
            sqlite::prepare(path, connection)?;
        }
        drop(first);
        let connections = r2d2::Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(CHECKOUT_TIMEOUT)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(manager);
        Ok(Pool { place: place.clone(), connections })
    }

    /// Runs statements that only read.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.checkout()?;
        work(&mut connection).map_err(|error| explain(&self.place, error))
    }

    /// Runs a transaction that writes: all of it happens, or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.checkout()?;
        transaction(&mut connection, Lock::Shared, work).map_err(|error| explain(&self.place, error))
    }

    /// Like [`Pool::write`], and no other process is inside such a transaction meanwhile: for
    /// decisions about the next id or about what is there already.
    pub(super) fn write_alone<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.checkout()?;
        transaction(&mut connection, Lock::Alone, work).map_err(|error| explain(&self.place, error))
    }

    /// Whether [`Pool::listen`] hears anything.
    pub(super) fn can_listen(&self) -> bool {
        matches!(self.place, Place::Postgres(_))
    }

    /// Calls `hear` with each word that was said with [`notify`], on a connection of its own, until
    /// `is_over`; with `None` when words may have been missed. Returns at once for a file.
    pub(super) fn listen(&self, is_over: impl Fn() -> bool, hear: impl FnMut(Option<&str>)) {
        if let Place::Postgres(url) = &self.place {
            postgres::listen(url, is_over, hear);
        }
    }

    /// Like [`Pool::write_alone`], with time enough to go through whole tables.
    pub(super) fn write_whole<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.checkout()?;
        transaction(&mut connection, Lock::Whole, work).map_err(|error| explain(&self.place, error))
    }

    fn checkout(&self) -> Result<r2d2::PooledConnection<Manager>, StoreError> {
        // The manager's errors are our own, so the pool's text is free of secrets.
        self.connections.get().map_err(|error| StoreError::Unavailable {
            database: self.place.to_string(),
            reason: error.to_string(),
        })
    }
}

/// Whom a writing transaction shuts out on Postgres; on SQLite writers are always alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Nobody, until it touches the same rows.
    Shared,
    /// Everyone else who asks to be alone.
    Alone,
    /// The same, with time enough to go through whole tables.
    Whole,
}

/// Runs `work` in a transaction that takes its lock at once: SQLite answers "busy" without waiting
/// when a transaction reads first and writes later (stack facts 1.4).
pub(super) fn transaction<T>(
    connection: &mut AnyConnection,
    lock: Lock,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match connection {
        AnyConnection::Sqlite(sqlite) => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?;
        }
        AnyConnection::Postgres(postgres) => {
            AnsiTransactionManager::begin_transaction(postgres)?;
        }
    }
    let outcome = take_lock(connection, lock).map_err(StoreError::from).and_then(|()| work(connection));
    match outcome {
        Ok(value) => {
            <AnyConnection as Connection>::TransactionManager::commit_transaction(connection)?;
            Ok(value)
        }
        Err(error) => {
            // The first error is the one that tells something; a failed rollback marks the
            // connection as broken, and the pool drops it.
            let _ = <AnyConnection as Connection>::TransactionManager::rollback_transaction(connection);
            Err(error)
        }
    }
}

/// Runs `work`, which only reads, on one moment of the database, whatever others write meanwhile.
pub(super) fn snapshot<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match connection {
        AnyConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN")?,
        AnyConnection::Postgres(connection) => postgres::begin_snapshot(connection)?,
    }
    let outcome = work(connection);
    // Nothing was written, so there is nothing to lose.
    let _ = <AnyConnection as Connection>::TransactionManager::rollback_transaction(connection);
    outcome
}

/// Copies an SQLite database to a new file; says how many bytes it has.
pub(super) fn back_up(
    place: &Place,
    connection: &mut SqliteConnection,
    to: &Path,
) -> Result<u64, StoreError> {
    sqlite::back_up(connection, to).map_err(|error| explain(place, error))
}

fn take_lock(connection: &mut AnyConnection, lock: Lock) -> Result<(), DieselError> {
    match connection {
        AnyConnection::Postgres(connection) => postgres::take_lock(connection, lock),
        AnyConnection::Sqlite(_) => Ok(()),
    }
}

/// The time of a database that may stand on another machine; `None` for a file.
pub(super) fn time(connection: &mut AnyConnection) -> Result<Option<Timestamp>, StoreError> {
    match connection {
        AnyConnection::Postgres(connection) => Ok(Some(postgres::time(connection)?)),
        AnyConnection::Sqlite(_) => Ok(None),
    }
}

/// Says a word to those who listen, when the transaction is over; a file has no way to say it.
pub(super) fn notify(connection: &mut AnyConnection, word: &str) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(connection) => Ok(postgres::notify(connection, word)?),
        AnyConnection::Sqlite(_) => Ok(()),
    }
}

/// Whether the database is someone else's: it has tables, but never had a migration.
pub(super) fn is_foreign(connection: &mut AnyConnection) -> Result<bool, DieselError> {
    match connection {
        // A schema of a Postgres server may be shared; there a clash of names shows by itself.
        AnyConnection::Postgres(_) => Ok(false),
        AnyConnection::Sqlite(connection) => sqlite::is_foreign(connection),
    }
}

/// Whether a foreign database is the earlier Python proxy's.
pub(super) fn is_earlier_proxy(connection: &mut AnyConnection) -> Result<bool, DieselError> {
    match connection {
        AnyConnection::Postgres(_) => Ok(false),
        AnyConnection::Sqlite(connection) => sqlite::is_earlier_proxy(connection),
    }
}

/// Opens another program's SQLite file; it cannot be written to.
pub(super) fn open_read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    sqlite::connect_to_read(path)
}

/// Turns the database's own words into an error with a remedy.
pub(super) fn explain(place: &Place, error: StoreError) -> StoreError {
    let text = match &error {
        StoreError::Query(DieselError::DatabaseError(_, information)) => information.message().to_owned(),
        StoreError::Migration(text) => text.clone(),
        _ => return error,
    };
    let known = match place {
        Place::Sqlite(_) => sqlite::explain(&place.to_string(), &text),
        Place::Postgres(_) => postgres::explain(&place.to_string(), &text),
    };
    known.unwrap_or(error)
}

/// Makes connections for the pool, with the settings of stack facts 1.4.
#[derive(Debug)]
pub(super) struct Manager(pub(super) Place);

impl r2d2::ManageConnection for Manager {
    type Connection = AnyConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<AnyConnection, StoreError> {
        match &self.0 {
            Place::Sqlite(path) => sqlite::connect(path).map(AnyConnection::Sqlite),
            Place::Postgres(url) => postgres::connect(url).map(AnyConnection::Postgres),
        }
    }

    fn is_valid(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        match connection {
            AnyConnection::Postgres(connection) => postgres::ping(connection),
            // A file does not hang up.
            AnyConnection::Sqlite(_) => Ok(()),
        }
    }

    fn has_broken(&self, connection: &mut AnyConnection) -> bool {
        std::thread::panicking() || diesel::r2d2::R2D2Connection::is_broken(connection)
    }
}

//! The earlier Python proxy's SQLite database: what comes across from it, and how often.
//!
//! Must never write to that database, import half of it, or import anything twice: keys are known
//! by their fingerprint, usage rows by an id made from what they say.

mod error;
mod layout;
mod rows;
#[cfg(test)]
mod tests;

pub use error::EarlierError;

use super::connection::{AnyConnection, open_read_only};
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::{key_days, keys};
use super::{Store, keys as key_table, usage};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::time::Timestamp;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use layout::{KEYS, Table, USAGE, Wanted};
use rows::{KeyRow, LogRow, NoKey, OldKey};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Rows read at a time.
const PAGE: i64 = 2000;

/// An earlier proxy's database, open for reading; it stands still until it is dropped.
pub struct Earlier {
    path: PathBuf,
    connection: SqliteConnection,
    keys: String,
    usage: Result<String, String>,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Keys that were added.
    pub added: usize,
    /// Keys that were there already.
    pub known: usize,
    /// Rows of keys that were passed over, each with the reason.
    pub skipped: Vec<String>,
    /// The usage rows, if they were asked for.
    pub usage: Option<ImportedUsage>,
}

/// What became of the usage rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportedUsage {
    /// Rows that were added.
    pub added: usize,
    /// Rows that were there already.
    pub known: usize,
    /// Rows passed over, because they do not say when they were.
    pub undated: usize,
}

impl Earlier {
    /// Opens the database at `path` and finds its tables.
    ///
    /// # Errors
    /// The file is missing, unreadable, locked, no SQLite, or none of the earlier proxy's.
    pub fn open(path: &Path) -> Result<Earlier, EarlierError> {
        check_file(path)?;
        let mut connection = open_read_only(path).map_err(|error| explain(path, &error))?;
        // One transaction for all that is read: the earlier proxy may still be running.
        connection.batch_execute("BEGIN").map_err(|error| explain(path, &error))?;
        let tables = tables(&mut connection).map_err(|error| explain(path, &error))?;
        if tables.iter().any(|table| table.name == "__diesel_schema_migrations") {
            return Err(EarlierError::Ours { path: path.to_owned() });
        }
        let unknown = |wanted: &Wanted| EarlierError::UnknownTables {
            path: path.to_owned(),
            wanted: wanted.described(),
            found: layout::described(&tables),
        };
        let keys = KEYS.statement(&tables).ok_or_else(|| unknown(&KEYS))?;
        let usage = USAGE.statement(&tables).ok_or_else(|| layout::described(&tables));
        Ok(Earlier { path: path.to_owned(), connection, keys, usage })
    }

    fn read<Row>(&mut self, statement: &str, after: i64) -> Result<Vec<Row>, EarlierError>
    where
        Row: diesel::deserialize::QueryableByName<diesel::sqlite::Sqlite> + 'static,
    {
        diesel::sql_query(statement)
            .bind::<BigInt, _>(after)
            .bind::<BigInt, _>(PAGE)
            .load(&mut self.connection)
            .map_err(|error| explain(&self.path, &error))
    }

    /// The keys, and what was passed over; a key listed twice is taken once.
    fn keys(&mut self, now: Timestamp) -> Result<(Vec<OldKey>, Vec<String>), EarlierError> {
        let statement = self.keys.clone();
        let (mut keys, mut skipped, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        let mut after = i64::MIN;
        loop {
            let page: Vec<KeyRow> = self.read(&statement, after)?;
            let Some(last) = page.last() else { break };
            after = last.row_id;
            for row in page {
                let place = format!("key in row {}", row.row_id);
                match row.read(now.day()) {
                    Ok(key) => keys.push(key),
                    Err(NoKey::Empty) => skipped.push(format!("{place}: it is empty")),
                    Err(NoKey::Unusable(reason)) => unusable.push(format!("{place}: {reason}")),
                }
            }
        }
        if unusable.is_empty() {
            Ok((keys, skipped))
        } else {
            Err(EarlierError::UnusableKeys { rows: unusable })
        }
    }
}

impl Store {
    /// Brings the keys of `old` across with their labels, limits, states and counts, and with
    /// `with_usage` its usage rows: all of it, or nothing. What is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Earlier`] when `old` cannot be read or holds keys that cannot be used.
    pub fn import_earlier(
        &self,
        old: &mut Earlier,
        with_usage: bool,
        now: Timestamp,
    ) -> Result<Imported, StoreError> {
        let (old_keys, skipped) = old.keys(now)?;
        let statement = if with_usage { Some(old.usage_statement()?) } else { None };
        self.pool.write_alone(|connection| {
            let mut done = Imported { skipped, ..Imported::default() };
            let mut owners = BTreeMap::new();
            for key in old_keys {
                let old_id = key.old_id.clone();
                owners.insert(old_id, self.bring_key(connection, key, now, &mut done)?);
            }
            if let Some(statement) = statement {
                done.usage = Some(bring_usage(connection, old, &statement, &owners)?);
            }
            Ok(done)
        })
    }

    fn bring_key(
        &self,
        connection: &mut AnyConnection,
        old: OldKey,
        now: Timestamp,
        done: &mut Imported,
    ) -> Result<Owner, StoreError> {
        let id = match key_table::add(connection, &self.vaults, &old.key, now) {
            Ok(record) => {
                bring_past(connection, record.id, &old, now)?;
                done.added += 1;
                record.id
            }
            Err(StoreError::DuplicateKey { id }) => {
                done.known += 1;
                id
            }
            Err(error) => return Err(error),
        };
        let (label, account): (String, i64) =
            keys::table.find(id.0).select((keys::label, keys::account_id)).first(connection)?;
        Ok(Owner { id, label, account: AccountId(account) })
    }
}

/// A key of ours to which usage rows belong.
struct Owner {
    id: KeyId,
    label: String,
    account: AccountId,
}

/// The state and the counts of a key that was just added.
fn bring_past(
    connection: &mut AnyConnection,
    id: KeyId,
    old: &OldKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(keys::table.find(id.0))
        .set((
            keys::enabled.eq(old.enabled),
            keys::used_total.eq(old.used_total.max(old.used_today)),
            keys::last_used.eq(old.last_used.map(Timestamp::millis)),
        ))
        .execute(connection)?;
    if old.used_today > 0 {
        diesel::insert_into(key_days::table)
            .values((
                key_days::key_id.eq(id.0),
                key_days::day.eq(now.day().0),
                key_days::used.eq(old.used_today),
            ))
            .execute(connection)?;
    }
    news::tell(connection, Topic::Keys)
}

fn bring_usage(
    connection: &mut AnyConnection,
    old: &mut Earlier,
    statement: &str,
    owners: &BTreeMap<String, Owner>,
) -> Result<ImportedUsage, StoreError> {
    let mut done = ImportedUsage::default();
    let mut after = i64::MIN;
    loop {
        let page: Vec<LogRow> = old.read(statement, after)?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.row_id;
        let mut rows = Vec::with_capacity(page.len());
        for log in page {
            let owner = log.old_key.as_ref().and_then(|old_key| owners.get(old_key));
            let Some(mut row) = log.read() else {
                done.undated += 1;
                continue;
            };
            row.key_id = owner.map(|owner| owner.id);
            row.key_label = owner.map(|owner| owner.label.clone());
            row.account_id = owner.map(|owner| owner.account);
            rows.push(row);
        }
        let added = usage::insert(connection, &rows)?;
        done.added += added;
        done.known += rows.len() - added;
    }
}

impl Earlier {
    fn usage_statement(&self) -> Result<String, EarlierError> {
        self.usage.clone().map_err(|found| EarlierError::UnknownTables {
            path: self.path.clone(),
            wanted: USAGE.described(),
            found,
        })
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn tables(connection: &mut SqliteConnection) -> QueryResult<Vec<Table>> {
    let names: Vec<Name> = diesel::sql_query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY name",
    )
    .load(connection)?;
    let mut tables = Vec::with_capacity(names.len());
    for Name { name } in names {
        let columns: Vec<Name> = diesel::sql_query("SELECT name FROM pragma_table_info(?)")
            .bind::<Text, _>(&name)
            .load(connection)?;
        tables.push(Table { name, columns: columns.into_iter().map(|column| column.name).collect() });
    }
    Ok(tables)
}

/// Asks the system before SQLite does: its words say more.
fn check_file(path: &Path) -> Result<(), EarlierError> {
    let cannot = |reason: String| EarlierError::CannotOpen { path: path.to_owned(), reason };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(EarlierError::Missing { path: path.to_owned() })
        }
        Err(error) => Err(cannot(error.to_string())),
        Ok(found) if !found.is_file() => Err(cannot("it is not a file".to_owned())),
        Ok(_) => std::fs::File::open(path).map(drop).map_err(|error| cannot(error.to_string())),
    }
}

/// The error behind SQLite's words (sqlite.org/rescode.html).
fn explain(path: &Path, error: &dyn std::fmt::Display) -> EarlierError {
    let (path, reason) = (path.to_owned(), error.to_string());
    if reason.contains("file is not a database") {
        EarlierError::NotADatabase { path }
    } else if reason.contains("malformed") {
        EarlierError::Damaged { path }
    } else if reason.contains("locked") {
        EarlierError::Locked { path }
    } else if reason.contains("readonly database") {
        EarlierError::NotClosed { path }
    } else if reason.contains("unable to open") {
        EarlierError::CannotOpen { path, reason }
    } else {
        EarlierError::Unreadable { path, reason }
    }
}

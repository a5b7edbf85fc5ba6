//! `db copy`: everything of one database into another, empty one, of the same kind or the other.
//!
//! Reads one moment of the source, writes one transaction, and counts both: a copy is whole or not there.
//! Sealed keys are copied as they are, so the copy opens with the same secret key. Memory holds one
//! batch of rows at a time.

use super::connection::{AnyConnection, Place, Pool};
use super::error::StoreError;
use super::tables::{Kind, TABLES, Table};
use super::upkeep::{self, Connected};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::prelude::*;
use diesel::row::NamedRow;
use diesel::sql_types::{Nullable, Text};
use std::fmt::Write;

/// Values in one statement; SQLite takes 32,766 (stack facts 0).
const BINDS: usize = 15_000;
/// Rows in one statement.
const ROWS: usize = 500;

/// One table that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
}

/// A row as texts; `None`: null.
struct Line(Vec<Option<String>>);

impl<DB> QueryableByName<DB> for Line
where
    DB: Backend,
    Option<String>: FromSql<Nullable<Text>, DB>,
{
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Line> {
        (0..row.field_count())
            .map(|at| NamedRow::get(row, &format!("c{at}")))
            .collect::<Result<_, _>>()
            .map(Line)
    }
}

/// Copies the database at `from` into the empty one at `to`, which is created if it does not exist;
/// `progress` hears of each batch: the table, and its rows so far.
///
/// # Errors
/// [`StoreError::NoDatabase`] when there is nothing at `from`, [`StoreError::NotEmpty`] when there is
/// something at `to`, and [`StoreError::CopyDiffers`] when the two do not hold the same in the end; nothing
/// is left at `to` then but its empty tables.
pub fn copy(
    from: &Place,
    to: &Place,
    progress: &mut dyn FnMut(&'static str, u64),
) -> Result<Vec<Copied>, StoreError> {
    let mut source = Connected::to(from)?;
    source.must_be_current()?;
    let target = Pool::open(to)?;
    source.at_one_moment(|source| {
        target.write_whole(|target| {
            empty(target, to)?;
            let mut copied = Vec::new();
            for table in TABLES.iter().filter(|table| table.copied) {
                let rows = copy_table(table, source, target, progress)?;
                let counts = (upkeep::rows(source, table.name)?, upkeep::rows(target, table.name)?);
                if counts != (rows, rows) {
                    return Err(StoreError::CopyDiffers { table: table.name });
                }
                copied.push(Copied { table: table.name, rows });
            }
            Ok(copied)
        })
    })
}

/// Errors: a table has rows.
fn empty(connection: &mut AnyConnection, place: &Place) -> Result<(), StoreError> {
    for table in TABLES {
        if upkeep::rows(connection, table.name)? > 0 {
            return Err(StoreError::NotEmpty { database: place.to_string(), table: table.name });
        }
    }
    Ok(())
}

fn copy_table(
    table: &Table,
    source: &mut AnyConnection,
    target: &mut AnyConnection,
    progress: &mut dyn FnMut(&'static str, u64),
) -> Result<u64, StoreError> {
    let most = (BINDS / table.columns.len()).min(ROWS);
    let mut last: Vec<Option<String>> = Vec::new();
    let mut copied = 0;
    loop {
        let lines = page(table, source, &last, most)?;
        let Some(end) = lines.last() else { return Ok(copied) };
        last = end.0.iter().take(table.key).cloned().collect();
        copied += lines.len() as u64;
        insert(table, target, lines)?;
        progress(table.name, copied);
    }
}

/// The next rows behind the key `after`, or the first ones.
fn page(
    table: &Table,
    connection: &mut AnyConnection,
    after: &[Option<String>],
    most: usize,
) -> Result<Vec<Line>, StoreError> {
    let is_sqlite = matches!(connection, AnyConnection::Sqlite(_));
    let read = table.columns.iter().enumerate().map(|(at, (column, kind))| match kind {
        // SQLite's own cast keeps 15 digits; 17 tell every number from its neighbours.
        Kind::Real if is_sqlite => {
            format!("CASE WHEN {column} IS NULL THEN NULL ELSE printf('%!.17g', {column}) END AS c{at}")
        }
        Kind::Truth => format!("CASE {column} WHEN TRUE THEN '1' WHEN FALSE THEN '0' END AS c{at}"),
        _ => format!("CAST({column} AS TEXT) AS c{at}"),
    });
    let mut text = format!("SELECT {} FROM {}", read.collect::<Vec<_>>().join(", "), table.name);
    let key: Vec<&str> = table.columns.iter().take(table.key).map(|(column, _)| *column).collect();
    if !after.is_empty() {
        let kinds = table.columns.iter().take(table.key).enumerate();
        let bound: Vec<String> = kinds.map(|(at, (_, kind))| value(at + 1, *kind)).collect();
        let _ = write!(text, " WHERE ({}) > ({})", key.join(", "), bound.join(", "));
    }
    let _ = write!(text, " ORDER BY {} LIMIT {most}", key.join(", "));
    let query = after.iter().fold(diesel::sql_query(text).into_boxed(), |query, value| {
        query.bind::<Nullable<Text>, _>(value.clone())
    });
    Ok(query.load(connection)?)
}

fn insert(table: &Table, connection: &mut AnyConnection, lines: Vec<Line>) -> Result<(), StoreError> {
    let names: Vec<&str> = table.columns.iter().map(|(column, _)| *column).collect();
    let mut text = format!("INSERT INTO {} ({}) VALUES ", table.name, names.join(", "));
    let mut bound = 0;
    for at in 0..lines.len() {
        text.push_str(if at == 0 { "(" } else { ", (" });
        for (column, (_, kind)) in table.columns.iter().enumerate() {
            bound += 1;
            let comma = if column == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}{}", value(bound, *kind));
        }
        text.push(')');
    }
    let values = lines.into_iter().flat_map(|line| line.0);
    let query = values
        .fold(diesel::sql_query(text).into_boxed(), |query, value| query.bind::<Nullable<Text>, _>(value));
    query.execute(connection)?;
    Ok(())
}

/// The text bound as number `at`, as a value of its kind.
fn value(at: usize, kind: Kind) -> String {
    match kind {
        Kind::Text => format!("CAST(${at} AS TEXT)"),
        Kind::Whole => format!("CAST(${at} AS BIGINT)"),
        Kind::Real => format!("CAST(${at} AS DOUBLE PRECISION)"),
        Kind::Truth => format!("CAST(${at} AS BOOLEAN)"),
    }
}

#[cfg(test)]
mod tests;

//! Rows as they go into the table: many in one statement to Postgres, a few into SQLite.

use super::UsageLine;
use crate::domain::usage::UsageRow;
use crate::store::error::StoreError;
use crate::store::schema::usage;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use std::array;
use std::borrow::Borrow;
use std::collections::HashSet;

/// Rows in one statement to Postgres: 27 binds each, and it takes 65,535.
const MANY: usize = 500;
/// Rows in one statement to SQLite, which takes 32,766 binds.
const FEW: usize = 16;

/// Many in one statement: each one has its way to the server. Returns those that were new.
pub(super) fn at_once<'a>(
    connection: &mut PgConnection,
    rows: &'a [impl Borrow<UsageRow>],
) -> Result<Vec<&'a UsageRow>, StoreError> {
    let mut added = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(MANY) {
        let lines: Vec<UsageLine<'_>> = chunk.iter().map(|row| UsageLine::from(row.borrow())).collect();
        let ids: Vec<String> = diesel::insert_into(usage::table)
            .values(&lines)
            .on_conflict_do_nothing()
            .returning(usage::request_id)
            .get_results(connection)?;
        added.extend(of_ids(ids, &lines, chunk));
    }
    Ok(added)
}

/// The rows with these ids; of those that stand twice, the first.
fn of_ids<'a>(
    ids: Vec<String>,
    lines: &[UsageLine<'_>],
    rows: &'a [impl Borrow<UsageRow>],
) -> impl Iterator<Item = &'a UsageRow> {
    let mut new: HashSet<String> = ids.into_iter().collect();
    let lines = lines.iter().zip(rows);
    lines.filter(move |(line, _)| new.remove(&*line.request_id)).map(|(_, row)| row.borrow())
}

/// Statements that are prepared once: reading a long one takes SQLite longer than running it. Nothing but a
/// request's second row can be ignored, since every column takes what a line can hold. Returns those that
/// were new.
pub(super) fn few_at_once<'a>(
    connection: &mut SqliteConnection,
    rows: &'a [impl Borrow<UsageRow>],
) -> Result<Vec<&'a UsageRow>, StoreError> {
    let mut added = Vec::with_capacity(rows.len());
    let lines: Vec<UsageLine<'_>> = rows.iter().map(|row| UsageLine::from(row.borrow())).collect();
    let (fews, rest) = lines.as_chunks::<FEW>();
    let (rows_of_fews, rows_of_rest) = rows.as_chunks::<FEW>();
    for (few, rows) in fews.iter().zip(rows_of_fews) {
        match Insert(few).execute(connection)? {
            0 => {}
            FEW => added.extend(rows.iter().map(Borrow::borrow)),
            some => added.extend(of_ids(last_ids(connection, some)?, few, rows)),
        }
    }
    for (line, row) in rest.iter().zip(rows_of_rest) {
        if Insert(array::from_ref(line)).execute(connection)? > 0 {
            added.push(row.borrow());
        }
    }
    Ok(added)
}

/// The ids of the rows that were inserted last: SQLite numbers them one by one (its documentation of
/// "Rowid Tables").
fn last_ids(connection: &mut SqliteConnection, count: usize) -> QueryResult<Vec<String>> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let are_last = sql::<Bool>("rowid > last_insert_rowid() - ").bind::<BigInt, _>(count);
    usage::table.select(usage::request_id).filter(are_last).load(connection)
}

/// The statement for SQLite, in words of our own: diesel's own insertion is built from 27 parts anew for
/// every row, which takes as long as the database itself. One of several rows spares what beginning and
/// ending a statement takes.
struct Insert<'a, const ROWS: usize>(&'a [UsageLine<'a>; ROWS]);

/// Names each column once, in the order of the values.
macro_rules! insertion {
    ($first:ident: $first_kind:ty $(, $column:ident: $kind:ty)*) => {
        const WORDS: &str = concat!(
            "INSERT OR IGNORE INTO usage (", stringify!($first) $(, ", ", stringify!($column))*, ") VALUES "
        );

        impl UsageLine<'_> {
            fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                // Taken apart by name: a column that is added must be added here too.
                let UsageLine { $first $(, $column)* } = self;
                out.push_bind_param::<$first_kind, _>($first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$kind, _>($column)?;
                )*
                Ok(())
            }
        }
    };
}

insertion! {
    request_id: Text,
    time: BigInt,
    endpoint: Text,
    model: Text,
    model_served: Nullable<Text>,
    key_id: Nullable<BigInt>,
    key_label: Nullable<Text>,
    account_id: Nullable<BigInt>,
    token_id: Nullable<BigInt>,
    client_kind: Text,
    client_hint: Nullable<Text>,
    stream: Bool,
    status: Integer,
    outcome: Text,
    error_kind: Nullable<Text>,
    prompt_tokens: Nullable<BigInt>,
    completion_tokens: Nullable<BigInt>,
    total_tokens: Nullable<BigInt>,
    reasoning_tokens: Nullable<BigInt>,
    cached_tokens: Nullable<BigInt>,
    cost: Nullable<Double>,
    attempts: Integer,
    first_content_ms: Nullable<BigInt>,
    duration_ms: BigInt,
    provider: Nullable<Text>,
    generation_id: Nullable<Text>,
    attempt_log: Nullable<Text>
}

impl<const ROWS: usize> QueryFragment<Sqlite> for Insert<'_, ROWS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(WORDS);
        for (number, line) in self.0.iter().enumerate() {
            out.push_sql(if number == 0 { "(" } else { "), (" });
            line.bind(&mut out)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Its words are always the same: they need not be built to find out whether it is prepared.
impl<const ROWS: usize> QueryId for Insert<'_, ROWS> {
    type QueryId = Insert<'static, ROWS>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const ROWS: usize> RunQueryDsl<SqliteConnection> for Insert<'_, ROWS> {}

//! Rows as they go into the table: many in one statement to Postgres, one after the other into SQLite.

use super::UsageLine;
use crate::domain::usage::UsageRow;
use crate::store::error::StoreError;
use crate::store::schema::usage;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use std::borrow::Borrow;
use std::collections::HashSet;

/// Rows in one statement: 27 binds each, and Postgres takes 65,535.
const ROWS_PER_STATEMENT: usize = 500;

/// Many in one statement: each one has its way to the server. Returns those that were new.
pub(super) fn at_once<'a>(
    connection: &mut PgConnection,
    rows: &'a [impl Borrow<UsageRow>],
) -> Result<Vec<&'a UsageRow>, StoreError> {
    let mut added = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let lines: Vec<UsageLine<'_>> = chunk.iter().map(|row| UsageLine::from(row.borrow())).collect();
        let ids: Vec<String> = diesel::insert_into(usage::table)
            .values(&lines)
            .on_conflict_do_nothing()
            .returning(usage::request_id)
            .get_results(connection)?;
        let mut new: HashSet<String> = ids.into_iter().collect();
        let lines = lines.iter().zip(chunk);
        added.extend(lines.filter(|(line, _)| new.remove(&*line.request_id)).map(|(_, row)| row.borrow()));
    }
    Ok(added)
}

/// One statement that is prepared once: reading a long one takes SQLite longer than running it. Nothing but
/// a request's second row can be ignored, since every column takes what a line can hold. Returns those that
/// were new.
pub(super) fn one_by_one<'a>(
    connection: &mut SqliteConnection,
    rows: &'a [impl Borrow<UsageRow>],
) -> Result<Vec<&'a UsageRow>, StoreError> {
    let mut added = Vec::with_capacity(rows.len());
    for row in rows.iter().map(Borrow::borrow) {
        if Insert(UsageLine::from(row)).execute(connection)? > 0 {
            added.push(row);
        }
    }
    Ok(added)
}

/// The statement for SQLite, in words of our own: diesel's own insertion is built from 27 parts anew for
/// every row, which takes as long as the database itself.
struct Insert<'a>(UsageLine<'a>);

/// Names each column once, in the order of the values.
macro_rules! insertion {
    ($first:ident: $first_kind:ty $(, $column:ident: $kind:ty)*) => {
        const WORDS: &str = concat!(
            "INSERT OR IGNORE INTO usage (", stringify!($first) $(, ", ", stringify!($column))*, ") VALUES ("
        );

        impl QueryFragment<Sqlite> for Insert<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                // Taken apart by name: a column that is added must be added here too.
                let UsageLine { $first $(, $column)* } = &self.0;
                out.push_sql(WORDS);
                out.push_bind_param::<$first_kind, _>($first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$kind, _>($column)?;
                )*
                out.push_sql(")");
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

/// Its words are always the same: they need not be built to find out whether it is prepared.
impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for Insert<'_> {}

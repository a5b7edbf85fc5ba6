//! Usage rows: written in batches, each request once, with their hourly sums; read in pages; the old
//! ones deleted in small steps.
//!
//! Must never read more than one page into memory, nor count a row twice.

mod attempts;
mod hours;
mod pages;
mod stats;

mod complete;

use super::Store;
use super::connection::{AnyConnection, on_either};
use super::error::StoreError;
use super::schema::usage;
use super::text::storable;
use crate::domain::ids::{AccountId, KeyId, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::usage::{TokenUsage, UsageRow};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use std::collections::HashSet;

/// Rows in one statement: 27 binds each, and SQLite takes 32,766 (stack facts 0).
const ROWS_PER_STATEMENT: usize = 500;

impl Store {
    /// Writes rows, all or none, and says how many were new: a request that has its row already is
    /// passed over, so a batch may be written again.
    pub fn insert_usage(&self, rows: &[UsageRow]) -> Result<usize, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        self.pool.write(|connection| insert(connection, rows))
    }

    /// The row of one request.
    pub fn usage_row(&self, request_id: &str) -> Result<Option<UsageRow>, StoreError> {
        let line: Option<UsageLine> = self
            .pool
            .read(|connection| Ok(usage::table.find(storable(request_id)).first(connection).optional()?))?;
        Ok(line.map(UsageRow::from))
    }

    /// Deletes the oldest rows before `moment`, at most `most` of them, and says how many. The hourly
    /// sums stay.
    pub fn delete_usage_before(&self, moment: Timestamp, most: u32) -> Result<usize, StoreError> {
        self.pool.write(|connection| {
            let deleted = diesel::sql_query(
                "DELETE FROM usage WHERE request_id IN \
                 (SELECT request_id FROM usage WHERE time < $1 ORDER BY time, request_id LIMIT $2)",
            )
            .bind::<BigInt, _>(moment.millis())
            .bind::<BigInt, _>(i64::from(most))
            .execute(connection)?;
            Ok(deleted)
        })
    }

    /// How many rows there are.
    pub fn usage_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.pool.read(|connection| Ok(usage::table.count().get_result(connection)?))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Writes rows and their hourly sums within the caller's transaction; says how many were new.
pub(super) fn insert(connection: &mut AnyConnection, rows: &[UsageRow]) -> Result<usize, StoreError> {
    let mut added: Vec<&UsageRow> = Vec::new();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let lines: Vec<UsageLine> = chunk.iter().map(UsageLine::from).collect();
        let ids: Vec<String> = on_either!(&mut *connection, either => diesel::insert_into(usage::table)
            .values(&lines)
            .on_conflict_do_nothing()
            .returning(usage::request_id)
            .get_results(either)?);
        // Only what was new is summed; of a row that stands twice in the batch, the first is.
        let mut new: HashSet<String> = ids.into_iter().collect();
        added.extend(
            lines.iter().zip(chunk).filter(|(line, _)| new.remove(&line.request_id)).map(|(_, row)| row),
        );
    }
    hours::add(connection, &added)?;
    Ok(added.len())
}

/// A row as the table holds it. Its fields stand in the order of the columns.
#[derive(Queryable, Insertable)]
#[diesel(table_name = usage, treat_none_as_default_value = false)]
struct UsageLine {
    request_id: String,
    time: i64,
    endpoint: String,
    model: String,
    model_served: Option<String>,
    key_id: Option<i64>,
    key_label: Option<String>,
    account_id: Option<i64>,
    token_id: Option<i64>,
    client_kind: String,
    client_hint: Option<String>,
    stream: bool,
    status: i32,
    outcome: String,
    error_kind: Option<String>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cost: Option<f64>,
    attempts: i32,
    first_content_ms: Option<i64>,
    duration_ms: i64,
    provider: Option<String>,
    generation_id: Option<String>,
    attempt_log: Option<String>,
}

impl From<&UsageRow> for UsageLine {
    fn from(row: &UsageRow) -> UsageLine {
        let optional = |text: &Option<String>| text.as_deref().map(storable);
        UsageLine {
            request_id: storable(&row.request_id),
            time: row.time.millis(),
            endpoint: storable(&row.endpoint),
            model: storable(&row.model),
            model_served: optional(&row.model_served),
            key_id: row.key_id.map(|id| id.0),
            key_label: optional(&row.key_label),
            account_id: row.account_id.map(|id| id.0),
            token_id: row.token_id.map(|id| id.0),
            client_kind: storable(&row.client_kind),
            client_hint: optional(&row.client_hint),
            stream: row.stream,
            status: i32::from(row.status),
            outcome: storable(&row.outcome),
            error_kind: optional(&row.error_kind),
            prompt_tokens: row.tokens.prompt,
            completion_tokens: row.tokens.completion,
            total_tokens: row.tokens.total,
            reasoning_tokens: row.tokens.reasoning,
            cached_tokens: row.tokens.cached,
            // SQLite stores NaN as NULL, Postgres as a number that spoils every sum.
            cost: row.tokens.cost.filter(|cost| cost.is_finite()),
            attempts: i32::try_from(row.attempts).unwrap_or(i32::MAX),
            first_content_ms: row.first_content_ms,
            duration_ms: row.duration_ms,
            provider: optional(&row.provider),
            generation_id: optional(&row.generation_id),
            attempt_log: attempts::written(&row.attempt_log),
        }
    }
}

impl From<UsageLine> for UsageRow {
    fn from(line: UsageLine) -> UsageRow {
        UsageRow {
            request_id: line.request_id,
            time: Timestamp::from_millis(line.time),
            endpoint: line.endpoint,
            model: line.model,
            model_served: line.model_served,
            key_id: line.key_id.map(KeyId),
            key_label: line.key_label,
            account_id: line.account_id.map(AccountId),
            token_id: line.token_id.map(TokenId),
            client_kind: line.client_kind,
            client_hint: line.client_hint,
            stream: line.stream,
            status: u16::try_from(line.status).unwrap_or(0),
            outcome: line.outcome,
            error_kind: line.error_kind,
            tokens: TokenUsage {
                prompt: line.prompt_tokens,
                completion: line.completion_tokens,
                total: line.total_tokens,
                reasoning: line.reasoning_tokens,
                cached: line.cached_tokens,
                cost: line.cost,
            },
            attempts: u32::try_from(line.attempts).unwrap_or(0),
            first_content_ms: line.first_content_ms,
            duration_ms: line.duration_ms,
            provider: line.provider,
            generation_id: line.generation_id,
            attempt_log: attempts::read(line.attempt_log.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod stats_tests;

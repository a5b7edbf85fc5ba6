//! Usage rows: written in batches, each request once, with their sums; read in pages; the old
//! ones deleted in small steps.
//!
//! Must never read more than one page into memory, nor count a row twice.

mod attempts;
mod complete;
mod insert;
mod pages;
mod stats;
mod sums;

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::schema::usage;
use super::text::storable;
use crate::domain::ids::{AccountId, KeyId, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::usage::{TokenUsage, UsageRow};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use std::borrow::{Borrow, Cow};

impl Store {
    /// Writes rows, all or none, and says how many were new: a request that has its row already is
    /// passed over, so a batch may be written again.
    pub fn insert_usage(&self, rows: &[impl Borrow<UsageRow>]) -> Result<usize, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        self.pool.write(|connection| insert(connection, rows))
    }

    /// The row of one request.
    pub fn usage_row(&self, request_id: &str) -> Result<Option<UsageRow>, StoreError> {
        let line: Option<UsageLine<'static>> = self
            .pool
            .read(|connection| Ok(usage::table.find(storable(request_id)).first(connection).optional()?))?;
        Ok(line.map(UsageRow::from))
    }

    /// Deletes the oldest rows before `moment`, at most `most` of them, and says how many. The sums
    /// stay.
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

/// Writes rows and their sums within the caller's transaction; says how many were new.
pub(super) fn insert(
    connection: &mut AnyConnection,
    rows: &[impl Borrow<UsageRow>],
) -> Result<usize, StoreError> {
    // Only what was new is summed; of a row that stands twice in the batch, the first is.
    let added = match connection {
        AnyConnection::Postgres(connection) => insert::at_once(connection, rows)?,
        AnyConnection::Sqlite(connection) => insert::few_at_once(connection, rows)?,
    };
    sums::add(connection, &added)?;
    Ok(added.len())
}

/// A row as the table holds it. Its fields stand in the order of the columns.
#[derive(Queryable, Insertable)]
#[diesel(table_name = usage, treat_none_as_default_value = false)]
struct UsageLine<'a> {
    request_id: Cow<'a, str>,
    time: i64,
    endpoint: Cow<'a, str>,
    model: Cow<'a, str>,
    model_served: Option<Cow<'a, str>>,
    key_id: Option<i64>,
    key_label: Option<Cow<'a, str>>,
    account_id: Option<i64>,
    token_id: Option<i64>,
    client_kind: Cow<'a, str>,
    client_hint: Option<Cow<'a, str>>,
    stream: bool,
    status: i32,
    outcome: Cow<'a, str>,
    error_kind: Option<Cow<'a, str>>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cost: Option<f64>,
    attempts: i32,
    first_content_ms: Option<i64>,
    duration_ms: i64,
    provider: Option<Cow<'a, str>>,
    generation_id: Option<Cow<'a, str>>,
    attempt_log: Option<Cow<'a, str>>,
}

impl<'a> From<&'a UsageRow> for UsageLine<'a> {
    fn from(row: &'a UsageRow) -> UsageLine<'a> {
        let optional = |text: &'a Option<String>| text.as_deref().map(storable);
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

impl From<UsageLine<'_>> for UsageRow {
    fn from(line: UsageLine<'_>) -> UsageRow {
        let some = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        UsageRow {
            request_id: line.request_id.into_owned(),
            time: Timestamp::from_millis(line.time),
            endpoint: line.endpoint.into_owned(),
            model: line.model.into_owned(),
            model_served: some(line.model_served),
            key_id: line.key_id.map(KeyId),
            key_label: some(line.key_label),
            account_id: line.account_id.map(AccountId),
            token_id: line.token_id.map(TokenId),
            client_kind: line.client_kind.into_owned(),
            client_hint: some(line.client_hint),
            stream: line.stream,
            status: u16::try_from(line.status).unwrap_or(0),
            outcome: line.outcome.into_owned(),
            error_kind: some(line.error_kind),
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
            provider: some(line.provider),
            generation_id: some(line.generation_id),
            attempt_log: attempts::read(line.attempt_log.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod stats_tests;

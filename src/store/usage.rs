//! Usage rows: written in batches, each request once; read in pages by time.
//!
//! Must never read more than one page into memory.

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

/// Rows in one statement: 26 binds each, and SQLite takes 32,766 (stack facts 0).
const ROWS_PER_STATEMENT: usize = 500;

/// Which usage rows to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// Only rows at or after this moment.
    pub since: Option<Timestamp>,
    /// Only rows before this moment.
    pub until: Option<Timestamp>,
    /// Only rows beyond this one, in the order asked for.
    pub after: Option<UsageCursor>,
    /// Which end comes first.
    pub order: UsageOrder,
    /// At most so many rows.
    pub limit: u32,
}

/// Which end of the usage comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageOrder {
    /// For exports.
    OldestFirst,
    /// For pages.
    NewestFirst,
}

/// The place of a row in the order of time: where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCursor {
    /// When the request arrived.
    pub time: Timestamp,
    /// Its id, for requests that arrived within one millisecond.
    pub request_id: String,
}

impl UsageCursor {
    /// The place of `row`.
    pub fn of(row: &UsageRow) -> UsageCursor {
        UsageCursor { time: row.time, request_id: row.request_id.clone() }
    }
}

impl Store {
    /// Writes rows, all or none, and says how many were new: a request that has its row already is
    /// passed over, so a batch may be written again.
    pub fn insert_usage(&self, rows: &[UsageRow]) -> Result<usize, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        self.pool.write(|connection| insert(connection, rows))
    }

    /// One page of rows. Fewer than `limit` rows: the last page.
    pub fn usage_page(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        let mut page = usage::table.into_boxed();
        if let Some(since) = query.since {
            page = page.filter(usage::time.ge(since.millis()));
        }
        if let Some(until) = query.until {
            page = page.filter(usage::time.lt(until.millis()));
        }
        // The bound on time alone looks needless, but it is what lets both databases enter the
        // index at the right place.
        page = match (query.order, &query.after) {
            (UsageOrder::OldestFirst, Some(UsageCursor { time, request_id })) => page
                .filter(usage::time.ge(time.millis()))
                .filter(usage::time.gt(time.millis()).or(usage::request_id.gt(request_id))),
            (UsageOrder::NewestFirst, Some(UsageCursor { time, request_id })) => page
                .filter(usage::time.le(time.millis()))
                .filter(usage::time.lt(time.millis()).or(usage::request_id.lt(request_id))),
            (_, None) => page,
        };
        page = match query.order {
            UsageOrder::OldestFirst => page.order((usage::time.asc(), usage::request_id.asc())),
            UsageOrder::NewestFirst => page.order((usage::time.desc(), usage::request_id.desc())),
        };
        let lines: Vec<UsageLine> =
            self.pool.read(|connection| Ok(page.limit(i64::from(query.limit)).load(connection)?))?;
        Ok(lines.into_iter().map(UsageRow::from).collect())
    }

    /// How many rows there are.
    pub fn usage_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.pool.read(|connection| Ok(usage::table.count().get_result(connection)?))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Writes rows within the caller's transaction; says how many were new.
pub(super) fn insert(connection: &mut AnyConnection, rows: &[UsageRow]) -> Result<usize, StoreError> {
    let mut inserted = 0;
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let lines: Vec<UsageLine> = chunk.iter().map(UsageLine::from).collect();
        inserted += on_either!(&mut *connection, either => diesel::insert_into(usage::table)
            .values(&lines)
            .on_conflict_do_nothing()
            .execute(either)?);
    }
    Ok(inserted)
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
        }
    }
}

#[cfg(test)]
mod tests;

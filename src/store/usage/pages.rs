//! Pages of usage rows: by key set, never by offset, so that a page costs the same wherever it lies and
//! stays right while rows arrive.
//!
//! Every value is bound. A search that no index serves looks through at most [`LOOKED_AT`] rows, then
//! gives back what it found and where to go on: no filter holds the database for long.

use super::{UsageLine, usage};
use crate::domain::time::Timestamp;
use crate::domain::usage::UsageRow;
use crate::domain::usage_query::{StatusFilter, UsageCursor, UsageFilter, UsageOrder, UsagePage, UsageQuery};
use crate::store::Store;
use crate::store::connection::AnyConnection;
use crate::store::error::StoreError;
use crate::store::text::storable;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

/// The most rows that one page of a search looks at.
const LOOKED_AT: i64 = 5_000;

/// What most rows have stands in no index of its own; what they have not, in one that is asked in these words.
const COMMON_STATUS: u16 = 200;
const IS_RARE_STATUS: &str = "status <> 200";
const COMMON_OUTCOME: &str = "completed";
const IS_RARE_OUTCOME: &str = "outcome <> 'completed'";

/// What a search looks into, as one text.
const SEARCHED: &str = "LOWER(endpoint || ' ' || model || ' ' || COALESCE(model_served, '') || ' ' || \
                        COALESCE(key_label, '') || ' ' || client_kind || ' ' || COALESCE(client_hint, '') \
                        || ' ' || outcome || ' ' || COALESCE(error_kind, '') || ' ' || \
                        COALESCE(provider, '') || ' ' || COALESCE(generation_id, '')) LIKE ";

type Rows = usage::BoxedQuery<'static, <AnyConnection as Connection>::Backend>;

impl Store {
    /// One page of rows.
    pub fn usage_page(&self, query: &UsageQuery) -> Result<UsagePage, StoreError> {
        self.pool.read(|connection| page(connection, query))
    }
}

fn page(connection: &mut AnyConnection, query: &UsageQuery) -> Result<UsagePage, StoreError> {
    let end = if needs_bound(&query.filter) { bound(connection, query)? } else { None };
    let mut rows = matching(between(query), &query.filter, Conditions::All);
    if let Some(text) = &query.filter.text {
        rows = searched(rows, text);
    }
    if let Some(end) = &end {
        rows = up_to(rows, query.order, end);
    }
    // One more than asked for, to know whether there is a next page.
    let limit = query.limit.max(1);
    let lines: Vec<UsageLine<'_>> =
        ordered(rows, query.order).limit(i64::from(limit) + 1).load(connection)?;
    let mut rows: Vec<UsageRow> = lines.into_iter().map(UsageRow::from).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = if has_more { rows.last().map(UsageCursor::of) } else { end };
    Ok(UsagePage { rows, next })
}

/// Whether rows may have to be looked at that are not given back.
fn needs_bound(filter: &UsageFilter) -> bool {
    let text = filter.text.as_deref().is_some_and(|text| !is_request_id(text));
    let rare = filter.status.as_ref().is_some_and(is_rare);
    let indexed = [filter.token.is_some(), filter.key.is_some(), filter.model.is_some(), rare];
    let indexed = indexed.into_iter().filter(|given| *given).count();
    text || indexed > 1 || (filter.status.is_some() && !rare)
}

/// Whether few rows meet it, which an index finds.
fn is_rare(status: &StatusFilter) -> bool {
    match status {
        StatusFilter::Code(code) => *code != COMMON_STATUS,
        StatusFilter::Outcome(outcome) => outcome != COMMON_OUTCOME,
    }
}

/// Which of a filter's conditions of equality.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conditions {
    All,
    /// One at most, for which there is an index.
    OfOneIndex,
}

/// The last row that this page may look at; `None`: it may go to the end.
fn bound(connection: &mut AnyConnection, query: &UsageQuery) -> Result<Option<UsageCursor>, StoreError> {
    // Those are the rows that one index finds without looking at others.
    let rows = ordered(matching(between(query), &query.filter, Conditions::OfOneIndex), query.order);
    let last: Option<(i64, String)> = rows
        .select((usage::time, usage::request_id))
        .offset(LOOKED_AT)
        .limit(1)
        .first(connection)
        .optional()?;
    Ok(last.map(|(time, request_id)| UsageCursor { time: Timestamp::from_millis(time), request_id }))
}

/// The rows of the query's span of time, beyond its cursor.
fn between(query: &UsageQuery) -> Rows {
    let mut rows = usage::table.into_boxed();
    if let Some(since) = query.filter.since {
        rows = rows.filter(usage::time.ge(since.millis()));
    }
    if let Some(until) = query.filter.until {
        rows = rows.filter(usage::time.lt(until.millis()));
    }
    // The bound on time alone looks needless, but it is what lets both databases enter the index at
    // the right place.
    match (query.order, query.after.clone()) {
        (UsageOrder::OldestFirst, Some(UsageCursor { time, request_id })) => rows
            .filter(usage::time.ge(time.millis()))
            .filter(usage::time.gt(time.millis()).or(usage::request_id.gt(request_id))),
        (UsageOrder::NewestFirst, Some(UsageCursor { time, request_id })) => rows
            .filter(usage::time.le(time.millis()))
            .filter(usage::time.lt(time.millis()).or(usage::request_id.lt(request_id))),
        (_, None) => rows,
    }
}

/// Only the rows up to `end`, itself included.
fn up_to(rows: Rows, order: UsageOrder, end: &UsageCursor) -> Rows {
    let (time, id) = (end.time.millis(), end.request_id.clone());
    match order {
        UsageOrder::OldestFirst => {
            rows.filter(usage::time.le(time)).filter(usage::time.lt(time).or(usage::request_id.le(id)))
        }
        UsageOrder::NewestFirst => {
            rows.filter(usage::time.ge(time)).filter(usage::time.gt(time).or(usage::request_id.ge(id)))
        }
    }
}

/// Only the rows that meet the filter's conditions of equality, the ones that commonly leave the fewest rows
/// coming first.
fn matching(mut rows: Rows, filter: &UsageFilter, conditions: Conditions) -> Rows {
    let mut met = false;
    let mut may = |is_indexed: bool| {
        conditions == Conditions::All || (is_indexed && !std::mem::replace(&mut met, true))
    };
    if let Some(token) = filter.token.filter(|_| may(true)) {
        rows = rows.filter(usage::token_id.eq(token.0));
    }
    if let Some(key) = filter.key.filter(|_| may(true)) {
        rows = rows.filter(usage::key_id.eq(key.0));
    }
    if let Some(model) = filter.model.as_ref().filter(|_| may(true)) {
        rows = rows.filter(usage::model.eq(storable(model).into_owned()));
    }
    let Some(status) = filter.status.as_ref().filter(|status| may(is_rare(status))) else { return rows };
    match status {
        StatusFilter::Code(code) => rows = rows.filter(usage::status.eq(i32::from(*code))),
        StatusFilter::Outcome(outcome) => {
            rows = rows.filter(usage::outcome.eq(storable(outcome).into_owned()));
        }
    }
    match status {
        _ if !is_rare(status) => rows,
        StatusFilter::Code(_) => rows.filter(sql::<Bool>(IS_RARE_STATUS)),
        StatusFilter::Outcome(_) => rows.filter(sql::<Bool>(IS_RARE_OUTCOME)),
    }
}

fn searched(rows: Rows, text: &str) -> Rows {
    if is_request_id(text) {
        return rows.filter(usage::request_id.eq(text.to_ascii_lowercase()));
    }
    let mut pattern = String::from("%");
    for c in storable(text).to_ascii_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    rows.filter(sql::<Bool>(SEARCHED).bind::<Text, _>(pattern).sql(" ESCAPE '!'"))
}

/// Whether a text has the form of our request ids (RFC 9562, section 4).
fn is_request_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn ordered(rows: Rows, order: UsageOrder) -> Rows {
    match order {
        UsageOrder::OldestFirst => rows.order((usage::time.asc(), usage::request_id.asc())),
        UsageOrder::NewestFirst => rows.order((usage::time.desc(), usage::request_id.desc())),
    }
}

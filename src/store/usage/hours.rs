//! Hourly sums: kept in the transaction that inserts the rows, so that they are exact after any crash.
//!
//! Each batch is summed in memory first: Postgres refuses the same line twice in one statement, and
//! replicas that write the same lines in the same order cannot deadlock.

use crate::domain::buckets::bucket;
use crate::domain::usage::{Outcome, UsageRow};
use crate::domain::usage_stats::Sums;
use crate::store::connection::AnyConnection;
use crate::store::error::StoreError;
use crate::store::text::storable;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Text};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000;

/// Lines in one statement: at most 11 binds each, and SQLite takes 32,766 (stack facts 0).
const AT_ONCE: usize = 500;

/// Part, hour, name and outcome of a sum.
type Place<'a> = (&'static str, i64, Cow<'a, str>, &'a str);
/// Hour, figure and bucket of a time.
type Time = (i64, &'static str, i32);

/// Adds rows, all of them new, to their hours.
pub(super) fn add(connection: &mut AnyConnection, rows: &[&UsageRow]) -> Result<(), StoreError> {
    let mut sums: BTreeMap<Place<'_>, Sums> = BTreeMap::new();
    let mut times: BTreeMap<Time, i64> = BTreeMap::new();
    for row in rows {
        let hour = row.time.millis() / HOUR;
        for (part, name) in parts(row) {
            let sum = sums.entry((part, hour, name, &row.outcome)).or_default();
            sum.count(&row.outcome, 1);
            sum.spend(&row.tokens);
        }
        let first = row.first_content_ms.map(|millis| ("first_content", millis));
        for (figure, millis) in first.into_iter().chain([("duration", row.duration_ms)]) {
            *times.entry((hour, figure, bucket(millis))).or_default() += 1;
        }
    }
    let sums: Vec<_> = sums.into_iter().collect();
    let times: Vec<_> = times.into_iter().collect();
    sums.chunks(AT_ONCE).try_for_each(|sums| add_sums(connection, sums))?;
    times.chunks(AT_ONCE).try_for_each(|times| add_times(connection, times))
}

/// Adds to the sums what a row's tokens and cost have become since it was added.
pub(super) fn correct(
    connection: &mut AnyConnection,
    before: &UsageRow,
    after: &UsageRow,
) -> Result<(), StoreError> {
    let [old, new] = [before, after].map(|row| {
        let mut sums = Sums::default();
        sums.spend(&row.tokens);
        sums
    });
    let more = |old: u64, new: u64| figure(new) - figure(old);
    for (part, name) in parts(before) {
        diesel::sql_query(
            "UPDATE usage_hours SET prompt_tokens = prompt_tokens + $1, \
             completion_tokens = completion_tokens + $2, total_tokens = total_tokens + $3, \
             reasoning_tokens = reasoning_tokens + $4, cached_tokens = cached_tokens + $5, cost = cost + $6 \
             WHERE part = $7 AND hour = $8 AND name = $9 AND outcome = $10",
        )
        .bind::<BigInt, _>(more(old.prompt_tokens, new.prompt_tokens))
        .bind::<BigInt, _>(more(old.completion_tokens, new.completion_tokens))
        .bind::<BigInt, _>(more(old.total_tokens, new.total_tokens))
        .bind::<BigInt, _>(more(old.reasoning_tokens, new.reasoning_tokens))
        .bind::<BigInt, _>(more(old.cached_tokens, new.cached_tokens))
        .bind::<Double, _>(new.cost - old.cost)
        .bind::<Text, _>(part)
        .bind::<BigInt, _>(before.time.millis() / HOUR)
        .bind::<Text, _>(name)
        .bind::<Text, _>(storable(&before.outcome))
        .execute(connection)?;
    }
    Ok(())
}

fn figure(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Where a request counts: everywhere once, by its model, by its key and by its token.
fn parts(row: &UsageRow) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
    // A client can name any model; only one that a key of ours was used for, or that answered, gets
    // sums of its own, so that made-up names cannot fill the table.
    let vouched = row.key_id.is_some() || row.outcome == Outcome::Completed.word();
    let model = if vouched { storable(&row.model) } else { Cow::Borrowed("") };
    let key = row.key_id.map(|id| ("key", Cow::Owned(id.to_string())));
    let token = row.token_id.map(|id| ("token", Cow::Owned(id.to_string())));
    [("all", Cow::Borrowed("")), ("model", model)].into_iter().chain(key).chain(token)
}

fn add_sums(connection: &mut AnyConnection, lines: &[(Place<'_>, Sums)]) -> Result<(), StoreError> {
    let statement = format!(
        "INSERT INTO usage_hours (part, hour, name, outcome, requests, prompt_tokens, completion_tokens, \
         total_tokens, reasoning_tokens, cached_tokens, cost) VALUES {} \
         ON CONFLICT (part, hour, name, outcome) DO UPDATE SET \
         requests = usage_hours.requests + excluded.requests, \
         prompt_tokens = usage_hours.prompt_tokens + excluded.prompt_tokens, \
         completion_tokens = usage_hours.completion_tokens + excluded.completion_tokens, \
         total_tokens = usage_hours.total_tokens + excluded.total_tokens, \
         reasoning_tokens = usage_hours.reasoning_tokens + excluded.reasoning_tokens, \
         cached_tokens = usage_hours.cached_tokens + excluded.cached_tokens, \
         cost = usage_hours.cost + excluded.cost",
        binds(lines.len(), 11)
    );
    let mut query = diesel::sql_query(statement).into_boxed();
    for ((part, hour, name, outcome), sums) in lines {
        query = query
            .bind::<Text, _>(*part)
            .bind::<BigInt, _>(*hour)
            .bind::<Text, _>(&**name)
            .bind::<Text, _>(storable(outcome))
            .bind::<BigInt, _>(figure(sums.requests))
            .bind::<BigInt, _>(figure(sums.prompt_tokens))
            .bind::<BigInt, _>(figure(sums.completion_tokens))
            .bind::<BigInt, _>(figure(sums.total_tokens))
            .bind::<BigInt, _>(figure(sums.reasoning_tokens))
            .bind::<BigInt, _>(figure(sums.cached_tokens))
            .bind::<Double, _>(sums.cost);
    }
    query.execute(connection)?;
    Ok(())
}

fn add_times(connection: &mut AnyConnection, lines: &[(Time, i64)]) -> Result<(), StoreError> {
    let statement = format!(
        "INSERT INTO usage_times (hour, figure, bucket, requests) VALUES {} \
         ON CONFLICT (hour, figure, bucket) DO UPDATE SET \
         requests = usage_times.requests + excluded.requests",
        binds(lines.len(), 4)
    );
    let mut query = diesel::sql_query(statement).into_boxed();
    for ((hour, figure, bucket), requests) in lines {
        query = query
            .bind::<BigInt, _>(*hour)
            .bind::<Text, _>(*figure)
            .bind::<Integer, _>(*bucket)
            .bind::<BigInt, _>(*requests);
    }
    query.execute(connection)?;
    Ok(())
}

/// `($1, $2), ($3, $4)`: the places of so many lines with so many columns each.
fn binds(lines: usize, columns: usize) -> String {
    let line = |line: usize| {
        let places = (1..=columns).map(|column| format!("${}", line * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    (0..lines).map(line).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_value_has_its_place() {
        assert_eq!(super::binds(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }
}

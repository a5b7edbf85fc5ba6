//! Hourly and daily sums: kept in the transaction that inserts the rows, so that they are exact after any
//! crash.
//!
//! Each batch is summed in memory first: Postgres refuses the same line twice in one statement, and
//! replicas that write the same lines in the same order cannot deadlock.

use crate::domain::buckets::bucket;
use crate::domain::map::Map;
use crate::domain::time::{Day, Timestamp};
use crate::domain::usage::{Outcome, UsageRow};
use crate::domain::usage_stats::Sums;
use crate::store::Store;
use crate::store::connection::AnyConnection;
use crate::store::error::StoreError;
use crate::store::statement::{self, Value};
use crate::store::text::storable;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// The spans of time that sums are kept of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Hour,
    Day,
}

impl Unit {
    const ALL: [Unit; 2] = [Unit::Hour, Unit::Day];

    /// The number of the one that a moment lies in, since 1970-01-01.
    pub(super) fn of(self, moment: Timestamp) -> i64 {
        moment.millis().div_euclid(self.millis())
    }

    /// The first moment of one.
    pub(super) fn start(self, number: i64) -> Timestamp {
        Timestamp::from_millis(number.saturating_mul(self.millis()))
    }

    fn millis(self) -> i64 {
        match self {
            Unit::Hour => 3_600_000,
            Unit::Day => 86_400_000,
        }
    }

    /// The column with its number.
    pub(super) fn column(self) -> &'static str {
        match self {
            Unit::Hour => "hour",
            Unit::Day => "day",
        }
    }

    /// The table with its sums.
    pub(super) fn sums(self) -> &'static str {
        match self {
            Unit::Hour => "usage_hours",
            Unit::Day => "usage_days",
        }
    }

    /// The table that says how many requests took how long.
    pub(super) fn times(self) -> &'static str {
        match self {
            Unit::Hour => "usage_times",
            Unit::Day => "usage_day_times",
        }
    }
}

/// Part, hour or day, name and outcome of a sum.
type Place<'a> = (&'static str, i64, Cow<'a, str>, Cow<'a, str>);
/// Hour or day, figure and bucket of a time.
type Time = (i64, &'static str, i32);

/// Sums and times of one unit.
#[derive(Default)]
struct Added<'a> {
    sums: BTreeMap<Place<'a>, Sums>,
    times: BTreeMap<Time, i64>,
}

/// Adds rows, all of them new, to their hours and days.
pub(super) fn add(connection: &mut AnyConnection, rows: &[&UsageRow]) -> Result<(), StoreError> {
    let hours = Added::of_hours(rows);
    let days = hours.of_days();
    for (unit, added) in [(Unit::Hour, hours), (Unit::Day, days)] {
        add_sums(connection, unit, &added.sums)?;
        add_times(connection, unit, &added.times)?;
    }
    Ok(())
}

/// Requests that count in the same places, by one of them.
type Alike<'a> = (&'a UsageRow, Sums);

/// Rows, of which most count in the same places as others, brought together.
fn alike<'a>(rows: &[&'a UsageRow]) -> Vec<Alike<'a>> {
    let (mut all, mut places) = (Vec::<Alike<'_>>::new(), HashMap::new());
    for &row in rows {
        let place = (Unit::Hour.of(row.time), &*row.outcome, vouched_model(row), row.key_id, row.token_id);
        let index = *places.entry(place).or_insert_with(|| {
            all.push((row, Sums::default()));
            all.len() - 1
        });
        if let Some((_, sums)) = all.get_mut(index) {
            sums.count(&row.outcome, 1);
            sums.spend(&row.tokens);
        }
    }
    all
}

impl<'a> Added<'a> {
    fn of_hours(rows: &[&'a UsageRow]) -> Added<'a> {
        let mut added = Added::default();
        for (row, sums) in alike(rows) {
            let (hour, outcome) = (Unit::Hour.of(row.time), storable(&row.outcome));
            for (part, name) in parts(row) {
                added.sums.entry((part, hour, name, outcome.clone())).or_default().add(&sums);
            }
        }
        let mut times: Map<Time, i64> = Map::default();
        for row in rows {
            let hour = Unit::Hour.of(row.time);
            let first = row.first_content_ms.map(|millis| ("first_content", millis));
            for (figure, millis) in first.into_iter().chain([("duration", row.duration_ms)]) {
                *times.entry((hour, figure, bucket(millis))).or_default() += 1;
            }
        }
        added.times.extend(times);
        added
    }

    /// What these hours add to their days.
    fn of_days(&self) -> Added<'a> {
        let day = |hour: i64| Unit::Day.of(Unit::Hour.start(hour));
        let mut days = Added::default();
        for ((part, hour, name, outcome), sum) in &self.sums {
            let place = (*part, day(*hour), name.clone(), outcome.clone());
            days.sums.entry(place).or_default().add(sum);
        }
        for ((hour, figure, bucket), count) in &self.times {
            *days.times.entry((day(*hour), *figure, *bucket)).or_default() += count;
        }
        days
    }
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
    for unit in Unit::ALL {
        let statement = format!(
            "UPDATE {} SET prompt_tokens = prompt_tokens + $1, \
             completion_tokens = completion_tokens + $2, total_tokens = total_tokens + $3, \
             reasoning_tokens = reasoning_tokens + $4, cached_tokens = cached_tokens + $5, cost = cost + $6 \
             WHERE part = $7 AND {} = $8 AND name = $9 AND outcome = $10",
            unit.sums(),
            unit.column()
        );
        for (part, name) in parts(before) {
            diesel::sql_query(&statement)
                .bind::<BigInt, _>(more(old.prompt_tokens, new.prompt_tokens))
                .bind::<BigInt, _>(more(old.completion_tokens, new.completion_tokens))
                .bind::<BigInt, _>(more(old.total_tokens, new.total_tokens))
                .bind::<BigInt, _>(more(old.reasoning_tokens, new.reasoning_tokens))
                .bind::<BigInt, _>(more(old.cached_tokens, new.cached_tokens))
                .bind::<Double, _>(new.cost - old.cost)
                .bind::<Text, _>(part)
                .bind::<BigInt, _>(unit.of(before.time))
                .bind::<Text, _>(name)
                .bind::<Text, _>(storable(&before.outcome))
                .execute(connection)?;
        }
    }
    Ok(())
}

impl Store {
    /// Adds up anew, from their hours, the day before `now` and every later one. While replicas are
    /// upgraded one after the other, those of a version without daily sums add to the hours alone; the
    /// last start of a new one sets that right.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn mend_daily_sums(&self, now: Timestamp) -> Result<(), StoreError> {
        let first = Day(now.day().0.saturating_sub(1));
        let hour = Unit::Hour.of(first.start());
        self.pool.write(|connection| {
            if let AnyConnection::Postgres(connection) = connection {
                // Whoever inserts rows takes the hours before the days, so this waits and is not waited
                // for. SQLite has one writer at a time.
                connection.batch_execute("LOCK TABLE usage_hours IN SHARE MODE")?;
            }
            for (statement, from) in [
                ("DELETE FROM usage_days WHERE day >= $1", i64::from(first.0)),
                (DAYS_OF_HOURS, hour),
                ("DELETE FROM usage_day_times WHERE day >= $1", i64::from(first.0)),
                (TIMES_OF_HOURS, hour),
            ] {
                diesel::sql_query(statement).bind::<BigInt, _>(from).execute(connection)?;
            }
            Ok(())
        })
    }
}

const DAYS_OF_HOURS: &str = "INSERT INTO usage_days (part, day, name, outcome, requests, prompt_tokens, \
     completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost) \
     SELECT part, hour / 24, name, outcome, SUM(requests), SUM(prompt_tokens), SUM(completion_tokens), \
     SUM(total_tokens), SUM(reasoning_tokens), SUM(cached_tokens), SUM(cost) \
     FROM usage_hours WHERE hour >= $1 GROUP BY part, hour / 24, name, outcome";

const TIMES_OF_HOURS: &str = "INSERT INTO usage_day_times (day, figure, bucket, requests) \
     SELECT hour / 24, figure, bucket, SUM(requests) FROM usage_times WHERE hour >= $1 \
     GROUP BY hour / 24, figure, bucket";

fn figure(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A client can name any model; only one that a key of ours was used for, or that answered, gets sums of its own, so
/// that made-up names cannot fill the table.
fn vouched_model(row: &UsageRow) -> &str {
    let vouched = row.key_id.is_some() || row.outcome == Outcome::Completed.word();
    if vouched { &row.model } else { "" }
}

/// Where a request counts: everywhere once, by its model, by its key and by its token.
fn parts(row: &UsageRow) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
    let model = storable(vouched_model(row));
    let key = row.key_id.map(|id| ("key", Cow::Owned(id.to_string())));
    let token = row.token_id.map(|id| ("token", Cow::Owned(id.to_string())));
    [("all", Cow::Borrowed("")), ("model", model)].into_iter().chain(key).chain(token)
}

fn add_sums(
    connection: &mut AnyConnection,
    unit: Unit,
    sums: &BTreeMap<Place<'_>, Sums>,
) -> Result<(), StoreError> {
    let (table, column) = (unit.sums(), unit.column());
    let before = format!(
        "INSERT INTO {table} (part, {column}, name, outcome, requests, prompt_tokens, completion_tokens, \
         total_tokens, reasoning_tokens, cached_tokens, cost) VALUES"
    );
    let behind = format!(
        "ON CONFLICT (part, {column}, name, outcome) DO UPDATE SET \
         requests = {table}.requests + excluded.requests, \
         prompt_tokens = {table}.prompt_tokens + excluded.prompt_tokens, \
         completion_tokens = {table}.completion_tokens + excluded.completion_tokens, \
         total_tokens = {table}.total_tokens + excluded.total_tokens, \
         reasoning_tokens = {table}.reasoning_tokens + excluded.reasoning_tokens, \
         cached_tokens = {table}.cached_tokens + excluded.cached_tokens, \
         cost = {table}.cost + excluded.cost"
    );
    let lines = sums.iter().map(|((part, at, name, outcome), sums)| {
        vec![
            Value::Text((*part).into()),
            Value::Whole(*at),
            Value::Text(name.as_ref().into()),
            Value::Text(outcome.as_ref().into()),
            Value::Whole(figure(sums.requests)),
            Value::Whole(figure(sums.prompt_tokens)),
            Value::Whole(figure(sums.completion_tokens)),
            Value::Whole(figure(sums.total_tokens)),
            Value::Whole(figure(sums.reasoning_tokens)),
            Value::Whole(figure(sums.cached_tokens)),
            Value::Fraction(sums.cost),
        ]
    });
    Ok(statement::insert(connection, &before, &lines.collect::<Vec<_>>(), &behind)?)
}

fn add_times(
    connection: &mut AnyConnection,
    unit: Unit,
    times: &BTreeMap<Time, i64>,
) -> Result<(), StoreError> {
    let (table, column) = (unit.times(), unit.column());
    let before = format!("INSERT INTO {table} ({column}, figure, bucket, requests) VALUES");
    let behind = format!(
        "ON CONFLICT ({column}, figure, bucket) DO UPDATE SET requests = {table}.requests + excluded.requests"
    );
    let lines = times.iter().map(|((at, figure, bucket), requests)| {
        let bucket = Value::Whole(i64::from(*bucket));
        vec![Value::Whole(*at), Value::Text((*figure).into()), bucket, Value::Whole(*requests)]
    });
    Ok(statement::insert(connection, &before, &lines.collect::<Vec<_>>(), &behind)?)
}

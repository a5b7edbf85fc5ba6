//! What the sums of hours and days add up to. Reads no usage row: an overview costs the same however many
//! there are.

use super::sums::Unit;
use crate::domain::time::Timestamp;
use crate::domain::usage_stats::{Period, Share, Sums, UsageStats};
use crate::store::Store;
use crate::store::connection::AnyConnection;
use crate::store::error::StoreError;
use crate::store::schema::{usage_day_times, usage_times};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The most days that are added up at once.
const MOST_DAYS: u32 = 400;
/// How many of the last hours are told one by one.
const HOURS: i64 = 24;

impl Store {
    /// The usage of the last 24 hours one by one, of today and the `days - 1` days before (1 to 400),
    /// and of those days by model, key and token.
    pub fn usage_stats(&self, days: u32, now: Timestamp) -> Result<UsageStats, StoreError> {
        let days = days.clamp(1, MOST_DAYS);
        self.pool.read(|connection| stats(connection, days, now))
    }
}

fn stats(connection: &mut AnyConnection, days: u32, now: Timestamp) -> Result<UsageStats, StoreError> {
    let this_hour = Unit::Hour.of(now);
    let today = Unit::Day.of(now);
    let first_day = today - i64::from(days) + 1;
    Ok(UsageStats {
        hours: told(connection, Unit::Hour, this_hour - HOURS + 1..=this_hour)?,
        days: told(connection, Unit::Day, first_day..=today)?,
        models: shares(connection, "model", first_day)?,
        keys: shares(connection, "key", first_day)?,
        tokens: shares(connection, "token", first_day)?,
    })
}

/// The periods of these numbers, each one filled.
fn told(
    connection: &mut AnyConnection,
    unit: Unit,
    numbers: RangeInclusive<i64>,
) -> Result<Vec<Period>, StoreError> {
    let first = *numbers.start();
    let mut told: BTreeMap<i64, Period> =
        numbers.map(|number| (number, Period::empty(unit.start(number)))).collect();
    let (column, table) = (unit.column(), unit.sums());
    let sums: Vec<SumLine> = diesel::sql_query(format!(
        "SELECT {column} AS at, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, \
         reasoning_tokens, cached_tokens, cost FROM {table} WHERE part = 'all' AND {column} >= $1"
    ))
    .bind::<BigInt, _>(first)
    .load(connection)?;
    for line in sums {
        if let Some(period) = told.get_mut(&line.at) {
            period.sums.add(&line.sums());
        }
    }
    let models: Vec<CountLine> = diesel::sql_query(format!(
        "SELECT {column} AS at, COUNT(*) AS models FROM {table} \
         WHERE part = 'model' AND outcome = 'completed' AND {column} >= $1 GROUP BY {column}"
    ))
    .bind::<BigInt, _>(first)
    .load(connection)?;
    for line in models {
        if let Some(period) = told.get_mut(&line.at) {
            period.models = count(line.models);
        }
    }
    for (at, figure, bucket, requests) in times(connection, unit, first)? {
        if let Some(period) = told.get_mut(&at) {
            let of = if figure == "duration" { &mut period.duration } else { &mut period.first_content };
            of.add(bucket, count(requests));
        }
    }
    Ok(told.into_values().collect())
}

/// How many requests took how long in the periods from `first` on. There are thousands of these lines, so
/// they are read by the places of their columns, not by their names.
fn times(
    connection: &mut AnyConnection,
    unit: Unit,
    first: i64,
) -> QueryResult<Vec<(i64, String, i32, i64)>> {
    match unit {
        Unit::Hour => usage_times::table.filter(usage_times::hour.ge(first)).load(connection),
        Unit::Day => usage_day_times::table.filter(usage_day_times::day.ge(first)).load(connection),
    }
}

/// What each name of `part` adds up to from the day `first` on, most requests first.
fn shares(connection: &mut AnyConnection, part: &str, first: i64) -> Result<Vec<Share>, StoreError> {
    let lines: Vec<SumLine> = diesel::sql_query(
        "SELECT CAST(0 AS BIGINT) AS at, name, outcome, CAST(SUM(requests) AS BIGINT) AS requests, \
         CAST(SUM(prompt_tokens) AS BIGINT) AS prompt_tokens, \
         CAST(SUM(completion_tokens) AS BIGINT) AS completion_tokens, \
         CAST(SUM(total_tokens) AS BIGINT) AS total_tokens, \
         CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, \
         CAST(SUM(cached_tokens) AS BIGINT) AS cached_tokens, SUM(cost) AS cost FROM usage_days \
         WHERE part = $1 AND day >= $2 GROUP BY name, outcome",
    )
    .bind::<Text, _>(part)
    .bind::<BigInt, _>(first)
    .load(connection)?;
    let mut shares: BTreeMap<String, Sums> = BTreeMap::new();
    for line in lines {
        let sums = line.sums();
        shares.entry(line.name).or_default().add(&sums);
    }
    let mut shares: Vec<Share> = shares.into_iter().map(|(name, sums)| Share { name, sums }).collect();
    shares.sort_by_key(|share| Reverse(share.sums.requests));
    Ok(shares)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Sums of an hour or a day, or of a name.
#[derive(QueryableByName)]
struct SumLine {
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = BigInt)]
    completion_tokens: i64,
    #[diesel(sql_type = BigInt)]
    total_tokens: i64,
    #[diesel(sql_type = BigInt)]
    reasoning_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cached_tokens: i64,
    #[diesel(sql_type = Double)]
    cost: f64,
}

/// How many models answered in an hour or a day.
#[derive(QueryableByName)]
struct CountLine {
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = BigInt)]
    models: i64,
}

impl SumLine {
    fn sums(&self) -> Sums {
        let mut sums = Sums {
            prompt_tokens: count(self.prompt_tokens),
            completion_tokens: count(self.completion_tokens),
            total_tokens: count(self.total_tokens),
            reasoning_tokens: count(self.reasoning_tokens),
            cached_tokens: count(self.cached_tokens),
            cost: self.cost,
            ..Sums::default()
        };
        sums.count(&self.outcome, count(self.requests));
        sums
    }
}

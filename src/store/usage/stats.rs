//! What the hourly sums add up to. Reads no usage row: an overview costs the same however many there
//! are.

use super::hours::HOUR;
use crate::domain::time::{Day, Timestamp};
use crate::domain::usage_stats::{Period, Share, Sums, UsageStats};
use crate::store::Store;
use crate::store::connection::AnyConnection;
use crate::store::error::StoreError;
use crate::store::schema::{usage_hours, usage_times};
use diesel::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The most days that are added up at once.
const MOST_DAYS: u32 = 400;
/// How many of the last hours are told one by one.
const HOURS: i64 = 24;
const HOURS_OF_DAY: i64 = 24;

impl Store {
    /// The usage of the last 24 hours one by one, of today and the `days - 1` days before (1 to 400),
    /// and of those days by model, key and token.
    pub fn usage_stats(&self, days: u32, now: Timestamp) -> Result<UsageStats, StoreError> {
        let days = days.clamp(1, MOST_DAYS);
        self.pool.read(|connection| stats(connection, days, now))
    }
}

fn stats(connection: &mut AnyConnection, days: u32, now: Timestamp) -> Result<UsageStats, StoreError> {
    let this_hour = now.millis().div_euclid(HOUR);
    let today = now.day();
    let first_day = Day(today.0.saturating_sub(i32::try_from(days).unwrap_or(1) - 1));
    let from = (first_day.start().millis() / HOUR).min(this_hour - HOURS + 1);

    let mut periods = Periods { hours: BTreeMap::new(), days: BTreeMap::new() };
    for hour in this_hour - HOURS + 1..=this_hour {
        periods.hours.insert(hour, Period::empty(Timestamp::from_millis(hour * HOUR)));
    }
    for day in first_day.0..=today.0 {
        periods.days.insert(i64::from(day), Period::empty(Day(day).start()));
    }
    let mut models_of: BTreeMap<(bool, i64), BTreeSet<String>> = BTreeMap::new();
    for line in lines(connection, "all", from)? {
        let sums = line.sums();
        periods.each(line.hour, |period| period.sums.add(&sums));
    }
    let first_hour = first_day.start().millis() / HOUR;
    let mut models = Shares::default();
    for line in lines(connection, "model", from)? {
        if line.outcome == "completed" {
            models_of.entry((true, line.hour)).or_default().insert(line.name.clone());
            models_of.entry((false, line.hour / HOURS_OF_DAY)).or_default().insert(line.name.clone());
        }
        models.add(line, first_hour);
    }
    for ((is_hour, at), names) in models_of {
        let of = if is_hour { &mut periods.hours } else { &mut periods.days };
        if let Some(period) = of.get_mut(&at) {
            period.models = u64::try_from(names.len()).unwrap_or(0);
        }
    }
    read_times(connection, from, &mut periods)?;
    let mut share = |part: &str| {
        let mut shares = Shares::default();
        for line in lines(connection, part, first_hour)? {
            shares.add(line, first_hour);
        }
        Ok::<Vec<Share>, StoreError>(shares.sorted())
    };
    let (keys, tokens) = (share("key")?, share("token")?);
    Ok(UsageStats {
        hours: periods.hours.into_values().collect(),
        days: periods.days.into_values().collect(),
        models: models.sorted(),
        keys,
        tokens,
    })
}

/// The periods told one by one: by number of hour, and by number of day.
struct Periods {
    hours: BTreeMap<i64, Period>,
    days: BTreeMap<i64, Period>,
}

impl Periods {
    /// Changes the periods that `hour` lies in.
    fn each(&mut self, hour: i64, mut change: impl FnMut(&mut Period)) {
        let of_hour = self.hours.get_mut(&hour);
        let of_day = self.days.get_mut(&(hour / HOURS_OF_DAY));
        of_hour.into_iter().chain(of_day).for_each(&mut change);
    }
}

fn read_times(connection: &mut AnyConnection, from: i64, periods: &mut Periods) -> Result<(), StoreError> {
    let times: Vec<(i64, String, i32, i64)> = usage_times::table
        .filter(usage_times::hour.ge(from))
        .select((usage_times::hour, usage_times::figure, usage_times::bucket, usage_times::requests))
        .load(connection)?;
    for (hour, figure, bucket, requests) in times {
        let requests = u64::try_from(requests).unwrap_or(0);
        periods.each(hour, |period| {
            let of = if figure == "duration" { &mut period.duration } else { &mut period.first_content };
            of.add(bucket, requests);
        });
    }
    Ok(())
}

/// Sums by name.
#[derive(Default)]
struct Shares(BTreeMap<String, Sums>);

impl Shares {
    fn add(&mut self, line: HourLine, from: i64) {
        if line.hour >= from {
            let sums = line.sums();
            self.0.entry(line.name).or_default().add(&sums);
        }
    }

    /// Most requests first.
    fn sorted(self) -> Vec<Share> {
        let mut shares: Vec<Share> = self.0.into_iter().map(|(name, sums)| Share { name, sums }).collect();
        shares.sort_by_key(|share| Reverse(share.sums.requests));
        shares
    }
}

fn lines(connection: &mut AnyConnection, part: &str, from: i64) -> Result<Vec<HourLine>, StoreError> {
    let lines = usage_hours::table
        .filter(usage_hours::part.eq(part))
        .filter(usage_hours::hour.ge(from))
        .select(HourLine::as_select())
        .load(connection)?;
    Ok(lines)
}

/// A line of sums as the table holds it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = usage_hours)]
struct HourLine {
    hour: i64,
    name: String,
    outcome: String,
    requests: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    reasoning_tokens: i64,
    cached_tokens: i64,
    cost: f64,
}

impl HourLine {
    fn sums(&self) -> Sums {
        let figure = |value: i64| u64::try_from(value).unwrap_or(0);
        let mut sums = Sums {
            prompt_tokens: figure(self.prompt_tokens),
            completion_tokens: figure(self.completion_tokens),
            total_tokens: figure(self.total_tokens),
            reasoning_tokens: figure(self.reasoning_tokens),
            cached_tokens: figure(self.cached_tokens),
            cost: self.cost,
            ..Sums::default()
        };
        sums.count(&self.outcome, figure(self.requests));
        sums
    }
}

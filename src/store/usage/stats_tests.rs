//! Sums: as exact as the rows, however they came in.

use crate::domain::ids::{KeyId, RequestId, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::usage::{TokenUsage, UsageRow};
use crate::domain::usage_stats::UsageStats;
use crate::store::testing::{Bench, raw};

const HOUR: i64 = 3_600_000;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T15:30:00Z").expect("a time")
}

/// A row of so many hours before now.
fn row(hours_ago: i64, number: i64, outcome: &str) -> UsageRow {
    let at = Timestamp::from_millis(now().millis() - hours_ago * HOUR);
    let reached = outcome != "refused";
    UsageRow {
        model: format!("m/{}:free", number % 3),
        key_id: reached.then_some(KeyId(number % 2 + 1)),
        token_id: (number % 4 == 0).then_some(TokenId(7)),
        outcome: outcome.to_owned(),
        tokens: TokenUsage { prompt: Some(10), total: Some(15), cost: Some(0.5), ..TokenUsage::default() },
        first_content_ms: reached.then_some(100 + number),
        duration_ms: 1_000,
        ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
    }
}

fn rows() -> Vec<UsageRow> {
    let mut rows = Vec::new();
    for number in 0..90 {
        let outcome = ["completed", "completed", "failed", "refused", "cancelled"][number % 5];
        rows.push(row([0, 1, 14, 20, 30][number / 18], i64::try_from(number).expect("small"), outcome));
    }
    rows
}

#[test]
fn sums_follow_the_rows() {
    let bench = Bench::new();
    let store = &bench.open();
    let rows = rows();
    // One row at a time, in a batch, and again: every row counts once.
    for row in &rows[..10] {
        store.insert_usage(std::slice::from_ref(row)).expect("a row");
    }
    store.insert_usage(&rows).expect("rows");
    store.insert_usage(&[rows.clone(), rows].concat()).expect("nothing new");
    check(&store.usage_stats(2, now()).expect("sums"));
}

#[test]
fn rows_of_an_earlier_schema_are_summed_by_the_migration() {
    let bench = Bench::new();
    bench.open().insert_usage(&rows()).expect("rows");
    raw(&bench, include_str!("../../../migrations/2026-11-22-000005_usage_hours/down.sql"));
    raw(&bench, include_str!("../../../migrations/2026-11-22-000005_usage_hours/up.sql"));
    raw(&bench, include_str!("../../../migrations/2026-11-25-000700_usage_days/down.sql"));
    raw(&bench, include_str!("../../../migrations/2026-11-25-000700_usage_days/up.sql"));
    check(&bench.open().usage_stats(2, now()).expect("sums"));
}

#[test]
fn days_that_a_replica_of_an_earlier_version_passed_over_are_mended() {
    let bench = Bench::new();
    let store = bench.open();
    store.insert_usage(&rows()).expect("rows");
    let old = row(100, 1, "completed");
    store.insert_usage(&[&old]).expect("a row");
    let earlier = store.usage_stats(9, old.time).expect("sums");
    raw(&bench, "UPDATE usage_days SET requests = 1, prompt_tokens = 0; DELETE FROM usage_day_times");
    store.mend_daily_sums(now()).expect("mended");
    check(&store.usage_stats(2, now()).expect("sums"));
    // Only the last two days are read again; this one was a single row.
    let sums = store.usage_stats(9, old.time).expect("sums").days[8].sums;
    assert_eq!((sums.requests, sums.prompt_tokens, earlier.days[8].sums.prompt_tokens), (1, 0, 10));
}

/// The sums of [`rows`].
fn check(stats: &UsageStats) {
    let [yesterday, today] = &stats.days[..] else { panic!("{:?}", stats.days) };
    assert_eq!((yesterday.start.rfc3339().as_str(), yesterday.sums.requests), ("2026-11-21T00:00:00Z", 36));
    assert_eq!((today.start, today.sums.requests), (now().day().start(), 54));
    assert_eq!(stats.hours.len(), 24);
    let hours: Vec<u64> = stats.hours.iter().map(|hour| hour.sums.requests).collect();
    assert_eq!((hours[23], hours[22], hours[9], hours[3], hours.iter().sum()), (18, 18, 18, 18, 72));
    let sums = today.sums;
    assert_eq!((sums.completed, sums.failed, sums.refused, sums.cancelled), (22, 11, 11, 10));
    assert_eq!((sums.prompt_tokens, sums.total_tokens, sums.cost), (540, 810, 27.0));
    assert_eq!((today.models, stats.hours[0].models, stats.hours[23].models), (3, 0, 3));
    let p50 = today.first_content.percentile(50).expect("times");
    assert!((100..160).contains(&p50), "{p50}");
    assert!(today.duration.percentile(95).is_some_and(|p95| p95.abs_diff(1_000) <= 125));
    // What was refused reached no model; its name is the client's alone.
    let names: Vec<&str> = stats.models.iter().map(|share| share.name.as_str()).collect();
    assert_eq!((names.len(), names.contains(&"")), (4, true), "{names:?}");
    assert_eq!(stats.models.iter().map(|share| share.sums.requests).sum::<u64>(), 90);
    assert_eq!(stats.keys.iter().map(|share| share.sums.requests).sum::<u64>(), 72);
    assert_eq!(stats.tokens.len(), 1);
    assert_eq!((stats.tokens[0].name.as_str(), stats.tokens[0].sums.requests), ("7", 23));
}

#[test]
fn an_empty_database_has_empty_periods() {
    let bench = Bench::new();
    let stats = bench.open().usage_stats(30, now()).expect("sums");
    assert_eq!((stats.hours.len(), stats.days.len()), (24, 30));
    assert!(stats.models.is_empty() && stats.days.iter().all(|day| day.sums.requests == 0));
}

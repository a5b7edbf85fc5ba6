//! Whether pages and the overview cost the same in millions of usage rows as in thousands. Prints the
//! figures that `docs/BENCHMARKS.md` tells; fails on a wrong answer only, never on time.
//!
//! Fills a database of some four gigabytes in the folder for temporary files (`TMPDIR`).

use openrouter_proxy::domain::ids::{AccountId, KeyId, RequestId, TokenId};
use openrouter_proxy::domain::secret::Secret;
use openrouter_proxy::domain::time::Timestamp;
use openrouter_proxy::domain::usage::{TokenUsage, UsageRow};
use openrouter_proxy::domain::usage_query::{StatusFilter, UsageFilter, UsageQuery};
use openrouter_proxy::store::{Place, SecretKeySource, Store, StoreError};
use std::time::{Duration, Instant};

/// Rows of one transaction while filling.
const BATCH: i64 = 20_000;
const DAYS: i64 = 30;
const ROUNDS: usize = 9;

fn main() {
    let mut told: Vec<(&'static str, Vec<Duration>)> = Vec::new();
    for count in [50_000, 5_000_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        fill(&store, count);
        for (name, filter) in filters() {
            let query = UsageQuery { filter, limit: 100, ..UsageQuery::default() };
            note(&mut told, name, best(|| store.usage_page(&query).map(drop)));
        }
        note(&mut told, "overview of 30 days", best(|| store.usage_stats(30, end()).map(drop)));
    }
    println!("| ms | 50 thousand rows | 5 million rows | ratio |\n| --- | --- | --- | --- |");
    for (name, times) in told {
        let [few, many] = [0, 1].map(|at| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3));
        println!("| {name} | {few:.2} | {many:.2} | {:.1} |", many / few);
    }
}

fn filters() -> [(&'static str, UsageFilter); 7] {
    let all = UsageFilter::default;
    let status = StatusFilter::parse;
    [
        ("first page", all()),
        ("of one key", UsageFilter { key: Some(KeyId(3)), ..all() }),
        ("of one model", UsageFilter { model: Some("m/5:free".to_owned()), ..all() }),
        ("of a rare status", UsageFilter { status: status("429"), ..all() }),
        ("failures of one key", UsageFilter { key: Some(KeyId(3)), status: status("failed"), ..all() }),
        ("with a text that is there", all().with_text("m/5")),
        ("with a text that is not there", all().with_text("nowhere")),
    ]
}

fn open(folder: &std::path::Path) -> Store {
    let secret_key = Secret::new("0123456789abcdef".repeat(4));
    let place = Place::Sqlite(folder.join("bench.db"));
    Store::open(&place, &SecretKeySource::Given(secret_key)).expect("a database")
}

fn end() -> Timestamp {
    Timestamp::parse("2026-11-22T15:30:00Z").expect("a time")
}

/// Rows spread evenly over the days before [`end`].
fn fill(store: &Store, count: i64) {
    let step = DAYS * 86_400_000 / count;
    let start = end().millis() - step * count;
    let mut number = 0;
    while number < count {
        let last = (number + BATCH).min(count);
        let rows: Vec<UsageRow> =
            (number..last).map(|number| row(number, Timestamp::from_millis(start + number * step))).collect();
        assert_eq!(store.insert_usage(&rows).expect("rows"), rows.len());
        number = last;
    }
}

fn row(number: i64, at: Timestamp) -> UsageRow {
    let failed = number % 997 == 0;
    UsageRow {
        model: format!("m/{}:free", number % 20),
        key_id: Some(KeyId(number % 11)),
        key_label: Some("label".to_owned()),
        account_id: Some(AccountId(number % 11)),
        token_id: Some(TokenId(number % 7)),
        client_kind: "token".to_owned(),
        stream: true,
        status: if number % 1009 == 0 { 429 } else { 200 },
        outcome: if failed { "failed" } else { "completed" }.to_owned(),
        tokens: TokenUsage {
            prompt: Some(100),
            completion: Some(50),
            total: Some(150),
            ..TokenUsage::default()
        },
        attempts: 1,
        first_content_ms: Some(300 + number % 1_000),
        duration_ms: 2_000 + number % 9_000,
        provider: Some("Provider".to_owned()),
        ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
    }
}

/// The shortest of several times.
fn best(work: impl Fn() -> Result<(), StoreError>) -> Duration {
    let timed = |_| {
        let began = Instant::now();
        work().expect("an answer");
        began.elapsed()
    };
    (0..ROUNDS).map(timed).min().unwrap_or_default()
}

fn note(told: &mut Vec<(&'static str, Vec<Duration>)>, name: &'static str, time: Duration) {
    match told.iter_mut().find(|(known, _)| *known == name) {
        Some((_, times)) => times.push(time),
        None => told.push((name, vec![time])),
    }
}

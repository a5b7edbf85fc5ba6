//! Usage rows: whole, once, and in pages.

use super::*;
use crate::domain::attempt::Attempt;
use crate::domain::ids::RequestId;
use crate::domain::usage_query::{StatusFilter, UsageCursor, UsageFilter, UsageOrder, UsageQuery};
use crate::store::testing::Bench;

fn row(time: i64) -> UsageRow {
    let at = Timestamp::from_millis(time);
    UsageRow::begin(RequestId::new(at), at, "chat/completions")
}

fn full_row(time: i64) -> UsageRow {
    let text = |text: &str| Some(text.to_owned());
    UsageRow {
        model: "a/b:free".to_owned(),
        model_served: text("a/b"),
        key_id: Some(KeyId(1)),
        key_label: text("工作"),
        account_id: Some(AccountId(2)),
        token_id: Some(TokenId(3)),
        client_kind: "token".to_owned(),
        client_hint: text("laptop"),
        stream: true,
        status: 200,
        outcome: "completed".to_owned(),
        error_kind: text("upstream_error"),
        tokens: TokenUsage {
            prompt: Some(1),
            completion: Some(2),
            total: Some(3),
            reasoning: Some(4),
            cached: Some(5),
            cost: Some(0.000_123),
        },
        attempts: 2,
        first_content_ms: Some(10),
        duration_ms: 20,
        provider: text("Provider"),
        generation_id: text("gen-1"),
        attempt_log: [attempt(1, "key_rejected", 401), attempt(2, "success", 200)].into_iter().collect(),
        ..row(time)
    }
}

fn attempt(number: u32, verdict: &'static str, status: u16) -> Attempt {
    Attempt {
        number,
        key_id: Some(KeyId(1)),
        key_label: Some("工作".to_owned()),
        account_id: Some(AccountId(2)),
        model: "a/b:free".to_owned(),
        verdict: verdict.into(),
        status: Some(status),
        duration_ms: 7,
    }
}

fn everything(order: UsageOrder) -> UsageQuery {
    UsageQuery { order, limit: 10_000, ..UsageQuery::default() }
}

#[test]
fn rows_come_back_as_they_were() {
    let bench = Bench::new();
    let rows = [full_row(1), row(2)];
    assert_eq!(bench.open().insert_usage(&rows).expect("rows"), 2);
    let kept = bench.open().usage_page(&everything(UsageOrder::OldestFirst)).expect("rows").rows;
    assert_eq!(kept, rows);
}

#[test]
fn a_request_has_one_row_however_often_it_is_written() {
    let bench = Bench::new();
    let store = bench.open();
    let (first, second) = (full_row(1), full_row(2));
    assert_eq!(store.insert_usage(std::slice::from_ref(&first)).expect("rows"), 1);
    let again = UsageRow { model: "changed".to_owned(), ..first.clone() };
    let batch = [again, second.clone(), second.clone()];
    assert_eq!(store.insert_usage(&batch).expect("rows"), 1);
    assert_eq!(store.insert_usage(&batch).expect("rows"), 0);
    assert_eq!(store.insert_usage(&Vec::<UsageRow>::new()).expect("nothing"), 0);
    assert_eq!(store.usage_page(&everything(UsageOrder::OldestFirst)).expect("rows").rows, [first, second]);
}

#[test]
fn of_a_batch_that_is_known_in_part_only_the_rest_is_summed() {
    let bench = Bench::new();
    let store = bench.open();
    let rows: Vec<UsageRow> = (0..70).map(row).collect();
    let known = [&rows[3], &rows[20], &rows[69]];
    assert_eq!(store.insert_usage(&known).expect("rows"), 3);
    let twice = [rows[5].clone(), rows[40].clone()];
    let batch: Vec<UsageRow> = rows[..8].iter().chain(&twice).chain(&rows[8..]).cloned().collect();
    assert_eq!(store.insert_usage(&batch).expect("rows"), 67);
    assert_eq!(store.insert_usage(&batch).expect("rows"), 0);
    assert_eq!(store.usage_page(&everything(UsageOrder::OldestFirst)).expect("rows").rows, rows);
    let stats = store.usage_stats(1, Timestamp::from_millis(70)).expect("sums");
    assert_eq!(stats.days[0].sums.requests, 70);
}

#[test]
fn what_a_client_sends_cannot_block_a_batch() {
    let bench = Bench::new();
    let store = bench.open();
    let odd = UsageRow {
        model: "a\0b'; DROP TABLE usage; --".to_owned(),
        tokens: TokenUsage { cost: Some(f64::NAN), prompt: Some(i64::MAX), ..TokenUsage::default() },
        attempts: u32::MAX,
        ..row(1)
    };
    assert_eq!(store.insert_usage(&[odd, row(2)]).expect("rows"), 2);
    let kept = store.usage_page(&everything(UsageOrder::OldestFirst)).expect("rows").rows;
    assert_eq!(kept[0].model, "a\u{fffd}b'; DROP TABLE usage; --");
    assert_eq!((kept[0].tokens.cost, kept[0].tokens.prompt), (None, Some(i64::MAX)));
}

#[test]
fn a_large_batch_is_read_back_in_pages() {
    let bench = Bench::new();
    let store = bench.open();
    // Three rows to a millisecond, so that pages end between rows of one moment.
    let rows: Vec<UsageRow> = (0..2_000).map(|number| full_row(1_000 + number / 3)).collect();
    assert_eq!(store.insert_usage(&rows).expect("rows"), 2_000);
    assert_eq!(store.usage_count().expect("a count"), 2_000);
    let mut expected: Vec<(i64, String)> =
        rows.iter().map(|row| (row.time.millis(), row.request_id.clone())).collect();
    expected.sort();
    assert_eq!(paged(&store, UsageOrder::OldestFirst, 7), expected);
    expected.reverse();
    assert_eq!(paged(&store, UsageOrder::NewestFirst, 1_000), expected);
}

/// Every row, read by pages of `limit`.
fn paged(store: &Store, order: UsageOrder, limit: u32) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    let mut query = UsageQuery { limit, ..everything(order) };
    loop {
        let page = store.usage_page(&query).expect("rows");
        seen.extend(page.rows.iter().map(|row| (row.time.millis(), row.request_id.clone())));
        match page.next {
            // What a page hands on comes back as text.
            Some(next) => query.after = UsageCursor::parse(&next.to_text()),
            None => return seen,
        }
    }
}

#[test]
fn a_range_holds_its_beginning_and_not_its_end() {
    let bench = Bench::new();
    let store = bench.open();
    store.insert_usage(&(0..10).map(row).collect::<Vec<_>>()).expect("rows");
    let filter = UsageFilter {
        since: Some(Timestamp::from_millis(3)),
        until: Some(Timestamp::from_millis(6)),
        ..UsageFilter::default()
    };
    assert_eq!(found(&store, filter), [5, 4, 3]);
}

/// The times of the rows that a filter admits, newest first, read in pages of two.
fn found(store: &Store, filter: UsageFilter) -> Vec<i64> {
    let mut query = UsageQuery { filter, limit: 2, ..UsageQuery::default() };
    let mut times = Vec::new();
    loop {
        let page = store.usage_page(&query).expect("rows");
        times.extend(page.rows.iter().map(|row| row.time.millis()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return times,
        }
    }
}

#[test]
fn every_filter_admits_its_rows_alone() {
    let bench = Bench::new();
    let store = &bench.open();
    let other =
        |time| UsageRow { key_id: Some(KeyId(9)), status: 429, outcome: "refused".to_owned(), ..row(time) };
    let odd = UsageRow { provider: Some("50%_Off!".to_owned()), ..other(4) };
    store.insert_usage(&[full_row(1), full_row(2), other(3), odd.clone(), row(5)]).expect("rows");
    let all = UsageFilter::default;
    let text = |text: &str| all().with_text(text);
    let code = |code| UsageFilter { status: Some(StatusFilter::Code(code)), ..all() };
    let outcome = StatusFilter::parse("completed");
    for (filter, expected) in [
        (all(), &[5, 4, 3, 2, 1][..]),
        (UsageFilter { key: Some(KeyId(1)), ..all() }, &[2, 1]),
        (UsageFilter { token: Some(TokenId(3)), ..all() }, &[2, 1]),
        (UsageFilter { model: Some("a/b:free".to_owned()), ..all() }, &[2, 1]),
        (UsageFilter { model: Some("a/b".to_owned()), ..all() }, &[]),
        (code(429), &[4, 3]),
        (code(200), &[2, 1]),
        (UsageFilter { token: Some(TokenId(3)), ..code(200) }, &[2, 1]),
        (UsageFilter { status: outcome.clone(), ..all() }, &[2, 1]),
        (UsageFilter { key: Some(KeyId(9)), status: outcome, ..all() }, &[]),
        (UsageFilter { key: Some(KeyId(9)), ..code(429) }, &[4, 3]),
        (text("LAPTOP"), &[2, 1]),
        (text("工作"), &[2, 1]),
        (text("50%_off!"), &[4]),
        (text("5%off"), &[]),
        (text("%"), &[4]),
        (text("' OR 1=1 --"), &[]),
        (text(&odd.request_id.to_uppercase()), &[4]),
        (UsageFilter { key: Some(KeyId(1)), ..text(&odd.request_id) }, &[]),
    ] {
        let label = format!("{filter:?}");
        assert_eq!(found(store, filter), expected, "{label}");
    }
    assert_eq!(store.delete_usage_before(Timestamp::from_millis(2), 10).expect("a step"), 1);
}

#[test]
fn rare_rows_are_found_by_an_index_and_common_ones_by_their_time() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let bench = Bench::sqlite();
    bench.open();
    let path = bench.database();
    let mut connection = SqliteConnection::establish(path.to_str().expect("a path")).expect("a database");
    for (condition, index) in [
        ("token_id = ?", "usage_by_token (token_id=?)"),
        ("key_id = ?", "usage_by_key (key_id=?)"),
        ("status = ? AND status <> 200", "usage_by_status (status=?)"),
        ("outcome = ? AND outcome <> 'completed'", "usage_by_outcome (outcome=?)"),
        ("status = ?", "usage_by_time"),
        ("outcome = ?", "usage_by_time"),
    ] {
        let plan = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM usage WHERE {condition} \
             ORDER BY time DESC, request_id DESC LIMIT 100"
        );
        let steps: Vec<Step> = diesel::sql_query(plan).load(&mut connection).expect("a plan");
        let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
        assert!(steps.len() == 1 && steps[0].ends_with(index), "{condition}: {steps:?}");
    }
}

#[test]
fn one_row_is_found_by_its_request() {
    let bench = Bench::new();
    let store = bench.open();
    let kept = full_row(7);
    store.insert_usage(&[row(6), kept.clone()]).expect("rows");
    assert_eq!(store.usage_row(&kept.request_id).expect("a row"), Some(kept));
    assert_eq!(store.usage_row("nobody's").expect("no row"), None);
}

#[test]
fn old_rows_go_in_steps_and_their_sums_stay() {
    let bench = Bench::new();
    let store = bench.open();
    store.insert_usage(&(0..10).map(full_row).collect::<Vec<_>>()).expect("rows");
    let moment = Timestamp::from_millis(7);
    let deleted = || store.delete_usage_before(moment, 3).expect("a step");
    assert_eq!([deleted(), deleted(), deleted(), deleted()], [3, 3, 1, 0]);
    assert_eq!(found(&store, UsageFilter::default()), [9, 8, 7]);
    let stats = store.usage_stats(1, moment).expect("sums");
    assert_eq!(stats.days[0].sums.requests, 10);
}

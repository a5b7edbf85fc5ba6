//! Usage rows: whole, once, and in pages.

use super::*;
use crate::domain::ids::RequestId;
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
        ..row(time)
    }
}

fn everything(order: UsageOrder) -> UsageQuery {
    UsageQuery { since: None, until: None, after: None, order, limit: 10_000 }
}

#[test]
fn rows_come_back_as_they_were() {
    let bench = Bench::new();
    let rows = [full_row(1), row(2)];
    assert_eq!(bench.open().insert_usage(&rows).expect("rows"), 2);
    let kept = bench.open().usage_page(&everything(UsageOrder::OldestFirst)).expect("rows");
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
    assert_eq!(store.insert_usage(&[]).expect("nothing"), 0);
    assert_eq!(store.usage_page(&everything(UsageOrder::OldestFirst)).expect("rows"), [first, second]);
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
    let kept = store.usage_page(&everything(UsageOrder::OldestFirst)).expect("rows");
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
        seen.extend(page.iter().map(|row| (row.time.millis(), row.request_id.clone())));
        query.after = page.last().map(UsageCursor::of);
        if page.len() < limit as usize {
            return seen;
        }
    }
}

#[test]
fn a_range_holds_its_beginning_and_not_its_end() {
    let bench = Bench::new();
    let store = bench.open();
    store.insert_usage(&(0..10).map(row).collect::<Vec<_>>()).expect("rows");
    let query = UsageQuery {
        since: Some(Timestamp::from_millis(3)),
        until: Some(Timestamp::from_millis(6)),
        ..everything(UsageOrder::NewestFirst)
    };
    let times: Vec<i64> =
        store.usage_page(&query).expect("rows").iter().map(|row| row.time.millis()).collect();
    assert_eq!(times, [5, 4, 3]);
}

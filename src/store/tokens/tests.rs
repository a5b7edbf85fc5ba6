//! Client tokens: never in clear, never twice, and counted by day.

use super::*;
use crate::store::testing::{Bench, raw};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn terms(name: &str) -> TokenTerms {
    TokenTerms { name: name.to_owned(), ..TokenTerms::default() }
}

fn full() -> TokenTerms {
    TokenTerms {
        expires_at: Some(Timestamp::from_millis(9_000)),
        allowed_models: Some(vec!["a/b:free".to_owned(), "*\"x\"*".to_owned()]),
        requests_per_day: Some(50),
        requests_per_minute: Some(u32::MAX / 100_000),
        ..terms("Ada's laptop")
    }
}

#[test]
fn a_token_is_kept_by_its_digest_alone() {
    let bench = Bench::sqlite();
    let store = bench.open();
    let (record, text) = store.add_token(full(), NOW).expect("a token");
    assert!(text.starts_with("orp-") && text.len() == 68, "{} characters", text.len());
    let kept = bench.open().tokens(Day(0)).expect("tokens");
    assert_eq!((kept.len(), &kept[0].record), (1, &record));
    assert_eq!(kept[0].digest, Secret::new(text.as_str()).digest().hex());
    assert_eq!((record.id, record.terms), (TokenId(1), full()));
    assert!(text.ends_with(record.hint.trim_start_matches('…')));
    let mut bytes = std::fs::read(bench.database()).expect("a file");
    bytes.extend(std::fs::read(bench.database().with_file_name("test.db-wal")).expect("a file"));
    assert!(!bytes.windows(16).any(|window| window == &text.as_bytes()[4..20]));
    let (_, other) = store.add_token(terms("x"), NOW).expect("a token");
    assert_ne!(text, other);
}

#[test]
fn edits_and_revocations_raise_the_revision() {
    let bench = Bench::new();
    let store = bench.open();
    let revision = || store.tokens_revision().expect("a number");
    let first = revision();
    let (TokenRecord { id, .. }, _) = store.add_token(full(), NOW).expect("a token");
    assert_eq!(revision(), first + 1);
    let edit = TokenEdit { requests_per_day: Some(None), allowed_models: Some(None), ..TokenEdit::default() };
    store.edit_token(id, edit).expect("a token");
    store.revoke_token(id, NOW).expect("a token");
    store.revoke_token(id, Timestamp::from_millis(5_000)).expect("a token");
    let record = store.tokens(Day(0)).expect("tokens").remove(0).record;
    assert_eq!(record.revoked_at, Some(NOW));
    assert_eq!(record.terms, TokenTerms { requests_per_day: None, allowed_models: None, ..full() });
    assert_eq!(revision(), first + 4);
    let unknown = store.revoke_token(TokenId(9), NOW);
    assert!(matches!(unknown, Err(StoreError::UnknownToken { id: TokenId(9) })), "{unknown:?}");
    assert!(store.edit_token(TokenId(9), TokenEdit::default()).is_err());
}

#[test]
fn terms_at_fault_change_nothing() {
    let bench = Bench::new();
    let store = bench.open();
    let added = store.add_token(terms(""), NOW);
    assert!(matches!(added, Err(StoreError::TokenTerms { .. })));
    let (TokenRecord { id, .. }, _) = store.add_token(full(), NOW).expect("a token");
    let edit = TokenEdit { requests_per_minute: Some(Some(0)), ..TokenEdit::default() };
    let error = store.edit_token(id, edit).expect_err("a fault").to_string();
    assert!(error.contains("requests_per_minute"), "{error}");
    assert_eq!(store.tokens(Day(0)).expect("tokens")[0].record.terms, full());
}

#[test]
fn a_list_of_models_that_was_damaged_allows_nothing() {
    let bench = Bench::new();
    bench.open().add_token(full(), NOW).expect("a token");
    raw(&bench, "UPDATE client_tokens SET allowed_models = '[\"a'");
    let kept = bench.open().tokens(Day(0)).expect("tokens");
    assert_eq!(kept[0].record.terms.allowed_models, Some(Vec::new()));
}

#[test]
fn counts_are_by_day_and_can_be_given_back() {
    let bench = Bench::new();
    let store = &bench.open();
    let (TokenRecord { id, .. }, _) = store.add_token(full(), NOW).expect("a token");
    let edit = TokenEdit { requests_per_day: Some(Some(60)), ..TokenEdit::default() };
    store.edit_token(id, edit).expect("a token");
    let used = |token, day, count, last| TokenUse {
        token,
        day: Day(day),
        count,
        last: Timestamp::from_millis(last),
    };
    store
        .record_token_uses(&[used(id, 7, 5, 20), used(id, 8, 2, 30), used(TokenId(9), 7, 1, 1)])
        .expect("counts");
    store.record_token_uses(&[used(id, 7, -1, 10)]).expect("counts");
    store.record_token_uses(&[]).expect("nothing");
    assert_eq!(store.token_counts(Day(7)).expect("counts"), [(id, 4)]);
    assert_eq!(store.token_counts(Day(9)).expect("counts"), []);
    let record = store.tokens(Day(8)).expect("tokens").remove(0).record;
    assert_eq!((record.used_today, record.used_total), (2, 6));
    assert_eq!(record.last_used, Some(Timestamp::from_millis(30)));
}

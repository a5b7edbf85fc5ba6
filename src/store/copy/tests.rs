//! A copy between the databases there are: everything arrives, and nothing is mixed or half done.

use super::*;
use crate::domain::account::AccountUse;
use crate::domain::ids::{KeyId, RequestId};
use crate::domain::key::KeyUse;
use crate::domain::time::{Day, Timestamp};
use crate::domain::token::TokenTerms;
use crate::domain::usage::{TokenUsage, UsageRow};
use crate::store::testing::{Bench, key, raw};
use crate::store::{SecretKeySource, Store, status};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DAY: Day = Day(19_675);

fn row(number: i64) -> UsageRow {
    let at = Timestamp::from_millis(NOW.millis() + number);
    UsageRow {
        key_id: Some(KeyId(1)),
        model: "a/b:free".to_owned(),
        client_hint: Some("O'Brien \"quoted\" \\ 世界\n".to_owned()),
        stream: number % 2 == 0,
        // No figure of few digits: it must arrive to the last bit.
        tokens: TokenUsage {
            prompt: Some(number),
            cost: Some(0.1 + number as f64 / 3.0),
            ..TokenUsage::default()
        },
        ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
    }
}

fn filled(bench: &Bench, rows: i64) -> Store {
    let store = bench.open();
    let record = store.add_key(key("one"), NOW).expect("a key");
    store.add_key(key("two"), NOW).expect("a key");
    store.set_key_enabled(KeyId(2), false).expect("a key");
    let used = AccountUse { account: record.account, day: DAY, count: 7 };
    store.record_uses(&[KeyUse { key: KeyId(1), day: DAY, count: 7, last: NOW }], &[used]).expect("counts");
    store.add_token(TokenTerms { name: "Ada".to_owned(), ..TokenTerms::default() }, NOW).expect("a token");
    let usage: Vec<UsageRow> = (0..rows).map(row).collect();
    store.insert_usage(&usage).expect("rows");
    store
}

fn usage(store: &Store, rows: i64) -> Vec<Option<UsageRow>> {
    (0..rows).map(|number| store.usage_row(&row(number).request_id).expect("a look")).collect()
}

#[test]
fn everything_arrives_from_either_database_in_either() {
    let rows = 1_200;
    for (from, to) in [(Bench::new(), Bench::sqlite()), (Bench::sqlite(), Bench::new())] {
        let store = filled(&from, rows);
        let mut heard = 0;
        let copied = copy(&from.place(), &to.place(), &mut |_, _| heard += 1).expect("a copy");
        assert!(heard > copied.len() / 2, "progress is told");
        let counts = |table: &str| copied.iter().find(|one| one.table == table).map(|one| one.rows);
        assert_eq!((counts("keys"), counts("usage")), (Some(2), Some(rows as u64)));
        let same_key = SecretKeySource::File(from.key_file());
        let there = Store::open(&to.place(), &same_key).expect("it opens with the same secret key");
        let keys = |store: &Store| {
            let keys = store.keys(DAY).expect("keys");
            keys.into_iter()
                .map(|key| format!("{:?} {}", key.record, key.secret.expose()))
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&there), keys(&store));
        assert_eq!(there.accounts(DAY).expect("accounts"), store.accounts(DAY).expect("accounts"));
        assert_eq!(there.tokens(DAY).expect("tokens").len(), 1);
        assert_eq!(usage(&there, rows), usage(&store, rows));
        let sums = |store: &Store| format!("{:?}", store.usage_stats(2, row(0).time).expect("sums"));
        assert_eq!(sums(&there), sums(&store));
        // A second key added to each gets the same id: what comes next continues.
        assert_eq!(there.add_key(key("three"), NOW).expect("a key").id, KeyId(3));
    }
}

#[test]
fn a_copy_never_mixes() {
    let (from, to) = (Bench::new(), Bench::sqlite());
    filled(&from, 1);
    to.open();
    let refused = copy(&from.place(), &to.place(), &mut |_, _| {}).expect_err("a refusal");
    assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused}");
    assert!(to.open().keys(DAY).expect("keys").is_empty());
    // Onto itself it would be no other.
    assert!(copy(&from.place(), &from.place(), &mut |_, _| {}).is_err());
    let nothing = Bench::sqlite();
    let missing = copy(&nothing.place(), &Bench::sqlite().place(), &mut |_, _| {}).expect_err("a refusal");
    assert!(matches!(missing, StoreError::NoDatabase { .. }) && !nothing.database().exists());
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let (from, to) = (Bench::new(), Bench::sqlite());
    filled(&from, 3);
    // A table that the source has not.
    raw(&from, "ALTER TABLE usage_times RENAME TO gone");
    assert!(copy(&from.place(), &to.place(), &mut |_, _| {}).is_err());
    let state = status(&to.place()).expect("tables");
    assert!(state.rows.iter().all(|(_, rows)| *rows == 0), "{state:?}");
}

//! Keys through restarts, edits, removal, and several writers at once.

use super::*;
use crate::store::testing::{Bench, key, raw};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DAY: Day = Day(20_000);

fn uses(key: KeyId, day: Day, count: u32, at: i64) -> KeyUse {
    KeyUse { key, day, count, last: Timestamp::from_millis(at) }
}

#[test]
fn keys_and_counts_survive_a_restart() {
    let bench = Bench::new();
    let store = bench.open();
    let mut wanted = key("one");
    wanted.daily_limit = Some(40);
    let first = store.add_key(wanted.clone(), NOW).expect("a key");
    let second = store.add_key(key("two"), NOW).expect("a key");
    assert_ne!(first.account, second.account);
    store.record_uses(&[uses(first.id, DAY, 3, 50)], &[]).expect("counts");
    drop(store);

    let kept = bench.open().keys(DAY).expect("keys");
    let [one, two] = kept.as_slice() else { panic!("two keys, not {kept:?}") };
    assert_eq!(one.secret.expose(), wanted.secret.expose());
    assert_eq!(one.record.label, "one");
    assert_eq!(one.record.hint, wanted.secret.hint());
    assert_eq!(one.record.daily_limit, Some(40));
    assert_eq!((one.record.used_today, one.record.used_total), (3, 3));
    assert_eq!(one.record.last_used, Some(Timestamp::from_millis(50)));
    assert_eq!((two.record.used_today, two.record.last_used), (0, None));
    assert!(two.record.enabled && two.record.fault.is_none());
}

#[test]
fn counts_are_per_day_and_add_up() {
    let bench = Bench::new();
    let store = bench.open();
    let id = store.add_key(key("one"), NOW).expect("a key").id;
    let next = Day(DAY.0 + 1);
    store
        .record_uses(
            &[uses(id, DAY, 2, 90), uses(id, next, 5, 80), uses(id, DAY, 1, 70), uses(KeyId(99), DAY, 1, 1)],
            &[],
        )
        .expect("counts");
    store.record_uses(&[uses(id, next, 4, 60)], &[]).expect("counts");
    store.record_uses(&[], &[]).expect("nothing");
    let seen = |day| store.key_records(day).expect("keys").remove(0);
    assert_eq!((seen(DAY).used_today, seen(next).used_today, seen(Day(0)).used_today), (3, 9, 0));
    assert_eq!(seen(DAY).used_total, 12);
    assert_eq!(seen(DAY).last_used, Some(Timestamp::from_millis(90)), "never backwards");
}

#[test]
fn a_key_is_there_once() {
    let bench = Bench::new();
    let store = bench.open();
    let id = store.add_key(key("one"), NOW).expect("a key").id;
    let mut same = key("one");
    same.label = "another name".to_owned();
    let error = store.add_key(same.clone(), NOW).expect_err("a duplicate");
    assert!(matches!(error, StoreError::DuplicateKey { id: there } if there == id), "{error}");
    assert!(!error.is_configuration());
    store.remove_key(id, NOW).expect("a key");
    assert_ne!(store.add_key(same, NOW).expect("a key").id, id);
}

#[test]
fn a_removed_key_leaves_its_row_without_its_secret() {
    let bench = Bench::new();
    let store = bench.open();
    let id = store.add_key(key("one"), NOW).expect("a key").id;
    store.remove_key(id, NOW).expect("a key");
    assert!(store.keys(DAY).expect("keys").is_empty());
    let left: (Option<String>, Option<String>, String) = store
        .pool
        .read(|connection| {
            let columns = (keys::sealed, keys::fingerprint, keys::label);
            Ok(keys::table.find(id.0).select(columns).first(connection)?)
        })
        .expect("a row");
    assert_eq!(left, (None, None, "one".to_owned()));
    let next = store.add_key(key("two"), NOW).expect("a key");
    assert!(next.id > id, "ids are never reused");
}

#[test]
fn a_key_can_be_changed() {
    let bench = Bench::new();
    let store = bench.open();
    let id = store.add_key(key("one"), NOW).expect("a key").id;
    let seen = || store.key_records(DAY).expect("keys").remove(0);
    store.set_key_enabled(id, false).expect("a key");
    store.set_key_fault(id, Some("revoked\0")).expect("a key");
    let edit = KeyEdit { label: Some("名字".to_owned()), daily_limit: Some(Some(7)) };
    store.edit_key(id, &edit).expect("a key");
    let record = seen();
    assert!(!record.enabled);
    assert_eq!(record.fault.as_deref(), Some("revoked\u{fffd}"));
    assert_eq!((record.label.as_str(), record.daily_limit), ("名字", Some(7)));
    store.edit_key(id, &KeyEdit::default()).expect("a key");
    assert_eq!(seen().daily_limit, Some(7));
    store.edit_key(id, &KeyEdit { daily_limit: Some(None), ..KeyEdit::default() }).expect("a key");
    store.set_key_fault(id, None).expect("a key");
    assert_eq!((seen().daily_limit, seen().fault), (None, None));
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    let bench = Bench::new();
    let store = bench.open();
    let gone = store.add_key(key("one"), NOW).expect("a key").id;
    store.remove_key(gone, NOW).expect("a key");
    for id in [gone, KeyId(99), KeyId(-1)] {
        let answers = [
            store.remove_key(id, NOW),
            store.set_key_enabled(id, true),
            store.set_key_fault(id, None),
            store.edit_key(id, &KeyEdit::default()),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(StoreError::UnknownKey { id: named }) if named == id));
        }
    }
}

#[test]
fn sealed_values_cannot_change_rows_or_bits() {
    let bench = Bench::new();
    let store = bench.open();
    for label in ["one", "two", "three"] {
        store.add_key(key(label), NOW).expect("a key");
    }
    raw(&bench, "UPDATE keys SET sealed = (SELECT sealed FROM keys WHERE id = 2) WHERE id = 1");
    let error = store.keys(DAY).expect_err("a damaged key");
    assert!(matches!(error, StoreError::DamagedKey { id: KeyId(1) }) && error.is_configuration(), "{error}");
    // The remedy that the error names works.
    assert_eq!(store.key_records(DAY).expect("keys").len(), 3);
    store.remove_key(KeyId(1), NOW).expect("a key");
    assert_eq!(store.keys(DAY).expect("keys").len(), 2);
    raw(&bench, "UPDATE keys SET sealed = NULL WHERE id = 3");
    assert!(matches!(store.keys(DAY), Err(StoreError::DamagedKey { id: KeyId(3) })));
}

#[test]
fn two_stores_on_one_file_write_at_once() {
    const EACH: usize = 25;
    let bench = Bench::new();
    let stores = [bench.open(), bench.open()];
    let shared = stores[0].add_key(key("shared"), NOW).expect("a key").id;
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for turn in 0..EACH {
                    store.add_key(key(&format!("{number}-{turn}")), NOW).expect("a key");
                    store.record_uses(&[uses(shared, DAY, 1, 1)], &[]).expect("counts");
                }
            });
        }
    });
    let kept = stores[1].keys(DAY).expect("keys");
    assert_eq!(kept.len(), 2 * EACH + 1);
    assert_eq!(kept.first().map(|key| key.record.used_today), Some(2 * EACH as u64));
}

//! Parts of quotas, on the database that is tested.

use super::*;
use crate::domain::account::AccountUse;
use crate::domain::time::Day;
use crate::store::Place;
use crate::store::testing::{Bench, key};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DAY: i64 = 20_000;

fn want(subject: i64, limit: u32, take: u64) -> Want {
    let quota = Quota { kind: QuotaKind::AccountDay, subject };
    Want { quota, period: DAY, limit, take, give: 0, at_least: 0 }
}

fn somebody() -> Holder {
    Holder("somebody".to_owned())
}

fn one(store: &Store, want: Want) -> (u64, u64) {
    let granted = store.lease(&somebody(), &[want]).expect("an answer");
    assert_eq!(granted.len(), 1);
    (granted[0].amount, granted[0].leased)
}

#[test]
fn parts_never_pass_the_limit() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account.0;
    assert_eq!(one(store, want(account, 10, 6)), (6, 6));
    assert_eq!(one(store, want(account, 10, 6)), (4, 10), "as much as is left");
    assert_eq!(one(store, want(account, 10, 1)), (0, 10));
    assert_eq!(one(store, want(account, 5, 1)), (0, 10), "a limit that was lowered");
    assert_eq!(one(store, Want { give: 3, ..want(account, 10, 0) }), (0, 7));
    assert_eq!(one(store, Want { give: 1, ..want(account, 10, 9) }), (4, 10));
    let answers = store.lease(&somebody(), &[want(account, 12, 1), want(account, 12, 5)]).expect("answers");
    assert_eq!(answers.iter().map(|granted| granted.amount).collect::<Vec<_>>(), [1, 1]);
    let tomorrow = Want { period: DAY + 1, ..want(account, 10, 2) };
    assert_eq!(one(store, tomorrow), (2, 2));
    assert_eq!(store.lease(&somebody(), &[]).expect("nothing"), []);
}

#[test]
fn what_each_holds_is_written_down() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account;
    let held = |holder: &str, want: Want| {
        let granted = store.lease(&Holder(holder.to_owned()), &[want]).expect("an answer");
        granted[0].held
    };
    assert_eq!(held("a", want(account.0, 10, 6)), 6);
    assert_eq!(held("b", want(account.0, 10, 6)), 4, "as much as is left");
    assert_eq!(held("a", Want { give: 4, ..want(account.0, 10, 0) }), 2);
    assert_eq!(held("b", want(account.0, 10, 1)), 5);
    assert_eq!(held("b", Want { at_least: 10, ..want(account.0, 10, 1) }), 5);
    assert_eq!(held("c", want(account.0, 10, 0)), 0);
    assert_eq!(held("a", Want { give: 9, ..want(account.0, 10, 0) }), 0, "never below nothing");
    let other = store.add_key(key("two"), NOW).expect("a key").account;
    assert_eq!(held("b", want(other.0, 10, 1)), 1);
    store.merge_accounts(other, account).expect("merged");
    assert_eq!(held("b", Want { at_least: 0, ..want(other.0, 20, 1) }), 2, "what the other held is left out");
}

#[test]
fn what_the_upstream_counted_is_taken_over_upwards() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account.0;
    assert_eq!(one(store, Want { at_least: 8, ..want(account, 10, 5) }), (2, 10));
    assert_eq!(one(store, Want { at_least: 3, ..want(account, 10, 0) }), (0, 10));
    assert_eq!(one(store, Want { give: 50, ..want(account, 10, 0) }), (0, 0), "never below nothing");
}

#[test]
fn a_day_begins_at_what_was_counted_before() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account;
    let used = AccountUse { account, day: Day(20_000), count: 7 };
    store.record_uses(&[], &[used]).expect("counts");
    assert_eq!(one(store, want(account.0, 10, 9)), (3, 10));
    store.record_uses(&[], &[used]).expect("counts of what was handed out");
    assert_eq!(one(store, want(account.0, 20, 4)), (4, 14));
}

#[test]
fn of_an_account_that_was_merged_nothing_is_handed_out() {
    let bench = Bench::new();
    let store = &bench.open();
    let kept = store.add_key(key("one"), NOW).expect("a key").account;
    let gone = store.add_key(key("two"), NOW).expect("a key").account;
    let uses = [(kept, 1), (gone, 2)].map(|(account, count)| AccountUse { account, day: Day(20_000), count });
    store.record_uses(&[], &uses).expect("counts");
    assert_eq!(one(store, want(gone.0, 10, 3)), (3, 5));
    store.merge_accounts(kept, gone).expect("merged");
    assert_eq!(one(store, want(kept.0, 10, 9)), (4, 10), "1 + 2 + 3 were the one account's");
    assert_eq!(one(store, want(gone.0, 10, 1)), (0, 10));
    assert_eq!(one(store, Want { give: 3, ..want(gone.0, 10, 0) }), (0, 10), "nor is anything taken back");
    store.merge_accounts(kept, gone).expect("merging again changes nothing");
    assert_eq!(one(store, want(kept.0, 11, 1)), (1, 11));
}

#[test]
fn old_periods_are_forgotten() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account.0;
    let at = |kind: QuotaKind, back: i64| Want {
        quota: Quota { kind, subject: account },
        period: kind.period(NOW) - back,
        ..want(account, 10, 4)
    };
    let wants: Vec<Want> =
        QuotaKind::ALL.into_iter().flat_map(|kind| [at(kind, 0), at(kind, 2), at(kind, 3)]).collect();
    store.lease(&somebody(), &wants).expect("handed out");
    store.forget_leases(NOW).expect("forgotten");
    let again = store.lease(&somebody(), &wants).expect("handed out");
    let leased: Vec<u64> = again.iter().map(|granted| granted.leased).collect();
    assert_eq!(leased, [8, 8, 4].repeat(5));
}

#[test]
fn many_at_once_share_one_limit() {
    let bench = Bench::new();
    let store = &bench.open();
    let account = store.add_key(key("one"), NOW).expect("a key").account.0;
    let total: u64 = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..10).map(|_| one(store, want(account, 25, 1)).0).sum::<u64>()))
            .collect();
        takers.into_iter().map(|taker| taker.join().expect("no panic")).sum()
    });
    assert_eq!(total, 25);
}

#[test]
fn only_a_server_has_a_time_of_its_own() {
    let bench = Bench::new();
    let time = bench.open().time().expect("an answer");
    match bench.place() {
        Place::Sqlite(_) => assert_eq!(time, None),
        Place::Postgres(_) => assert!(time.is_some_and(|time| time > NOW)),
    }
}

#[test]
fn every_database_is_told_from_every_other() {
    let bench = Bench::new();
    let identity = bench.open().identity().expect("an identity");
    assert_eq!(bench.open().identity().expect("an identity"), identity);
    assert_ne!(Bench::new().open().identity().expect("an identity"), identity);
}

//! Several pools that share their limits through a model of the store.

use super::tests::{NOON, after, ask, stored};
use super::*;
use crate::domain::account::Limit;
use crate::domain::key::StoredKey;
use crate::domain::quota::{Granted, Quota, QuotaKind, Want};
use crate::keypool::line::{Line, Waiter};
use crate::upstream::account::KeyInfo;
use std::collections::HashMap;

/// What the store does, in a few lines.
#[derive(Default)]
struct Model(HashMap<(Quota, i64), u64>);

impl Model {
    fn lease(&mut self, wants: &[Want]) -> Vec<Granted> {
        let lease = |want: &Want| {
            let leased = self.0.entry((want.quota, want.period)).or_default();
            *leased = leased.saturating_sub(want.give).max(want.at_least);
            let amount = want.take.min(u64::from(want.limit).saturating_sub(*leased));
            *leased += amount;
            Granted { amount, leased: *leased, held: 0, is_gone: false }
        };
        wants.iter().map(lease).collect()
    }

    fn serve(&mut self, pool: &mut Pool, now: Timestamp) -> bool {
        let wants = pool.wants(1, now);
        let granted = self.lease(&wants);
        pool.leased(&wants, Some(&granted), now);
        !wants.is_empty()
    }
}

fn shared(daily: i64, minute: i64, keys: Vec<StoredKey>) -> Pool {
    let limit = |number| Some(Limit::from_number(number));
    let limits = FreeLimits { daily: limit(daily), minute: limit(minute) };
    let mut pool = Pool::new(PoolOptions { limits, ..PoolOptions::default() });
    pool.share();
    pool.load(keys, Vec::new(), NOON);
    pool
}

/// Asks until there is nothing left; how often it was granted.
fn exhaust(pool: &mut Pool, store: &mut Model, now: Timestamp) -> (usize, NoKey) {
    let mut granted = 0;
    loop {
        match pool.lease(&ask(), now, 0) {
            Ok(_) => granted += 1,
            Err(_) if store.serve(pool, now) => {}
            Err(none) => return (granted, none),
        }
    }
}

#[test]
fn two_pools_share_an_accounts_day() {
    let mut store = Model::default();
    let mut pools = [1, 2].map(|_| shared(50, -1, vec![stored(1, None)]));
    for pool in &mut pools {
        store.serve(pool, NOON);
        for _ in 0..3 {
            pool.lease(&ask(), NOON, 0).expect("some in hand");
        }
    }
    let [first, second] = &mut pools;
    assert_eq!(exhaust(first, &mut store, NOON).0, 37, "all but three and what the other holds");
    let (more, none) = exhaust(second, &mut store, NOON);
    assert_eq!(more, 7);
    let spent = NoKey::AllResting { until: Some(NOON.day().end()), cause: "free_daily_limit" };
    assert_eq!(none, spent);
    assert_eq!(first.view(NOON).accounts[0].rest.as_ref().map(|rest| rest.cause), Some("free_daily_limit"));
}

#[test]
fn two_pools_share_a_keys_own_limit_for_every_model() {
    let mut store = Model::default();
    let mut pools = [1, 2].map(|_| shared(-1, -1, vec![stored(1, Some(7))]));
    let paid = Ask { free: false, ..ask() };
    let mut granted = 0;
    for turn in 0..40 {
        let pool = &mut pools[turn % 2];
        granted += usize::from(pool.lease(&paid, NOON, 0).is_ok());
        store.serve(pool, NOON);
    }
    assert_eq!(granted, 7);
}

#[test]
fn paid_models_need_no_part_of_an_accounts_limits() {
    let mut pool = shared(1, 1, vec![stored(1, None)]);
    let paid = Ask { free: false, ..ask() };
    for _ in 0..5 {
        pool.lease(&paid, NOON, 0).expect("a key");
    }
    assert!(pool.lease(&ask(), NOON, 0).is_err());
}

#[test]
fn what_was_never_sent_goes_back_into_the_hand() {
    let mut store = Model::default();
    let mut pool = shared(3, 20, vec![stored(1, Some(3))]);
    store.serve(&mut pool, NOON);
    for _ in 0..10 {
        let grant = pool.lease(&ask(), NOON, 0).expect("a key");
        pool.settle(grant.lease, &Ending::NeverSent, NOON);
    }
    assert_eq!(exhaust(&mut pool, &mut store, NOON).0, 3);
    let given: u64 = pool.give_all().iter().map(|want| want.give).sum();
    assert_eq!(given, 17 + 40, "of the minute and those ahead");
    assert!(pool.give_all().is_empty());
}

#[test]
fn an_account_that_was_merged_brings_its_parts_along() {
    let mut store = Model::default();
    let mut pool = shared(10, -1, vec![stored(1, None), stored(2, None)]);
    store.serve(&mut pool, NOON);
    pool.attribute(AccountId(1), "user_a", NOON);
    pool.attribute(AccountId(2), "user_a", NOON);
    let mut granted = 0;
    while pool.lease(&ask(), NOON, 0).is_ok() {
        granted += 1;
    }
    assert_eq!(granted, 4, "two from each");
}

fn one_user(pool: &mut Pool) {
    pool.attribute(AccountId(1), "user_a", NOON);
    pool.attribute(AccountId(2), "user_a", NOON);
}

#[test]
fn what_is_asked_for_while_accounts_become_one_is_theirs() {
    let mut store = Model::default();
    let mut pool = shared(10, -1, vec![stored(1, None), stored(2, None)]);
    let wants = pool.wants(1, NOON);
    let granted = store.lease(&wants);
    one_user(&mut pool);
    pool.leased(&wants, Some(&granted), NOON);
    let granted = (0..10).filter(|_| pool.lease(&ask(), NOON, 0).is_ok()).count();
    assert_eq!(granted, 4, "two from each");
    assert!(pool.wants(1, NOON).is_empty(), "the store would not know what is given back");
    pool.merges_stored();
    assert!(pool.wants(1, NOON).iter().all(|want| want.quota.subject == 1 && want.take > 0));
}

#[test]
fn what_an_account_that_is_gone_gave_back_is_given_by_the_other() {
    let mut store = Model::default();
    let mut pool = shared(10, -1, vec![stored(1, None), stored(2, None)]);
    store.serve(&mut pool, NOON);
    let limits = FreeLimits { daily: Some(Limit::Of(5)), minute: Some(Limit::None) };
    pool.set_options(PoolOptions { limits, ..PoolOptions::default() });
    let wants = pool.wants(1, NOON);
    assert!(wants.len() == 2 && wants.iter().all(|want| want.give == 2), "{wants:?}");
    let mut granted = store.lease(&wants);
    // The store heard first that the second one is the first.
    let of_second = wants.iter().position(|want| want.quota.subject == 2).expect("one");
    granted[of_second] = Granted { leased: 5, is_gone: true, ..Granted::default() };
    one_user(&mut pool);
    pool.leased(&wants, Some(&granted), NOON);
    pool.merges_stored();
    let given: u64 = pool.give_all().iter().map(|want| want.give).sum();
    assert_eq!(given, 1 + 2, "what the first was granted anew, and what the second had");
}

#[test]
fn what_is_held_of_an_account_follows_its_keys_where_another_process_merged_it() {
    let mut store = Model::default();
    let mut pool = shared(10, -1, vec![stored(1, None), stored(2, None)]);
    store.serve(&mut pool, NOON);
    let grant = pool.lease(&Ask { tried: vec![KeyId(1)], ..ask() }, NOON, 0).expect("the second key");
    let mut moved = stored(2, None);
    moved.record.account = AccountId(1);
    pool.load(vec![stored(1, None), moved], Vec::new(), NOON);
    pool.settle(grant.lease, &Ending::NeverSent, NOON);
    let granted = (0..10).filter(|_| pool.lease(&ask(), NOON, 0).is_ok()).count();
    assert_eq!(granted, 4, "two from each");
    assert_eq!(
        pool.take_uses().accounts.iter().map(|used| (used.account, used.count)).collect::<Vec<_>>(),
        [(AccountId(1), 4)]
    );
}

struct Someone;

impl Waiter for Someone {
    fn has_left(&self) -> bool {
        false
    }
}

#[test]
fn who_finds_no_part_waits_for_the_stores_word_and_no_longer() {
    let mut store = Model::default();
    let mut pool = shared(50, -1, vec![stored(1, None)]);
    let mut line = Line::default();
    // Even one who would not wait for a limit.
    assert!(line.come(ask(), Someone, &mut pool, NOON, 0).is_empty());
    store.serve(&mut pool, NOON);
    assert!(matches!(line.advance(&mut pool, NOON, 0).as_slice(), [(_, Ok(_))]));

    let mut pool = shared(50, -1, vec![stored(1, None)]);
    assert!(line.come(ask(), Someone, &mut pool, NOON, 0).is_empty());
    let wants = pool.wants(1, NOON);
    pool.leased(&wants, None, NOON);
    let served = line.advance(&mut pool, NOON, 0);
    let unknown = NoKey::AllResting { until: Some(after(1)), cause: parts::AWAY };
    assert!(matches!(served.as_slice(), [(_, Err(none))] if *none == unknown));
    // One who may wait does.
    let patient = Ask { wait_until: Some(after(5)), ..ask() };
    assert!(line.come(patient, Someone, &mut pool, NOON, 0).is_empty());
    store.serve(&mut pool, after(1));
    assert!(matches!(line.advance(&mut pool, after(1), 0).as_slice(), [(_, Ok(_))]));
}

#[test]
fn what_others_of_ours_used_is_not_counted_twice() {
    let mut store = Model::default();
    let mut pool = shared(50, -1, vec![stored(1, None)]);
    let quota = Quota { kind: QuotaKind::AccountDay, subject: 1 };
    store.0.insert((quota, i64::from(NOON.day().0)), 30);
    let said = |used| Ok(KeyInfo { free_used: Some(used), free_limit: Some(50), ..KeyInfo::default() });
    pool.lease(&ask(), NOON, 0).expect_err("nothing in hand");
    let wants = pool.wants(2, NOON);
    let granted = store.lease(&wants);
    pool.leased(&wants, Some(&granted), NOON);
    pool.looked(KeyId(1), &said(30), false, NOON);
    assert!(pool.take_uses().is_empty());
    pool.looked(KeyId(1), &said(45), false, after(60));
    let leased = *store.0.get(&(quota, i64::from(NOON.day().0))).expect("a row");
    assert_eq!(pool.take_uses().accounts[0].count, 45 - leased, "what no process of ours can have used");
}

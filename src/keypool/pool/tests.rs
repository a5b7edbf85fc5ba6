//! The pool's decisions, with the time turned by hand.

use super::*;
use crate::domain::account::Limit;
use crate::domain::key::StoredKey;
use crate::domain::strategy::Strategy;
use crate::upstream::verdict::{Refusal, judge};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

pub(super) const NOON: Timestamp = Timestamp::from_millis(20_000 * 86_400_000 + 43_200_000);

pub(super) fn after(seconds: u64) -> Timestamp {
    NOON.after(Duration::from_secs(seconds))
}

pub(super) fn stored(id: i64, daily_limit: Option<u32>) -> StoredKey {
    StoredKey {
        record: KeyRecord {
            id: KeyId(id),
            label: format!("key {id}"),
            hint: "…0001".to_owned(),
            account: AccountId(id),
            enabled: true,
            daily_limit,
            used_today: 0,
            used_total: 0,
            last_used: None,
            fault: None,
        },
        secret: Secret::new(format!("sk-or-v1-{id}")),
    }
}

fn pool(strategy: Strategy, keys: Vec<StoredKey>) -> Pool {
    let limits = FreeLimits { daily: Some(Limit::None), minute: Some(Limit::None) };
    limited(PoolOptions { strategy, limits }, keys)
}

fn limited(options: PoolOptions, keys: Vec<StoredKey>) -> Pool {
    let mut pool = Pool::new(options);
    pool.load(keys, Vec::new(), NOON);
    pool
}

pub(super) fn ask() -> Ask {
    Ask { model: "a/b:free".into(), free: true, ..Ask::default() }
}

fn refused(status: u16, message: &str) -> Ending {
    let body = json!({"error": {"message": message}}).to_string();
    Ending::Refused(judge(&Refusal::read(status, |_| None, body.as_bytes()), true, NOON))
}

/// Takes a key and settles it at once.
fn attempt(pool: &mut Pool, now: Timestamp, ending: &Ending) -> Result<i64, NoKey> {
    let grant = pool.lease(&ask(), now, 0)?;
    pool.settle(grant.lease, ending, now);
    Ok(grant.key.0)
}

#[test]
fn every_strategy_balances() {
    for strategy in Strategy::ALL {
        let mut pool = pool(strategy, (1..=5).map(|id| stored(id, Some(1000))).collect());
        let mut counts = [0u32; 6];
        for chance in 0..500u64 {
            let grant = pool.lease(&ask(), NOON, chance.wrapping_mul(2_654_435_761)).expect("a key");
            pool.settle(grant.lease, &Ending::Success, NOON);
            counts[usize::try_from(grant.key.0).expect("small")] += 1;
        }
        let least = counts[1..].iter().min().expect("five keys");
        let slack = if strategy == Strategy::Random { 60 } else { 100 };
        assert!(*least >= slack, "{strategy:?}: {counts:?}");
    }
}

#[test]
fn a_daily_limit_is_reserved_before_sending_and_resets_at_midnight() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, Some(2))]);
    let first = pool.lease(&ask(), NOON, 0).expect("a key");
    pool.lease(&ask(), NOON, 0).expect("a key");
    let midnight = NOON.day().end();
    let spent = NoKey::AllResting { until: Some(midnight), cause: "key_daily_limit" };
    assert_eq!(pool.lease(&ask(), NOON, 0).expect_err("spent"), spent);
    pool.settle(first.lease, &Ending::NeverSent, NOON);
    pool.lease(&ask(), NOON, 0).expect("given back");
    assert!(pool.lease(&ask(), NOON, 0).is_err());
    pool.lease(&ask(), midnight, 0).expect("a new day");
}

#[test]
fn counts_go_on_after_a_restart() {
    let mut key = stored(1, Some(10));
    key.record.used_today = 9;
    let mut pool = pool(Strategy::RoundRobin, vec![key]);
    pool.lease(&ask(), NOON, 0).expect("the last of today");
    assert!(pool.lease(&ask(), NOON, 0).is_err());
    let uses = pool.take_uses();
    assert_eq!(uses.keys, [KeyUse { key: KeyId(1), day: NOON.day(), count: 1, last: NOON }]);
    assert_eq!(uses.accounts, [AccountUse { account: AccountId(1), day: NOON.day(), count: 1 }]);
    assert!(pool.take_uses().is_empty());
    pool.put_back(uses.clone());
    assert_eq!(pool.take_uses(), uses);
}

#[test]
fn a_rejected_key_rests_until_the_operator_acts() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None), stored(2, None)]);
    let grant = pool.lease(&ask(), NOON, 0).expect("a key");
    let rejected = pool.settle(grant.lease, &refused(401, "User not found."), NOON);
    assert_eq!(rejected, [Lesson::Fault(grant.key, Some("key_rejected"))]);
    for _ in 0..10 {
        assert_ne!(attempt(&mut pool, after(86_400), &Ending::Success), Ok(grant.key.0));
    }
    assert_eq!(pool.view(NOON).usable, 1);
}

#[test]
fn an_account_at_its_daily_limit_is_back_at_midnight() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None)]);
    assert_eq!(attempt(&mut pool, NOON, &refused(429, "free-models-per-day")), Ok(1));
    let back = NOON.day().end().after(Duration::from_secs(1));
    let resting = NoKey::AllResting { until: Some(back), cause: "free_daily_limit" };
    assert_eq!(attempt(&mut pool, NOON, &Ending::Success), Err(resting));
    assert_eq!(attempt(&mut pool, back, &Ending::Success), Ok(1));
}

#[test]
fn a_broken_connection_passes_the_key_over_only_while_there_are_others() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None), stored(2, None)]);
    assert_eq!(attempt(&mut pool, NOON, &Ending::Broken), Ok(1));
    for _ in 0..5 {
        assert_eq!(attempt(&mut pool, NOON, &Ending::Success), Ok(2));
    }
    let only_first = Ask { tried: vec![KeyId(2)], ..ask() };
    let passed_over = pool.lease(&only_first, NOON, 0).expect("better than none");
    assert_eq!(passed_over.key, KeyId(1));
    pool.settle(passed_over.lease, &Ending::Abandoned, NOON);
    assert_eq!(attempt(&mut pool, NOON, &Ending::Success), Ok(2));
    // At the end of its rest one request probes; while it does, the others pass by.
    let probe = pool.lease(&ask(), after(6), 0).expect("a key");
    assert_eq!(probe.key, KeyId(1));
    assert_eq!(attempt(&mut pool, after(6), &Ending::Success), Ok(2));
    pool.settle(probe.lease, &Ending::Broken, after(6));
    assert_eq!(attempt(&mut pool, after(12), &Ending::Success), Ok(2), "the rest has doubled");
}

#[test]
fn provider_capacity_rests_the_model_and_no_key() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None), stored(2, None)]);
    let body = json!({"error": {"message": "Provider returned error", "metadata": {"provider_name": "P"}}});
    let refusal = Refusal::read(429, |_| None, body.to_string().as_bytes());
    attempt(&mut pool, NOON, &Ending::Refused(judge(&refusal, true, NOON))).expect("a key");
    let resting = pool.lease(&ask(), NOON, 0).expect_err("the model rests");
    assert_eq!(resting, NoKey::ModelResting { until: Some(after(30)), cause: "provider_capacity" });
    let other = Ask { model: "c/d:free".into(), ..Ask::default() };
    pool.lease(&other, NOON, 0).expect("another model is free");
    assert_eq!(pool.view(NOON).usable, 2);
}

#[test]
fn a_model_rests_only_when_several_attempts_in_a_row_failed() {
    let mut pool = pool(Strategy::RoundRobin, (1..=6).map(|id| stored(id, None)).collect());
    for _ in 0..3 {
        attempt(&mut pool, NOON, &refused(502, "Provider returned error")).expect("a key");
    }
    attempt(&mut pool, NOON, &Ending::Success).expect("one success clears the strikes");
    for _ in 0..4 {
        attempt(&mut pool, NOON, &refused(503, "No instances available")).expect("a key");
    }
    assert!(matches!(pool.lease(&ask(), NOON, 0), Err(NoKey::ModelResting { .. })));
}

#[test]
fn a_clients_own_fault_rests_nothing() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None)]);
    attempt(&mut pool, NOON, &refused(400, "bad")).expect("a key");
    attempt(&mut pool, NOON, &Ending::Abandoned).expect("a key");
    attempt(&mut pool, NOON, &Ending::Success).expect("a key");
}

#[test]
fn a_second_attempt_goes_to_a_key_that_answered_last_time() {
    let mut pool = pool(Strategy::RoundRobin, (1..=5).map(|id| stored(id, None)).collect());
    for id in 1..=4 {
        let ending = if id == 2 { Ending::Success } else { Ending::Abandoned };
        assert_eq!(attempt(&mut pool, NOON, &ending), Ok(id));
    }
    let again = Ask { tried: vec![KeyId(1)], ..ask() };
    let second = pool.lease(&again, NOON, 0).expect("a key");
    assert_eq!(second.key, KeyId(2));
    pool.settle(second.lease, &Ending::Broken, NOON);
    assert_eq!(pool.lease(&again, NOON, 0).expect("a key").key, KeyId(5), "none is proven: in turn");
}

#[test]
fn what_was_tried_is_not_tried_again() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None), stored(2, None)]);
    let tried = Ask { tried: vec![KeyId(1)], refused: vec![AccountId(2)], ..ask() };
    assert_eq!(pool.lease(&tried, NOON, 0).expect_err("all tried"), NoKey::AllTried);
    assert_eq!(
        Pool::new(PoolOptions::default()).lease(&ask(), NOON, 0).expect_err("none"),
        NoKey::NoneConfigured
    );
}

#[test]
fn a_reload_keeps_counts_and_takes_edits() {
    let mut pool = pool(Strategy::RoundRobin, vec![stored(1, None), stored(2, None)]);
    attempt(&mut pool, NOON, &Ending::Success).expect("a key");
    let mut edited = stored(1, Some(1));
    edited.record.label = "new".to_owned();
    pool.load(vec![edited, stored(3, None)], Vec::new(), NOON);
    let view = pool.view(NOON);
    assert_eq!(view.keys.len(), 2);
    assert_eq!((view.keys[0].record.label.as_str(), view.keys[0].record.used_today), ("new", 1));
    assert_eq!(view.usable, 1, "its new limit is reached");
}

proptest! {
    /// Whatever happens in whatever order, no key is leased beyond its limit in one day and no
    /// lease is left behind.
    #[test]
    fn no_limit_is_overrun(steps in proptest::collection::vec((0u8..6, any::<u64>(), 0u64..7200), 1..200)) {
        let limit = 7;
        let mut pool = pool(Strategy::Random, (1..=3).map(|id| stored(id, Some(limit))).collect());
        let mut now = NOON;
        let mut open: Vec<u64> = Vec::new();
        let mut granted: HashMap<(i64, Day), i64> = HashMap::new();
        for (step, chance, seconds) in steps {
            now = now.after(Duration::from_secs(seconds));
            if step < 3 {
                if let Ok(grant) = pool.lease(&ask(), now, chance) {
                    let count = granted.entry((grant.key.0, now.day())).or_insert(0);
                    *count += 1;
                    prop_assert!(*count <= i64::from(limit));
                    open.push(grant.lease);
                }
            } else if let Some(lease) = open.pop() {
                let endings = [Ending::Success, Ending::Broken, refused(429, "free-models-per-min")];
                pool.settle(lease, &endings[usize::from(step) - 3], now);
            }
        }
        for lease in open {
            pool.settle(lease, &Ending::Abandoned, now);
        }
        prop_assert!(pool.flights.is_empty());
        prop_assert!(pool.view(now).keys.iter().all(|key| key.in_flight == 0));
    }
}

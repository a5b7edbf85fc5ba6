//! Accounts: their limits, what is learned of them, how they turn out to be one, and the line of
//! those who wait. The time is turned by hand.

use super::*;
use crate::domain::account::Limit;
use crate::domain::key::StoredKey;
use crate::keypool::line::{Line, Waiter};
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use crate::upstream::verdict::{Refusal, judge};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Noon of a day, at the beginning of a minute.
const NOON: Timestamp = Timestamp::from_millis(20_000 * 86_400_000 + 43_200_000);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn after(seconds: u64) -> Timestamp {
    NOON.after(Duration::from_secs(seconds))
}

fn stored(id: i64) -> StoredKey {
    StoredKey {
        record: KeyRecord {
            id: KeyId(id),
            label: String::new(),
            hint: String::new(),
            account: AccountId(id),
            enabled: true,
            daily_limit: None,
            used_today: 0,
            used_total: 0,
            last_used: None,
            fault: None,
        },
        secret: Secret::new(format!("sk-or-v1-{id}")),
    }
}

fn pool(keys: i64, daily: Option<Limit>, minute: Option<Limit>) -> Pool {
    let mut pool = Pool::new(PoolOptions { limits: FreeLimits { daily, minute }, ..PoolOptions::default() });
    pool.load((1..=keys).map(stored).collect(), Vec::new(), NOON);
    pool
}

fn ask() -> Ask {
    Ask { model: "a/b:free".into(), free: true, ..Ask::default() }
}

/// How many leases are granted at `now`, and what ends it.
fn drain(pool: &mut Pool, now: Timestamp) -> (usize, NoKey) {
    for granted in 0..10_000 {
        match pool.lease(&ask(), now, 0) {
            Ok(grant) => drop(pool.settle(grant.lease, &Ending::Success, now)),
            Err(none) => return (granted, none),
        }
    }
    panic!("there is no limit");
}

fn resting(until: Timestamp, cause: Cause) -> NoKey {
    NoKey::AllResting { until: Some(until), cause }
}

fn info(user: &str) -> KeyInfo {
    KeyInfo { user: Some(user.to_owned()), ..KeyInfo::default() }
}

#[test]
fn a_minute_and_a_day_are_kept_before_sending() {
    let mut pool = pool(2, Some(Limit::Of(50)), None);
    assert_eq!(drain(&mut pool, NOON), (40, resting(after(60), "free_minute_limit")));
    assert_eq!(drain(&mut pool, after(60)), (40, resting(after(120), "free_minute_limit")));
    let midnight = NOON.day().end();
    assert_eq!(drain(&mut pool, after(120)), (20, resting(midnight, "free_daily_limit")));
    assert_eq!(drain(&mut pool, midnight).0, 40);
}

#[test]
fn only_free_models_count() {
    let mut pool = pool(1, Some(Limit::Of(1)), None);
    let paid = Ask { model: "a/b".into(), ..Ask::default() };
    for _ in 0..100 {
        pool.lease(&paid, NOON, 0).expect("no limit of ours");
    }
    pool.lease(&ask(), NOON, 0).expect("the one of today");
    assert_eq!(
        pool.lease(&ask(), NOON, 0).expect_err("spent"),
        resting(NOON.day().end(), "free_daily_limit")
    );
}

#[test]
fn what_was_never_sent_is_given_back() {
    let mut pool = pool(1, Some(Limit::Of(1)), Some(Limit::Of(1)));
    let grant = pool.lease(&ask(), NOON, 0).expect("a key");
    pool.settle(grant.lease, &Ending::NeverSent, NOON);
    pool.lease(&ask(), NOON, 0).expect("given back");
    let uses = pool.take_uses();
    assert_eq!((uses.keys[0].count, uses.accounts[0].count), (1, 1));
}

#[test]
fn keys_of_one_account_share_everything_at_once() {
    let mut pool = pool(3, Some(Limit::None), None);
    assert_eq!(
        pool.looked(KeyId(1), &Ok(info("user_a")), false, NOON),
        [Lesson::Named(AccountId(1), "user_a".into())]
    );
    let grant = pool.lease(&Ask { only: Some(KeyId(3)), ..ask() }, NOON, 0).expect("the third key");
    let body = json!({"error": {"message": "free-models-per-day"}, "user_id": "user_a"}).to_string();
    let refusal = Refusal::read(429, |_| None, body.as_bytes());
    let lessons = pool.settle(grant.lease, &Ending::Refused(judge(&refusal, true, NOON)), NOON);
    assert_eq!(lessons, [Lesson::Merged(AccountId(1), AccountId(3))]);
    // The account was refused: neither of its keys is tried.
    for _ in 0..20 {
        let grant = pool.lease(&ask(), NOON, 0).expect("the other account");
        assert_eq!(grant.key, KeyId(2));
    }
    let view = pool.view(NOON);
    assert_eq!(view.accounts.len(), 2);
    assert_eq!(view.accounts[0].keys, [KeyId(1), KeyId(3)]);
    assert_eq!(view.accounts[0].record.used_today, 1, "what was counted came along");
    assert!(view.keys.iter().filter(|key| key.rest.is_some()).count() >= 2);
    assert!(pool.looked(KeyId(3), &Ok(info("user_a")), false, NOON).is_empty(), "nothing new");
}

#[test]
fn names_that_tell_nothing_merge_nothing() {
    let mut pool = pool(2, None, None);
    for key in [KeyId(1), KeyId(2)] {
        for user in ["", "  ", &"x".repeat(201)] {
            assert!(pool.looked(key, &Ok(info(user)), false, NOON).is_empty());
        }
    }
    for number in 0..100 {
        pool.looked(KeyId(1), &Ok(info(&format!("user_{number}"))), false, NOON);
    }
    assert_eq!(pool.view(NOON).accounts.len(), 2);
    assert_eq!(pool.view(NOON).accounts[0].record.users.len(), 16);
}

#[test]
fn the_upstreams_figures_correct_ours_downwards() {
    let mut pool = pool(1, None, Some(Limit::None));
    let said =
        KeyInfo { is_free_tier: Some(true), free_used: Some(48), free_limit: Some(50), ..KeyInfo::default() };
    let lessons = pool.looked(KeyId(1), &Ok(said.clone()), false, NOON);
    assert_eq!(lessons, [Lesson::Account(AccountId(1), Some(true), Some(50))]);
    assert_eq!(pool.take_uses().accounts[0].count, 48);
    assert_eq!(drain(&mut pool, NOON), (2, resting(NOON.day().end(), "free_daily_limit")));
    let less = KeyInfo { free_used: Some(3), ..said.clone() };
    assert!(pool.looked(KeyId(1), &Ok(less), false, NOON).is_empty());
    assert_eq!(drain(&mut pool, NOON).0, 0, "never upwards");
    // Right after midnight the upstream may still tell of yesterday.
    let midnight = NOON.day().end();
    pool.looked(KeyId(1), &Ok(said), false, midnight.after(Duration::from_secs(5)));
    assert_eq!(drain(&mut pool, midnight.after(Duration::from_secs(5))).0, 50);
}

#[test]
fn a_wrong_refusal_of_the_day_is_healed_by_a_look() {
    let mut pool = pool(1, None, None);
    let grant = pool.lease(&ask(), NOON, 0).expect("a key");
    let refusal = Refusal::read(429, |_| None, br#"{"error":{"message":"free-models-per-day"}}"#);
    pool.settle(grant.lease, &Ending::Refused(judge(&refusal, true, NOON)), NOON);
    let said = Ok(KeyInfo { free_used: Some(50), free_limit: Some(1000), ..KeyInfo::default() });
    pool.looked(KeyId(1), &said, false, after(60));
    assert!(pool.lease(&ask(), after(60), 0).is_err(), "what the upstream said may be older");
    pool.looked(KeyId(1), &said, false, after(120));
    pool.lease(&ask(), after(120), 0).expect("the credits were bought");
}

#[test]
fn looks_come_when_added_when_refused_and_every_few_minutes() {
    let mut pool = pool(3, None, None);
    let due = |pool: &mut Pool, now| -> Vec<i64> {
        pool.looks_due(FIVE_MINUTES, 2, now).into_iter().map(|(key, _)| key.0).collect()
    };
    assert_eq!(due(&mut pool, NOON), [1, 2]);
    assert_eq!(due(&mut pool, NOON), [3], "those under way are not asked again");
    for key in 1..=3 {
        pool.looked(KeyId(key), &Ok(KeyInfo::default()), false, NOON);
    }
    assert!(due(&mut pool, after(299)).is_empty());
    let grant = pool.lease(&ask(), after(20), 0).expect("a key");
    let refusal = Refusal::read(402, |_| None, b"{}");
    pool.settle(grant.lease, &Ending::Refused(judge(&refusal, true, after(20))), after(20));
    assert_eq!(due(&mut pool, after(21)), [grant.key.0]);
    assert_eq!(due(&mut pool, after(300)).len(), 2);
}

#[test]
fn a_rejected_key_heals_when_the_upstream_knows_it_again() {
    let mut pool = pool(1, None, None);
    let rejected = Err(KeyCheckFault::Rejected);
    assert_eq!(
        pool.looked(KeyId(1), &rejected, false, NOON),
        [Lesson::Fault(KeyId(1), Some("key_rejected"))]
    );
    assert!(pool.looked(KeyId(1), &rejected, false, NOON).is_empty(), "said once");
    assert_eq!(
        pool.lease(&ask(), NOON, 0).expect_err("out of use"),
        NoKey::AllResting { until: None, cause: "key_rejected" }
    );
    let well = Ok(KeyInfo::default());
    assert_eq!(pool.looked(KeyId(1), &well, false, after(900)), [Lesson::Fault(KeyId(1), None)]);
    pool.lease(&ask(), after(900), 0).expect("in use again");
    // Rejected again at once: such a look is not believed for a while, unless the operator asks.
    pool.looked(KeyId(1), &rejected, false, after(901));
    assert!(pool.looked(KeyId(1), &well, false, after(1800)).is_empty());
    assert_eq!(pool.looked(KeyId(1), &well, true, after(1800)), [Lesson::Fault(KeyId(1), None)]);
}

#[test]
fn an_expired_key_and_a_spent_one_are_passed_by() {
    let mut pool = pool(1, None, None);
    let said =
        KeyInfo { limit_remaining: Some(0.0), expires_at: Some(after(100).rfc3339()), ..KeyInfo::default() };
    pool.looked(KeyId(1), &Ok(said), false, NOON);
    let paid = Ask { model: "a/b".into(), ..Ask::default() };
    assert_eq!(
        pool.lease(&paid, NOON, 0).expect_err("spent"),
        NoKey::AllResting { until: None, cause: "key_limit" }
    );
    pool.lease(&ask(), after(99), 0).expect("a credit limit does not bind free models");
    assert_eq!(
        pool.lease(&ask(), after(100), 0).expect_err("over"),
        NoKey::AllResting { until: None, cause: "key_expired" }
    );
}

#[test]
fn the_operator_clears_what_keeps_a_key() {
    let mut pool = pool(1, None, None);
    let grant = pool.lease(&ask(), NOON, 0).expect("a key");
    let refusal = Refusal::read(429, |_| None, br#"{"error":{"message":"free-models-per-day"}}"#);
    pool.settle(grant.lease, &Ending::Refused(judge(&refusal, true, NOON)), NOON);
    assert_eq!(pool.view(NOON).rests.len(), 1);
    assert!(pool.clear_key(KeyId(1)) && !pool.clear_key(KeyId(2)));
    pool.lease(&ask(), NOON, 0).expect("cleared");
}

#[test]
fn rests_come_back_after_a_restart() {
    let mut before = pool(1, None, None);
    let grant = before.lease(&ask(), NOON, 0).expect("a key");
    let refusal = Refusal::read(429, |_| None, br#"{"error":{"message":"free-models-per-day"}}"#);
    before.settle(grant.lease, &Ending::Refused(judge(&refusal, true, NOON)), NOON);
    let (rests, ended) = before.take_cooldowns();
    assert_eq!((rests.len(), ended.len()), (1, 0));
    let mut again = pool(1, None, None);
    again.load_cooldowns(rests);
    assert!(again.lease(&ask(), after(60), 0).is_err());
}

#[test]
fn turns_of_a_conversation_prefer_their_account() {
    let mut pool = pool(4, Some(Limit::None), Some(Limit::None));
    let turn = |goes_on| Ask { conversation: Some(Conversation { id: 7, goes_on }), ..ask() };
    let first = pool.lease(&turn(false), NOON, 0).expect("a key");
    for _ in 0..10 {
        assert_eq!(pool.lease(&turn(true), after(30), 0).expect("a key").key, first.key);
    }
    assert_ne!(pool.lease(&turn(false), after(30), 0).expect("a key").key, first.key, "first turns go round");
    let refused = Ask { refused: vec![first.account], ..turn(true) };
    assert_ne!(pool.lease(&refused, after(30), 0).expect("a key").key, first.key, "preferred, not demanded");
}

#[test]
fn a_probe_that_has_begun_lets_the_others_in() {
    let mut pool = pool(1, Some(Limit::None), Some(Limit::None));
    let grant = pool.lease(&ask(), NOON, 0).expect("a key");
    let refusal = Refusal::read(429, |_| None, br#"{"error":{"code":429}}"#);
    pool.settle(grant.lease, &Ending::Refused(judge(&refusal, true, NOON)), NOON);
    let probe = pool.lease(&ask(), after(30), 0).expect("one probes");
    assert!(probe.probes && pool.lease(&ask(), after(30), 0).is_err());
    pool.began(probe.lease, after(31));
    pool.lease(&ask(), after(31), 0).expect("it is well");
}

/// One who waits, and may leave.
#[derive(Clone, Default)]
struct Guest(Rc<Cell<bool>>, usize);

impl Waiter for Guest {
    fn has_left(&self) -> bool {
        self.0.get()
    }
}

fn patient() -> Ask {
    Ask { wait_until: Some(after(70)), ..ask() }
}

#[test]
fn those_who_wait_are_served_in_turn() {
    let mut pool = pool(1, Some(Limit::None), Some(Limit::Of(2)));
    let mut line: Line<Guest> = Line::default();
    assert_eq!(drain(&mut pool, after(55)).0, 2);
    let guests: Vec<Guest> = (0..4).map(|number| Guest(Rc::default(), number)).collect();
    for guest in &guests {
        assert!(line.come(patient(), guest.clone(), &mut pool, after(56), 0).is_empty());
    }
    guests[1].0.set(true);
    assert!(line.advance(&mut pool, after(59), 0).is_empty());
    assert_eq!(line.len(), 3);
    // A newcomer at the reset does not overtake those who wait, nor does one who left take a slot.
    let served = line.come(patient(), Guest(Rc::default(), 9), &mut pool, after(60), 0);
    let numbers: Vec<(usize, bool)> =
        served.iter().map(|(guest, answer)| (guest.1, answer.is_ok())).collect();
    // The next minute is beyond their patience: they are told at once.
    assert_eq!(numbers, [(0, true), (2, true), (3, false), (9, false)]);
    assert!(line.is_empty());
}

#[test]
fn nobody_waits_for_what_does_not_come_in_time() {
    let mut pool = pool(1, Some(Limit::Of(1)), None);
    pool.lease(&ask(), after(65), 0).expect("the one of today");
    let mut line: Line<Guest> = Line::default();
    let served = line.come(patient(), Guest::default(), &mut pool, after(65), 0);
    assert_eq!(served.len(), 1, "midnight is far");
    let impatient = line.come(ask(), Guest::default(), &mut pool, after(65), 0);
    assert!(matches!(impatient.as_slice(), [(_, Err(NoKey::AllResting { .. }))]));
}

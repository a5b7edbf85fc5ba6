//! What rests, told by hand-turned time; and what two processes make of each other's rests.

use super::*;
use crate::domain::ids::{AccountId, KeyId};

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn guess(cooldowns: &mut Cooldowns, now: Timestamp) {
    let place = Place::Key(KeyId(1));
    cooldowns.rest_for(place, "x", Duration::from_secs(5), Duration::from_secs(60), now);
}

#[test]
fn a_guessed_rest_is_probed_by_one_and_doubles() {
    let place = Place::Key(KeyId(1));
    let mut cooldowns = Cooldowns::default();
    guess(&mut cooldowns, START);
    assert_eq!(cooldowns.standing(&place, at(4)), Standing::Resting(Some(at(5))));
    assert_eq!(cooldowns.standing(&place, at(5)), Standing::Probe);
    cooldowns.probe(&place, 7, at(5));
    assert_eq!(cooldowns.standing(&place, at(5)), Standing::Resting(Some(at(6))));
    cooldowns.end_probe(std::slice::from_ref(&place), 7);
    guess(&mut cooldowns, at(5));
    assert_eq!(cooldowns.standing(&place, at(6)), Standing::Resting(Some(at(15))));
    for hundreds in 1..=10 {
        guess(&mut cooldowns, at(hundreds * 100));
    }
    assert_eq!(cooldowns.standing(&place, at(1000)), Standing::Resting(Some(at(1060))));
    cooldowns.heal(&place, at(1060));
    assert_eq!(cooldowns.standing(&place, START), Standing::Free);
}

#[test]
fn a_probe_that_takes_long_holds_nobody_back() {
    for (cause, then) in [("model_unavailable", Standing::Free), ("connection_failed", Standing::Probe)] {
        let place = Place::Key(KeyId(1));
        let mut cooldowns = Cooldowns::default();
        cooldowns.rest_for(place.clone(), cause, Duration::from_secs(5), Duration::from_secs(60), START);
        cooldowns.probe(&place, 7, at(5));
        assert_eq!(cooldowns.standing(&place, at(7)), Standing::Resting(Some(at(8))), "{cause}");
        assert_eq!(cooldowns.standing(&place, at(8)), then, "{cause}");
        // It fails after all: the place rests, longer than before.
        cooldowns.end_probe(std::slice::from_ref(&place), 7);
        cooldowns.rest_for(place.clone(), cause, Duration::from_secs(5), Duration::from_secs(60), at(9));
        assert_eq!(cooldowns.standing(&place, at(9)), Standing::Resting(Some(at(19))), "{cause}");
    }
}

#[test]
fn many_refusals_at_once_are_one_strike() {
    let mut cooldowns = Cooldowns::default();
    for _ in 0..50 {
        guess(&mut cooldowns, START);
    }
    assert_eq!(cooldowns.standing(&Place::Key(KeyId(1)), START), Standing::Resting(Some(at(5))));
}

#[test]
fn a_stated_end_needs_no_probe_and_is_not_shortened() {
    let place = Place::Account(AccountId(1));
    let mut cooldowns = Cooldowns::default();
    cooldowns.rest_until(place.clone(), "free_daily_limit", Some(at(100)), START);
    cooldowns.rest_until(place.clone(), "free_minute_limit", Some(at(10)), START);
    cooldowns.heal(&place, at(50));
    assert_eq!(cooldowns.standing(&place, at(99)), Standing::Resting(Some(at(100))));
    assert_eq!(cooldowns.standing(&place, at(100)), Standing::Free);
    cooldowns.sweep(at(100));
    assert_eq!(cooldowns.get(&place, START), None);
}

#[test]
fn only_the_operator_ends_what_waits_for_the_operator() {
    let place = Place::Key(KeyId(1));
    let mut cooldowns = Cooldowns::default();
    cooldowns.rest_until(place.clone(), "key_rejected", None, START);
    cooldowns.rest_until(place.clone(), "x", Some(at(1)), START);
    cooldowns.heal(&place, at(9));
    cooldowns.sweep(at(99_999));
    assert_eq!(cooldowns.standing(&place, at(99_999)), Standing::Resting(None));
    cooldowns.clear(&place);
    assert_eq!(cooldowns.standing(&place, START), Standing::Free);
}

#[test]
fn what_changed_is_stored_and_comes_back() {
    let mut cooldowns = Cooldowns::default();
    guess(&mut cooldowns, START);
    let (changed, ended) = cooldowns.take_changes();
    assert_eq!((changed.len(), ended.len()), (1, 0));
    assert_eq!(cooldowns.take_changes(), (Vec::new(), Vec::new()));
    let mut again = Cooldowns::default();
    again.load(changed);
    assert_eq!(again.standing(&Place::Key(KeyId(1)), at(4)), Standing::Resting(Some(at(5))));
    assert_eq!(again.standing(&Place::Key(KeyId(1)), at(5)), Standing::Probe);
    assert!(again.take_changes().0.is_empty(), "what is loaded is stored already");
    again.heal(&Place::Key(KeyId(1)), at(5));
    assert_eq!(again.take_changes().1, [Place::Key(KeyId(1))]);
}

#[test]
fn of_two_rests_the_longer_stays() {
    let (one, two) = (Place::Account(AccountId(1)), Place::Account(AccountId(2)));
    let mut cooldowns = Cooldowns::default();
    cooldowns.rest_until(one.clone(), "free_minute_limit", Some(at(10)), START);
    cooldowns.rest_until(two.clone(), "free_daily_limit", Some(at(99)), START);
    cooldowns.hand_over(&two, &one);
    assert_eq!(cooldowns.standing(&one, START), Standing::Resting(Some(at(99))));
    assert_eq!(cooldowns.standing(&two, START), Standing::Free);
    cooldowns.rest_until(two.clone(), "free_minute_limit", Some(at(10)), START);
    cooldowns.hand_over(&two, &one);
    assert_eq!(cooldowns.standing(&one, START), Standing::Resting(Some(at(99))));
}

/// What two processes do to one table.
fn exchange(from: &mut Cooldowns, table: &mut Vec<CooldownRecord>) {
    let (changed, ended) = from.take_changes();
    table.retain(|stored| !ended.contains(&stored.place));
    for rest in changed {
        match table.iter_mut().find(|stored| stored.place == rest.place) {
            Some(stored) if is_later(stored.until, rest.until) => {}
            Some(stored) => *stored = rest,
            None => table.push(rest),
        }
    }
}

#[test]
fn of_what_two_processes_learn_the_later_end_stays() {
    let (place, path) = (Place::Account(AccountId(1)), Place::KeyPath(KeyId(1)));
    let (mut one, mut two, mut table) = (Cooldowns::default(), Cooldowns::default(), Vec::new());
    one.rest_until(place.clone(), "free_daily_limit", Some(at(100)), START);
    one.rest_for(path.clone(), "x", Duration::from_secs(5), Duration::from_secs(9), START);
    two.rest_until(place.clone(), "free_minute_limit", Some(at(10)), START);
    exchange(&mut one, &mut table);
    assert!(two.merge(table.clone()));
    assert_eq!(two.standing(&place, START), Standing::Resting(Some(at(100))));
    assert_eq!(two.standing(&path, START), Standing::Free, "only the first failed to connect");
    assert_eq!(two.take_changes(), (Vec::new(), Vec::new()), "it is stored already");
    assert!(!two.merge(table.clone()));

    // Not stored yet, but later.
    two.rest_until(place.clone(), "key_rejected", None, START);
    assert!(!two.merge(table.clone()));
    assert_eq!(two.standing(&place, START), Standing::Resting(None));
    exchange(&mut two, &mut table);
    one.merge(table);
    assert_eq!(one.standing(&place, START), Standing::Resting(None));
}

#[test]
fn what_ends_in_one_process_ends_in_the_other() {
    let place = Place::Model("a/b".to_owned());
    let (mut one, mut two, mut table) = (Cooldowns::default(), Cooldowns::default(), Vec::new());
    one.rest_until(place.clone(), "x", Some(at(100)), START);
    exchange(&mut one, &mut table);
    two.merge(table.clone());
    two.clear(&place);
    assert!(!two.merge(table.clone()), "that it ended here is not stored yet");
    assert_eq!(two.standing(&place, START), Standing::Free);
    two.rest_until(place.clone(), "x", Some(at(5)), START);
    exchange(&mut two, &mut table);
    one.merge(table.clone());
    assert_eq!(one.standing(&place, START), Standing::Resting(Some(at(5))), "it rests anew");
    two.clear(&place);
    exchange(&mut two, &mut table);
    assert!(one.merge(table));
    assert_eq!(one.standing(&place, START), Standing::Free);
}

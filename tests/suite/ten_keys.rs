//! Ten keys, nine of them broken, each in another way: no client notices, a broken key is left alone,
//! and one that is well again is used again.

use crate::support::{CHAT, Call, House, Options, chat, error_events, key, spawn, text, wait_until};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Refused: 401, 402, 403 and both limits; then a hang before the head, a reset, a body that breaks
/// off before its first content, and an error as the first event.
const BROKEN: [&str; 9] =
    ["revoked", "broke", "keylimit", "daily", "minute", "hang", "reset", "cut60", "errorfirst"];
const REQUESTS: usize = 5000;
const AT_A_TIME: usize = 32;

/// The simulated key of the one at `index`.
fn secret(index: usize) -> String {
    key(BROKEN.get(index).unwrap_or(&"good"), index + 1)
}

fn attempts(house: &House, index: usize) -> u64 {
    house.control().key(&secret(index)).attempts
}

/// Sends `count` requests, plain and streamed in turn, [`AT_A_TIME`] at a time, while the clock moves
/// on by 40 ms with each. By request id: what each client was told, unless it was a good answer.
fn load(house: &House, clock: &Clock, count: usize) -> BTreeMap<usize, String> {
    let next = AtomicUsize::new(0);
    let bad = Mutex::new(BTreeMap::new());
    let serve = || {
        let mut wire = house.connect();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let stream = number.is_multiple_of(2);
            let answer = wire.ask(&Call::post(CHAT, chat(&format!("{number}?"), stream).to_string()));
            clock.turn(Duration::from_millis(40));
            let good = answer.status == 200
                && answer.whole
                && (!stream || error_events(&answer.body).is_empty())
                && text(&answer.body).starts_with(&format!("echo: {number}?"));
            if !good {
                bad.lock().expect("no client fails").insert(number, answer.to_string());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(serve);
        }
    });
    bad.into_inner().expect("no client fails")
}

#[test]
fn nine_broken_keys_of_ten_are_invisible_and_left_alone() {
    let clock = Clock::manual(Timestamp::parse("2026-10-10T12:00:00Z").expect("a time"));
    let options = Options::keys(BROKEN.into_iter().chain(["good"]));
    let options = Options { clock: clock.clone(), keep: 0, ..options };
    let options = options.set("OPENROUTER_FIRST_BYTE_TIMEOUT", "0.4").set("SERVER_WORKERS", "2");
    // Nothing is learned from looking keys up: only what requests meet counts here.
    let house = spawn(options.unpaced().set("OPENROUTER_KEY_CHECK_INTERVAL", "0"));
    // Until each has been refused once: those under way together learn of it together.
    let bad = load(&house, &clock, 10 * AT_A_TIME);
    assert!(bad.is_empty(), "{} clients noticed: {bad:#?}", bad.len());
    let before: Vec<u64> = (0..BROKEN.len()).map(|index| attempts(&house, index)).collect();
    assert!(before.iter().all(|attempts| *attempts > 0), "{before:?}");

    let bad = load(&house, &clock, REQUESTS);
    assert!(bad.is_empty(), "{} of {REQUESTS} clients noticed: {bad:#?}", bad.len());
    let after: Vec<u64> = (0..BROKEN.len()).map(|index| attempts(&house, index)).collect();
    let spent: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    println!("attempts of each broken key: {before:?}, then {spent:?}");
    assert!(spent.iter().all(|attempts| *attempts <= REQUESTS as u64 / 100), "{spent:?}");
    let rows = house.rows(REQUESTS + 10 * AT_A_TIME);
    assert_eq!(rows.len(), REQUESTS + 10 * AT_A_TIME);
    assert!(rows.iter().all(|row| (row.status, row.outcome.as_str()) == (200, "completed")));

    every_key_comes_back(&house, &clock);
}

/// All are well again: each is used again within its cooldown and 60 s, but for those that wait for
/// the operator.
fn every_key_comes_back(house: &House, clock: &Clock) {
    let mut waiting: Vec<(usize, Timestamp)> = Vec::new();
    for (index, view) in house.keys().iter().enumerate().take(BROKEN.len()) {
        house.control().heal_key(&secret(index));
        match view.rest.as_ref().map(|rest| rest.until) {
            // One that is only passed over rests for a minute at most.
            None => waiting.push((index, clock.now().after(Duration::from_secs(60)))),
            Some(Some(until)) => waiting.push((index, until)),
            Some(None) => println!("{} waits for the operator", BROKEN[index]),
        }
    }
    assert!(waiting.len() >= 7, "{waiting:?}");
    waiting.sort_by_key(|(_, until)| *until);
    for (index, until) in waiting {
        let latest = until.after(Duration::from_secs(60));
        clock.turn(latest.since(clock.now()));
        let before = attempts(house, index);
        let mut asked = 0;
        wait_until(&format!("{} to be used again", BROKEN[index]), || {
            asked += 1;
            let answer = house.chat(&chat("back?", asked % 2 == 0));
            assert_eq!(answer.status, 200, "{answer}");
            attempts(house, index) > before
        });
        assert!(asked <= 40, "{} was used again only after {asked} requests", BROKEN[index]);
    }
}

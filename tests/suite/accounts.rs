//! Accounts: limits kept before sending, waiting for a minute, what `GET /key` teaches, keys that turn
//! out to share an account, and rests that outlive a restart. The clock is turned by hand.

use crate::support::{MODEL, Options, chat, good_keys, key, spawn, wait_for, wait_until};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::simulator::AccountPlan;
use serde_json::json;
use std::time::{Duration, Instant};

fn clock() -> Clock {
    Clock::manual(Timestamp::parse("2026-10-10T12:00:10Z").expect("a time"))
}

/// A house that keeps the limits of real accounts, and whose simulator enforces them.
fn strict(keys: Vec<String>, clock: &Clock) -> Options {
    Options {
        keys,
        limits: true,
        clock: clock.clone(),
        without: vec!["PROXY_FREE_DAILY_LIMIT", "PROXY_FREE_MINUTE_LIMIT", "OPENROUTER_KEY_CHECK_INTERVAL"],
        ..Options::default()
    }
}

#[test]
fn a_minute_is_kept_before_sending() {
    let clock = clock();
    let house = spawn(strict(good_keys(2), &clock).set("PROXY_QUEUE_TIMEOUT", "30"));
    for _ in 0..40 {
        assert_eq!(house.chat(&chat("one of forty", false)).status, 200);
    }
    let began = Instant::now();
    let refused = house.chat(&chat("one too many", false));
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for what does not come in time");
    assert_eq!((refused.status, refused.error("code").as_str()), (429, "free_minute_limit"), "{refused}");
    assert_eq!(refused.number("retry-after"), 50, "{refused}");
    assert_eq!(refused.number("x-proxy-attempts"), 0);
    assert_eq!(house.attempts(), 40, "the upstream was not bothered");
    clock.turn(Duration::from_secs(50));
    assert_eq!(house.chat(&chat("a new minute", false)).status, 200);
}

#[test]
fn a_request_waits_its_turn_for_the_next_minute() {
    let clock = clock();
    let house = spawn(strict(good_keys(1), &clock).set("PROXY_QUEUE_TIMEOUT", "20"));
    for _ in 0..20 {
        assert_eq!(house.chat(&chat("one of twenty", false)).status, 200);
    }
    clock.turn(Duration::from_secs(40));
    std::thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| house.chat(&chat("I can wait", true)).status)).collect();
        wait_until("three to wait", || house.view().waiting == 3);
        // One who leaves frees the place at once.
        let mut leaver = house.connect();
        leaver.send(&crate::support::Call::post(crate::support::CHAT, chat("I cannot", true).to_string()));
        wait_until("a fourth to wait", || house.view().waiting == 4);
        drop(leaver);
        clock.turn(Duration::from_secs(10));
        for one in waiting {
            assert_eq!(one.join().expect("no panic"), 200);
        }
    });
    wait_until("the line to be empty", || house.view().waiting == 0);
    assert_eq!(house.attempts(), 23, "the one who left took no slot");
}

#[test]
fn the_upstreams_own_count_is_believed() {
    let clock = clock();
    let mut house = spawn(strict(good_keys(1), &clock).set("PROXY_FREE_MINUTE_LIMIT", "-1"));
    let account = "good-0001";
    wait_until("the first look", || house.view().accounts[0].daily_limit == Some(50));
    house.control().set_account(account, AccountPlan { minute_limit: 1000, ..AccountPlan::default() });
    // Somebody else has used the account all day.
    house.control().set_used_today(account, 45);
    clock.turn(Duration::from_secs(301));
    wait_until("the count to be learned", || house.view().accounts[0].record.used_today == 45);
    for _ in 0..5 {
        assert_eq!(house.chat(&chat("one of the last five", false)).status, 200);
    }
    let began = Instant::now();
    let refused = house.chat(&chat("one too many", false));
    assert_eq!((refused.status, refused.error("code").as_str()), (429, "free_daily_limit"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(house.attempts(), 5, "the upstream was not bothered");
    house.stop();
    house.start();
    assert_eq!(house.chat(&chat("after a restart", false)).status, 429);
    assert_eq!(house.attempts(), 5, "counts outlive a restart");
}

#[test]
fn keys_of_one_account_are_found_out_and_none_is_tried_for_its_sibling() {
    let clock = clock();
    let keys = (1..=5).map(|number| format!("{}-acctshared", key("good", number)));
    let house = spawn(strict(keys.chain(good_keys(1)).collect(), &clock));
    wait_until("the accounts to be merged", || house.view().accounts.len() == 2);
    let merged = house.view();
    assert_eq!(merged.accounts[0].keys.len(), 5);
    for number in 1..=40 {
        let answer = house.chat(&chat("forty in all", false));
        assert_eq!(answer.status, 200, "{number}: {answer}");
    }
    assert_eq!(house.chat(&chat("one too many", false)).status, 429);
    assert_eq!(house.control().account("shared").used_today, 20, "five keys, one limit");
    assert_eq!(house.attempts(), 40, "none met a refusal");
}

#[test]
fn a_refusal_that_names_the_account_spares_its_siblings() {
    let clock = clock();
    let keys: Vec<String> = (1..=5).map(|number| format!("{}-acctspent", key("daily", number))).collect();
    let options =
        Options { keys: keys.into_iter().chain([key("good", 9)]).collect(), clock, ..Options::default() };
    let house = spawn(options);
    for _ in 0..10 {
        let answer = house.chat(&chat("who answers?", false));
        assert_eq!(answer.status, 200, "{answer}");
    }
    let spent: u64 = house
        .control()
        .keys()
        .iter()
        .filter(|(key, _)| key.contains("spent"))
        .map(|(_, of)| of.attempts)
        .sum();
    assert!(spent <= 5, "each may be met once, until they are known to be one account: {spent}");
    wait_until("the accounts to be merged", || house.view().accounts.len() <= 2);
}

#[test]
fn rests_outlive_a_restart() {
    let clock = clock();
    let mut house =
        spawn(Options { keys: vec![key("daily", 1)], clock: clock.clone(), ..Options::default() });
    assert_eq!(house.chat(&chat("x", false)).status, 429);
    assert_eq!(house.attempts(), 1);
    house.stop();
    house.start();
    let refused = house.chat(&chat("x", false));
    assert_eq!((refused.status, refused.error("code").as_str()), (429, "free_daily_limit"), "{refused}");
    assert_eq!(house.attempts(), 1, "the upstream was not bothered");
    let rests = house.view().rests;
    assert!(
        rests
            .iter()
            .any(|(place, rest)| place.to_string() == "account:1" && rest.cause == "free_daily_limit")
    );
}

#[test]
fn a_revoked_key_is_found_out_before_anyone_meets_it_and_heals() {
    let clock = clock();
    let house = spawn(strict(vec![key("revoked", 1), key("good", 2)], &clock));
    let fault = || house.view().keys[0].record.fault.clone();
    assert_eq!(wait_for("the key to be found out", fault), "key_rejected");
    for _ in 0..6 {
        let answer = house.chat(&chat("x", false));
        assert_eq!((answer.status, answer.number("x-proxy-attempts")), (200, 1));
    }
    house.control().heal_key(&key("revoked", 1));
    clock.turn(Duration::from_secs(901));
    wait_until("the key to be in use again", || house.view().keys[0].rest.is_none());
}

#[test]
fn the_turns_of_a_conversation_stay_with_an_account() {
    let house = spawn(Options { keys: good_keys(6), ..Options::default() });
    let turn = |count: usize| {
        let mut messages = vec![json!({"role": "user", "content": "a conversation of its own"})];
        for _ in 1..count {
            messages.push(json!({"role": "assistant", "content": "yes?"}));
            messages.push(json!({"role": "user", "content": "go on"}));
        }
        json!({"model": MODEL, "messages": messages})
    };
    for count in 1..=6 {
        assert_eq!(house.chat(&turn(count)).status, 200);
        assert_eq!(house.chat(&chat("somebody else", false)).status, 200);
    }
    let rows = house.rows(12);
    let accounts: Vec<_> = rows.iter().step_by(2).map(|row| row.account_id).collect();
    assert!(accounts.windows(2).all(|pair| pair[0] == pair[1]), "{accounts:?}");
}

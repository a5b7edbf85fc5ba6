//! What is the model's or the request's own fault costs one attempt and rests no key: a model at its
//! provider's capacity is left alone until its time is over, a bad request is told so at once.

use crate::support::{CHAT, Call, House, MODEL, Options, WIDE_MODEL, chat, good_keys, spawn, text};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::simulator::{Fault, Scope};
use std::time::Duration;

fn noon() -> Clock {
    Clock::manual(Timestamp::parse("2026-10-10T12:00:00Z").expect("a time"))
}

fn nothing_rests(house: &House) {
    for view in house.keys() {
        assert!(view.rest.is_none(), "{view:?}");
    }
}

#[test]
fn a_model_at_capacity_is_asked_once_in_each_cooldown() {
    let clock = noon();
    let options = Options { keys: good_keys(3), clock: clock.clone(), ..Options::default() };
    let house = spawn(options.unpaced().set("SERVER_WORKERS", "2"));
    house.control().fault_model(MODEL, Fault::Pool);
    for cooldown in 1..=4 {
        let mut wait = 0;
        for stream in [false, true, true, false, true] {
            let answer = house.chat(&chat("x", stream));
            assert_eq!((answer.status, answer.error("type").as_str()), (429, "rate_limit_error"), "{answer}");
            wait = answer.number("retry-after");
            assert!((1..=900).contains(&wait), "{answer}");
            assert_eq!(house.attempts(), cooldown, "one attempt in each cooldown");
        }
        nothing_rests(&house);
        clock.turn(Duration::from_secs(wait));
    }
    // Well again, it is found so by the first who asks.
    house.control().clear_fault(&Scope::Model(MODEL.to_owned()));
    for _ in 0..6 {
        assert_eq!(house.chat(&chat("x", true)).status, 200);
    }
    let used: Vec<u64> = house.keys().iter().map(|key| key.record.used_today).collect();
    assert!(used.iter().all(|used| *used >= 3), "every key takes its turn: {used:?}");
}

#[test]
fn behind_an_alias_the_next_model_answers_meanwhile() {
    let clock = noon();
    let aliases = format!(r#"{{"fast": ["{MODEL}", "{WIDE_MODEL}"]}}"#);
    let options = Options { keys: good_keys(2), clock: clock.clone(), ..Options::default() };
    let house = spawn(options.unpaced().set("PROXY_MODEL_ALIASES", &aliases));
    house.control().fault_model(MODEL, Fault::Pool);
    let mut body = chat("anyone?", true);
    body["model"] = "fast".into();
    for (number, attempts) in ["2", "1", "1"].into_iter().enumerate() {
        body["stream"] = (number != 1).into();
        let answer = house.ask(&Call::post(CHAT, body.to_string()));
        assert!(text(&answer.body).starts_with("echo: anyone?"), "{answer}");
        assert_eq!(answer.header("x-proxy-model"), Some(WIDE_MODEL), "{answer}");
        assert_eq!(answer.header("x-proxy-attempts"), Some(attempts), "{answer}");
    }
    nothing_rests(&house);
    house.control().clear_fault(&Scope::Model(MODEL.to_owned()));
    clock.turn(Duration::from_secs(900));
    let answer = house.ask(&Call::post(CHAT, body.to_string()));
    assert_eq!(answer.header("x-proxy-model"), Some(MODEL), "the first is back: {answer}");
}

#[test]
fn a_clients_bad_request_is_no_keys_failure() {
    let house = spawn(Options { keys: good_keys(2), ..Options::default() }.unpaced());
    for number in 1..=6 {
        let answer = house.chat(&chat("x [[fault=badrequest]]", number % 2 == 0));
        assert_eq!((answer.status, answer.header("x-proxy-attempts")), (400, Some("1")), "{answer}");
        assert_eq!(house.attempts(), number);
    }
    nothing_rests(&house);
    // Nor is one of them passed over: they go on in turn.
    let before: Vec<u64> = house.control().keys().values().map(|key| key.attempts).collect();
    for _ in 0..4 {
        assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("1"));
    }
    let after: Vec<u64> = house.control().keys().values().map(|key| key.attempts).collect();
    assert_eq!(after, before.iter().map(|count| count + 2).collect::<Vec<_>>());
}

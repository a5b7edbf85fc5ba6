//! What fails with one key is answered with another, unseen; what no key can mend is told honestly,
//! and in time.

use crate::support::{
    Answer, CHAT, Call, House, MODEL, Options, chat, each, error_events, good_keys, key, spawn, text,
    wait_for, wait_until,
};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::simulator::{Fault, Misbehaviour, Options as SimulatorOptions, Scope, Simulator};
use serde_json::json;
use std::time::{Duration, Instant};

/// A setback with one key, and what follows from it for the operator.
struct Case {
    /// The behaviour of the bad key.
    behaviour: &'static str,
    /// For which kinds of request.
    streamed: &'static [bool],
    /// Attempts that the client may be told of: the bad ones and the good one.
    attempts: &'static str,
    /// What keeps the bad key from use afterwards.
    rest: Option<&'static str>,
}

const BOTH: &[bool] = &[false, true];
const PLAIN: &[bool] = &[false];
const STREAM: &[bool] = &[true];

const fn case(
    behaviour: &'static str,
    streamed: &'static [bool],
    attempts: &'static str,
    rest: Option<&'static str>,
) -> Case {
    Case { behaviour, streamed, attempts, rest }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // 401, 402, 403: the key's or the account's
    case("revoked", BOTH, "2", Some("key_rejected")),
    case("unauthorized", BOTH, "2", Some("key_rejected")),
    case("keylimit", BOTH, "2", Some("key_limit")),
    case("keylimitdaily", BOTH, "2", Some("key_limit")),
    case("keybudget", BOTH, "2", Some("key_limit")),
    case("inflight5", BOTH, "2", Some("in_flight_budget")),
    case("broke", BOTH, "2", Some("negative_balance")),
    case("workspace", BOTH, "2", Some("workspace_budget")),
    // 404 of one account alone
    case("privacy", BOTH, "2", None),
    // 429
    case("daily", BOTH, "2", Some("free_daily_limit")),
    case("dailyold", BOTH, "2", Some("free_daily_limit")),
    case("minute", BOTH, "2", Some("free_minute_limit")),
    case("limited", BOTH, "2", Some("account_rate_limit")),
    case("bare", BOTH, "2", Some("rate_limited")),
    // Nobody's fault: the key is passed over for a while, and that is all
    case("html", BOTH, "2", None),
    case("internal", BOTH, "2", None),
    case("providerdown", BOTH, "2", None),
    case("overloaded", BOTH, "2", None),
    case("redirect", BOTH, "2", None),
    case("garbage", BOTH, "2", None),
    // The head never came: the connection may have been stale, so the same key first, on a new one
    case("reset", BOTH, "3", None),
    case("close", BOTH, "3", None),
    // It has begun to speak, so it was alive
    case("halfhead", BOTH, "2", None),
    // Errors inside a 200
    case("errorfirst", BOTH, "2", None),
    case("errorlate", BOTH, "2", None),
    case("errorchoice", PLAIN, "2", None),
    case("errorfinish", PLAIN, "2", None),
    case("empty", BOTH, "2", None),
    case("blank", BOTH, "2", None),
    case("nocontent", BOTH, "2", None),
    case("page", BOTH, "2", None),
    case("nobody", BOTH, "2", None),
    case("otherjson", BOTH, "2", None),
    // Answers that break off
    case("cut200", PLAIN, "2", None),
    case("cut60", STREAM, "2", None),
    case("cutclean60", STREAM, "2", None),
    case("resetmid200", PLAIN, "2", None),
    case("short", PLAIN, "2", None),
    // Without an end, its connection is not kept: what still comes on it belongs to nobody.
    case("unframed", BOTH, "2", None),
];

#[test]
fn another_key_answers_unseen() {
    each(
        CASES.iter().flat_map(|case| case.streamed.iter().map(move |stream| (case, *stream))),
        |(case, stream)| {
            let what = format!("{} stream={stream}", case.behaviour);
            let house = spawn(Options::keys([case.behaviour, "good"]));
            let answer = house.chat(&chat("Grüße", stream));
            assert_eq!(answer.status, 200, "{what}: {answer}");
            assert!(text(&answer.body).starts_with("echo: Grüße"), "{what}: {answer}");
            assert!(!stream || error_events(&answer.body).is_empty(), "{what}: {answer}");
            let attempts = answer.header("x-proxy-attempts").unwrap_or_default();
            assert!(case.attempts.split(' ').any(|may| may == attempts), "{what}: {answer}");
            let row = house.row();
            assert_eq!((row.status, row.outcome.as_str()), (200, "completed"), "{what}: {row:?}");
            assert_eq!(row.attempts.to_string(), attempts, "{what}: {row:?}");
            assert_eq!(row.key_id.map(|id| id.0), Some(2), "{what}: {row:?}");
            wait_until(&format!("{what}: {:?}", case.rest), || resting(&house, 0) == case.rest);
            assert_eq!(resting(&house, 1), None, "{what}: the good key rests");
            // The bad key is not asked again just now.
            let before = house.control().key(&key(case.behaviour, 1)).attempts;
            let answer = house.chat(&chat("again", stream));
            assert_eq!(answer.status, 200, "{what}: {answer}");
            assert_eq!(house.control().key(&key(case.behaviour, 1)).attempts, before, "{what}");
        },
    );
}

/// What keeps a key from use.
fn resting(house: &House, index: usize) -> Option<&'static str> {
    house.keys()[index].rest.as_ref().map(|rest| rest.cause)
}

#[test]
fn nine_dead_keys_and_a_good_one_answer() {
    let dead =
        ["revoked", "keylimit", "daily", "broke", "minute", "revoked", "keybudget", "daily", "limited"];
    let house = spawn(Options::keys(dead.into_iter().chain(["good"])));
    for stream in [false, true] {
        let answer = house.chat(&chat("anyone there?", stream));
        let attempts = if stream { "1" } else { "10" };
        assert_eq!(answer.header("x-proxy-attempts"), Some(attempts), "{answer}");
        assert!(text(&answer.body).starts_with("echo: anyone there?"), "{answer}");
    }
    assert_eq!(house.attempts(), 11);
}

#[test]
fn an_answer_that_is_none_is_told_in_words() {
    for fault in [Fault::Page, Fault::NoBody, Fault::OtherJson, Fault::Empty] {
        for stream in [false, true] {
            let house = spawn(Options { keys: good_keys(2), ..Options::default() });
            house.control().set_fault(Scope::All, fault);
            let answer = house.chat(&chat("x", stream));
            let what = format!("{fault:?} stream={stream}: {answer}");
            assert_eq!((answer.status, answer.error("type").as_str()), (502, "upstream_error"), "{what}");
            assert_eq!(answer.error("code"), "no_answer", "{what}");
            assert!(answer.error("message").contains("sent no answer"), "{what}");
            assert!(house.attempts() > 1, "{what}");
            let row = house.row();
            assert_eq!(
                (row.outcome.as_str(), row.error_kind.as_deref()),
                ("failed", Some("no_answer")),
                "{row:?}"
            );
        }
    }
}

#[test]
fn requests_that_are_wrong_themselves_are_not_tried_again() {
    for (fault, status) in [
        (Fault::BadRequest, 400),
        (Fault::Context, 400),
        (Fault::ProviderRefused, 400),
        (Fault::Moderation, 403),
        (Fault::Policy, 403),
        (Fault::NoTools, 404),
        (Fault::TooLarge, 413),
        (Fault::Unprocessable, 422),
    ] {
        for stream in [false, true] {
            let house = spawn(Options { keys: good_keys(3), ..Options::default() });
            house.control().set_fault(Scope::All, fault);
            let answer = house.chat(&chat("x", stream));
            let what = format!("{fault:?} stream={stream}: {answer}");
            assert_eq!(answer.status, status, "{what}");
            assert_eq!(house.attempts(), 1, "{what}");
            assert!(!answer.error("message").is_empty(), "{what}");
            assert!(answer.json()["error"]["type"].is_string(), "{what}");
            let row = house.row();
            assert_eq!((row.status, row.outcome.as_str(), row.attempts), (status, "failed", 1), "{row:?}");
            assert!(house.keys().iter().all(|key| key.rest.is_none()), "{what}: a key rests");
        }
    }
}

#[test]
fn no_answer_names_a_key_or_an_account() {
    let slow = [Fault::Huge, Fault::Late, Fault::Slow, Fault::Flood];
    each(Fault::ALL.iter().filter(|fault| !slow.contains(fault)), |fault| {
        let house = spawn(hasty(Options::keys(["good"]), "0.3"));
        let secret = key("good", 1);
        let user = house.control().account("good-0001").user_id;
        house.control().fault_key(&secret, *fault);
        for stream in [false, true] {
            let answer = house.chat(&chat("x [[chunks=20]]", stream));
            let seen = format!("{answer} {}", String::from_utf8_lossy(&answer.body));
            assert!(!seen.contains("sk-or-") && !seen.contains(&user), "{fault:?}: {seen}");
            assert!(!seen.contains("user_id"), "{fault:?}: {seen}");
            assert!(!matches!(answer.status, 401 | 402), "{fault:?}: {seen}");
            assert!(answer.header("x-request-id").is_some(), "{fault:?}: {seen}");
        }
        assert_eq!(house.rows(2).len(), 2, "{fault:?}");
    });
}

/// Deadlines of so many seconds for heads, pauses and whole answers.
fn hasty(options: Options, seconds: &str) -> Options {
    options
        .set("OPENROUTER_FIRST_BYTE_TIMEOUT", seconds)
        .set("OPENROUTER_IDLE_TIMEOUT", seconds)
        .set("OPENROUTER_REQUEST_TIMEOUT", seconds)
        .set("OPENROUTER_STREAM_TIMEOUT", "2")
}

/// Asks until the pool knows that nothing is left, then once more without touching the upstream.
fn spent(house: &House) -> Answer {
    house.chat(&chat("first", false));
    let before = house.attempts();
    let began = Instant::now();
    let answer = house.chat(&chat("second", true));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(house.attempts(), before, "the upstream was asked although nothing is left");
    answer
}

#[test]
fn when_all_is_spent_the_true_reset_is_told() {
    let at = Timestamp::parse("2026-10-10T20:00:00Z").expect("a time");
    // A second more than stated: the clocks of both sides differ a little.
    for (behaviour, code, wait) in
        // A second more than stated: the clocks of both sides differ a little.
        [("daily", "free_daily_limit", 4 * 3600 + 1), ("minute", "free_minute_limit", 61)]
    {
        let options = Options { clock: Clock::manual(at), ..Options::keys([behaviour, behaviour]) };
        let house = spawn(options);
        let answer = spent(&house);
        assert_eq!(answer.status, 429, "{answer}");
        assert_eq!(answer.error("type"), "rate_limit_error");
        assert_eq!(answer.error("code"), code);
        assert_eq!(answer.number("retry-after"), wait, "{answer}");
        assert_eq!(answer.header("x-should-retry"), (wait > 120).then_some("false"));
    }
}

#[test]
fn limits_of_accounts_are_met_and_reset_at_midnight() {
    let clock = Clock::manual(Timestamp::parse("2026-10-10T23:30:00Z").expect("a time"));
    let house = spawn(Options { limits: true, clock: clock.clone(), ..Options::default() });
    let mut served = 0;
    let refused = loop {
        let answer = house.chat(&chat("count me", false));
        match answer.status {
            200 => served += 1,
            429 if answer.number("retry-after") <= 61 => clock.turn(Duration::from_secs(61)),
            _ => break answer,
        }
        assert!(served <= 50);
    };
    assert_eq!((served, refused.status), (50, 429), "{refused}");
    assert_eq!(house.control().account("good-0001").used_today, 50);
    let wait = refused.number("retry-after");
    assert_eq!(clock.now().after(Duration::from_secs(wait - 1)).rfc3339(), "2026-10-11T00:00:00Z");
    clock.turn(Duration::from_secs(wait));
    assert_eq!(house.chat(&chat("a new day", false)).status, 200);
}

#[test]
fn revoked_keys_alone_are_the_operators_matter() {
    for behaviour in ["revoked", "broke", "keylimit"] {
        let house = spawn(Options::keys([behaviour, behaviour]));
        let answer = spent(&house);
        assert!(matches!(answer.status, 429 | 502 | 503), "{behaviour}: {answer}");
        assert!(answer.status != 429 || answer.header("retry-after").is_some(), "{behaviour}: {answer}");
        wait_until("readiness to be denied", || house.ask(&Call::bare("GET", "/ready")).status == 503);
        assert_eq!(house.ask(&Call::bare("GET", "/health")).status, 200);
    }
}

#[test]
fn without_keys_there_is_a_503() {
    let house = spawn(Options { keys: Vec::new(), ..Options::default() });
    let answer = house.chat(&chat("x", false));
    assert_eq!((answer.status, answer.error("code").as_str()), (503, "no_keys"), "{answer}");
    assert_eq!(answer.error("type"), "overloaded_error");
    assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 503);
    let row = house.row();
    assert_eq!((row.status, row.outcome.as_str(), row.attempts), (503, "refused", 0), "{row:?}");
}

#[test]
fn an_upstream_that_is_down_is_a_502_and_no_keys_fault() {
    let mut house = spawn(Options::keys(["good", "good"]));
    let address = house.simulator.address();
    assert_eq!(house.chat(&chat("x", false)).status, 200);
    house.simulator.stop();
    for stream in [false, true] {
        let began = Instant::now();
        let answer = house.chat(&chat("x", stream));
        assert_eq!((answer.status, answer.error("type").as_str()), (502, "upstream_error"), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let row = house.row_of(&answer);
        assert_eq!((row.status, row.outcome.as_str()), (502, "failed"), "{row:?}");
    }
    assert!(house.keys().iter().all(|key| key.rest.is_none()));
    let used: u64 = house.keys().iter().map(|key| key.record.used_today).sum();
    let options = SimulatorOptions { address, enforce_limits: false, ..SimulatorOptions::default() };
    house.simulator = wait_for("its port", || Simulator::start(options.clone()).ok());
    assert_eq!(house.chat(&chat("back again", false)).status, 200);
    // Attempts that met no upstream were given back.
    assert!(used <= 4, "{used} attempts are counted");
}

#[test]
fn a_hang_ends_at_the_deadline_with_a_504() {
    for behaviour in ["hang", "headonly", "idlecomments0"] {
        for stream in [false, true] {
            let options = Options::keys([behaviour, behaviour]).set("OPENROUTER_REQUEST_TIMEOUT", "0.7");
            let house = spawn(options);
            let began = Instant::now();
            let answer = house.chat(&chat("x", stream));
            let took = began.elapsed();
            assert_eq!((answer.status, answer.error("type").as_str()), (504, "timeout_error"), "{answer}");
            assert!(took >= Duration::from_millis(690) && took < Duration::from_millis(2200), "{took:?}");
            let row = house.row();
            assert_eq!((row.status, row.outcome.as_str()), (504, "failed"), "{behaviour}: {row:?}");
        }
    }
}

#[test]
fn a_hanging_key_costs_one_deadline_and_is_then_passed_over() {
    let options = Options::keys(["hang", "good"]).set("OPENROUTER_FIRST_BYTE_TIMEOUT", "0.3");
    let house = spawn(options);
    let began = Instant::now();
    let answer = house.chat(&chat("x", true));
    assert_eq!((answer.status, answer.header("x-proxy-attempts")), (200, Some("2")), "{answer}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    for _ in 0..5 {
        assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("1"));
    }
    assert_eq!(house.control().key(&key("hang", 1)).attempts, 1);
}

#[test]
fn a_stream_that_falls_silent_is_ended_honestly() {
    let house = spawn(Options::keys(["good"]).set("OPENROUTER_IDLE_TIMEOUT", "0.4"));
    let answer = house.chat(&chat("x [[fault=idle900 chunks=40]]", true));
    assert_eq!(answer.status, 200, "{answer}");
    let errors = error_events(&answer.body);
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(errors[0]["error"]["code"], 504);
    let row = house.row();
    assert_eq!((row.outcome.as_str(), row.error_kind.as_deref()), ("truncated", Some("idle_timeout")));
}

#[test]
fn attempts_that_may_have_cost_something_are_bounded() {
    let house = spawn(Options::keys(["internal"; 8]).set("PROXY_MAX_ATTEMPTS", "3"));
    let answer = house.chat(&chat("x", false));
    assert_eq!(answer.status, 500, "{answer}");
    assert_eq!(house.attempts(), 3);
    assert_eq!(house.row().attempts, 3);
    // What a dead connection may have carried there counts too, but never takes the last attempt.
    for (most, sent) in [("3", 3), ("1", 2)] {
        let house = spawn(Options::keys(["close"; 8]).set("PROXY_MAX_ATTEMPTS", most));
        let answer = house.chat(&chat("x", false));
        assert_eq!((answer.status, house.attempts()), (502, sent), "{most}: {answer}");
    }
}

#[test]
fn a_model_at_capacity_is_no_keys_fault() {
    let house = spawn(Options { keys: good_keys(3), ..Options::default() });
    house.control().set_fault(Scope::All, Misbehaviour::from(Fault::Pool));
    let answer = house.chat(&chat("x", false));
    assert_eq!((answer.status, house.attempts()), (429, 1), "{answer}");
    assert!(answer.number("retry-after") > 0);
    assert!(house.keys().iter().all(|key| key.rest.is_none()));
    // The model rests: nobody asks for it meanwhile.
    let answer = house.chat(&chat("x", false));
    assert_eq!((answer.status, house.attempts()), (429, 1), "{answer}");
    // Another one does not.
    house.control().clear_faults();
    let mut other = chat("x", false);
    other["model"] = crate::support::WIDE_MODEL.into();
    assert_eq!(house.ask(&Call::post(CHAT, other.to_string())).status, 200);
}

#[test]
fn a_model_that_cannot_be_embedded_with_still_chats() {
    let house = spawn(Options::default());
    let body = json!({"model": MODEL, "input": "embed me"}).to_string();
    let refused = house.ask(&Call::post("/v1/embeddings", body));
    assert!((400..500).contains(&refused.status), "{refused}");
    assert_eq!(house.chat(&chat("and now?", false)).status, 200);
}

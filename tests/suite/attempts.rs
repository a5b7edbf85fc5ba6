//! What became of each attempt: recorded as it happens, shown to the operator, and without a secret.

use crate::support::{
    CHAT, Call, House, MODEL, Options, WIDE_MODEL, chat, good_keys, key, spawn, text, wait_until,
};
use openrouter_proxy::domain::attempt::Attempt;
use openrouter_proxy::domain::usage::UsageRow;
use openrouter_proxy::simulator::{Fault, Scope};
use serde_json::{Value, json};

/// Number, key, verdict and status of each attempt.
fn told(row: &UsageRow) -> Vec<(u32, Option<i64>, &str, Option<u16>)> {
    let of = |attempt: &Attempt| (attempt.number, attempt.key_id.map(|id| id.0), attempt.status);
    row.attempt_log
        .iter()
        .map(|attempt| (of(attempt), &*attempt.verdict))
        .map(|((number, key, status), verdict)| (number, key, verdict, status))
        .collect()
}

fn with_own_key(house: &House, body: &Value) -> UsageRow {
    let call = Call::bare("POST", CHAT).header("Authorization", &format!("Bearer {}", key("good", 77)));
    house.row_of(&house.ask(&Call { body: body.to_string().into_bytes(), ..call }))
}

#[test]
fn each_attempt_has_its_key_and_its_verdict() {
    let house = spawn(Options::keys(["revoked", "daily", "cut60", "good"]));
    let answer = house.chat(&chat("anyone?", true));
    assert!(text(&answer.body).starts_with("echo: anyone?"), "{answer}");
    let row = house.row();
    assert_eq!(
        told(&row),
        [
            (1, Some(1), "key_rejected", Some(401)),
            (2, Some(2), "free_daily_limit", Some(429)),
            (3, Some(3), "upstream_truncated", None),
            (4, Some(4), "success", Some(200)),
        ]
    );
    assert_eq!(row.attempts, 4);
    for attempt in row.attempt_log.iter() {
        assert_eq!(attempt.model, MODEL);
        assert_eq!(attempt.account_id.map(|id| id.0), attempt.key_id.map(|id| id.0), "{attempt:?}");
        assert!((0..=row.duration_ms).contains(&attempt.duration_ms), "{row:?}");
    }
    // The operator sees the same, in rows, in exports and nowhere a key.
    let listed = house.operate(&Call::admin("GET", "/api/usage")).json()["data"][0].clone();
    assert_eq!(listed["attempt_log"], json!(row.attempt_log), "{listed}");
    let exported = house.operate(&Call::admin("GET", "/api/usage/export"));
    assert_eq!(serde_json::from_slice::<Value>(&exported.body).expect("a line"), listed);
    assert!(!exported.to_string().contains("sk-or-v1-sim"), "{exported}");
    let csv = house.operate(&Call::admin("GET", "/api/usage/export?format=csv"));
    assert!(!csv.to_string().contains("attempt_log"), "{csv}");
}

#[test]
fn every_model_that_was_tried_is_named() {
    let aliases = json!({"fast": [MODEL, WIDE_MODEL]}).to_string();
    let house = spawn(Options::default().set("PROXY_MODEL_ALIASES", &aliases));
    house.control().fault_model(MODEL, Fault::Capacity);
    let mut body = chat("x", false);
    body["model"] = json!("fast");
    assert_eq!(house.chat(&body).status, 200);
    let row = house.row();
    let models: Vec<&str> = row.attempt_log.iter().map(|attempt| attempt.model.as_str()).collect();
    assert_eq!(models, [MODEL, WIDE_MODEL]);
    assert_eq!(told(&row)[0].2, "provider_capacity");
}

#[test]
fn a_clients_own_key_is_named_by_nothing() {
    let house = spawn(Options::default().set("PASS_THROUGH", "true"));
    let row = with_own_key(&house, &chat("mine", false));
    assert_eq!(told(&row), [(1, None, "success", Some(200))]);
    house.control().fault_model(MODEL, Fault::Internal);
    let row = with_own_key(&house, &chat("mine", true));
    assert_eq!(told(&row), [(1, None, "upstream_failed", Some(500))]);
    // A kept connection that turns out dead is an attempt too.
    house.control().set_fault(Scope::All, Fault::Close);
    let row = with_own_key(&house, &chat("mine", true));
    assert_eq!(told(&row), [(1, None, "connection_lost", None), (2, None, "connection_lost", None)]);
    assert!(
        row.attempt_log.iter().all(|attempt| attempt.account_id.is_none() && attempt.key_label.is_none())
    );
}

#[test]
fn what_breaks_off_later_is_told_too() {
    let house = spawn(Options { keys: good_keys(1), ..Options::default() });
    let answer = house.chat(&chat("[[cut=2000 chunks=100]]", true));
    assert_eq!(told(&house.row_of(&answer)), [(1, Some(1), "upstream_truncated", Some(200))]);
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("[[chunks=500 delay_ms=10]]", true).to_string()));
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer), "{answer}");
    wire.close();
    assert_eq!(told(&house.row_of(&answer)), [(1, Some(1), "client_left", Some(200))]);
    // Gone before anything came.
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("[[fault=late60000]]", true).to_string()));
    wait_until("the attempt", || house.attempts() == 3);
    wire.close();
    let rows = house.rows(3);
    assert_eq!(told(&rows[2]), [(1, Some(1), "client_left", None)]);
}

#[test]
fn what_was_never_sent_upstream_has_no_attempts() {
    let house = spawn(Options::default());
    let mut body = chat("x", false);
    body["model"] = json!("no/such");
    assert_eq!(house.chat(&body).status, 404);
    let row = house.row();
    assert!(row.attempt_log.is_empty() && row.attempts == 0, "{row:?}");
}

#[test]
fn many_dead_keys_are_counted_though_not_all_are_told_of() {
    let behaviours = std::iter::repeat_n("revoked", 40).chain(["good"]);
    let house = spawn(Options::keys(behaviours));
    assert_eq!(house.chat(&chat("x", false)).status, 200);
    let row = house.row();
    assert_eq!((row.attempts, row.attempt_log.iter().count()), (41, 32));
    assert_eq!(told(&row).last(), Some(&(41, Some(41), "success", Some(200))));
}

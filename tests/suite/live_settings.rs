//! What the operator changes while the program runs holds for the next request, and nothing that would
//! be wrong at the start is taken.

use crate::support::{Call, House, MODEL, Options, PAID_MODEL, chat, good_keys, spawn, wait_until};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::simulator::Fault;
use serde_json::{Value, json};
use std::time::Duration;

fn change(house: &House, changes: &Value) -> Value {
    let answer = house.operate(&Call::admin("PATCH", "/api/settings").json(changes));
    assert_eq!(answer.status, 200, "{changes}: {answer}");
    answer.json()
}

fn setting(settings: &Value, key: &str) -> Value {
    let rows = settings["data"].as_array().expect("settings");
    rows.iter().find(|row| row["key"] == key).cloned().expect("a setting")
}

#[test]
fn the_next_request_goes_by_what_was_changed() {
    let house = spawn(Options { keys: good_keys(4), ..Options::default() });
    house.control().fault_model(MODEL, Fault::Internal);
    assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("4"));
    change(&house, &json!({"proxy.max_attempts": 1}));
    assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("1"));
    house.control().clear_faults();

    let paid = json!({"model": PAID_MODEL, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(house.chat(&paid).status, 403);
    change(&house, &json!({"proxy.free_models_only": false}));
    assert_eq!(house.chat(&paid).status, 200);
    change(&house, &json!({"proxy.free_models_only": true}));
    assert_eq!(house.chat(&paid).status, 403);

    let sent =
        || house.control().received().last().map(|seen| String::from_utf8_lossy(&seen.body).into_owned());
    change(&house, &json!({"proxy.cache_control": "last_message", "proxy.max_tokens": "auto"}));
    assert_eq!(house.chat(&chat("mark me", false)).status, 200);
    assert!(
        sent().is_some_and(|body| body.contains("cache_control") && body.contains("max_tokens")),
        "{:?}",
        sent()
    );
    change(&house, &json!({"proxy.cache_control": "off", "proxy.max_tokens": "off"}));
    assert_eq!(house.chat(&chat("leave me", false)).status, 200);
    assert!(sent().is_some_and(|body| !body.contains("cache_control") && !body.contains("max_tokens")));
}

#[test]
fn limits_of_accounts_change_and_go() {
    let house = spawn(Options::default());
    let limit =
        || house.operate(&Call::admin("GET", "/api/accounts")).json()["data"][0]["limit_today"].clone();
    change(
        &house,
        &json!({"proxy.free_daily_limit": 1, "proxy.free_minute_limit": 0, "proxy.queue_timeout": 0}),
    );
    wait_until("the new limit", || limit() == 1);
    assert_eq!(house.chat(&chat("x", false)).status, 429);
    let told = change(&house, &json!({"proxy.free_daily_limit": null, "proxy.free_minute_limit": null}));
    let row = setting(&told, "proxy.free_daily_limit");
    assert!(row["value"].as_str().is_some_and(|value| value.starts_with("(learned")), "{row}");
    wait_until("the old way", || limit() != 1);
    assert_eq!(house.chat(&chat("x", false)).status, 200);
}

#[test]
fn rows_are_kept_as_long_as_is_said_now() {
    let start = Timestamp::parse("2026-10-10T12:00:00Z").expect("a time");
    let clock = Clock::manual(start);
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    assert_eq!(house.chat(&chat("x", false)).status, 200);
    house.rows(1);
    clock.turn(Duration::from_secs(3 * 86_400));
    change(&house, &json!({"usage.retention_days": 2}));
    wait_until("the row to go", || house.store().usage_count().is_ok_and(|rows| rows == 0));
}

#[test]
fn what_was_changed_says_so_and_what_is_wrong_changes_nothing() {
    let house = spawn(Options::default().set("PROXY_MAX_ATTEMPTS", "3"));
    let told = change(&house, &json!({"proxy.max_attempts": 5.0, "log.level": "warn,awc=error"}));
    let row = setting(&told, "proxy.max_attempts");
    assert_eq!((&row["value"], &row["configured"]), (&json!("5"), &json!("3")), "{row}");
    assert_eq!((&row["source"], &row["takes"]), (&json!("changed here"), &json!("whole")), "{row}");
    let bad = json!({
        "proxy.max_attempts": 0, "proxy.queue_timeout": -1, "proxy.cache_control": "always",
        "proxy.free_models_only": "yes", "log.level": "loud", "server.port": 1, "proxy.early_headers": null,
    });
    let answer = house.operate(&Call::admin("PATCH", "/api/settings").json(&bad));
    assert_eq!(answer.status, 400, "{answer}");
    assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(7), "{answer}");
    let now = house.operate(&Call::admin("GET", "/api/settings")).json();
    assert_eq!(setting(&now, "proxy.max_attempts")["value"], "5");
    assert_eq!(setting(&now, "proxy.cache_control")["value"], "off");
    // The way back is the configured value; nothing is stored.
    let told = change(&house, &json!({"proxy.max_attempts": 3}));
    assert_eq!(setting(&told, "proxy.max_attempts")["value"], "3");
}

#[test]
fn the_pages_name_and_reach_the_data_plane_where_clients_see_it() {
    let house = spawn(Options::default().set("SERVER_PUBLIC_ORIGIN", "https://api.example.com"));
    let answer = house.operate(&Call::admin("GET", "/api/status"));
    assert_eq!(answer.json()["client_base_url"], "https://api.example.com/v1");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("connect-src 'self' https://api.example.com; "), "{policy}");
    // Bound to one address, that address is told, whatever name brought the browser here.
    let house = spawn(Options::default());
    let answer = house.operate(&Call::admin("GET", "/api/status").header("Host", "localhost:8001"));
    let url = format!("http://{}", house.address());
    assert_eq!(answer.json()["client_base_url"], format!("{url}/v1"));
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains(&format!("connect-src 'self' {url}; ")), "{policy}");
}

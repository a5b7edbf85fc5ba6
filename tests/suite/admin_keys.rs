//! `/api/keys`: keys come, change and go, masked; bad input is told field by field.

use crate::support::{Answer, Call, House, Options, Wire, chat, good_keys, spawn, wait_until};
use serde_json::{Value, json};

fn get(house: &House, target: &str) -> Value {
    let answer = house.operate(&Call::admin("GET", target));
    assert_eq!(answer.status, 200, "{target}: {answer}");
    answer.json()
}

fn send(house: &House, method: &str, target: &str, body: &Value) -> Answer {
    house.operate(&Call::admin(method, target).json(body))
}

/// The fields that an answer finds fault with.
fn faults(answer: &Answer) -> Vec<String> {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, Some("application/problem+json")),
        "{answer}"
    );
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_key_is_added_changed_used_and_removed() {
    let house = spawn(Options { keys: Vec::new(), ..Options::default() });
    assert_eq!(get(&house, "/api/keys"), json!({"data": [], "next_cursor": null}));
    let key = good_keys(1).remove(0);
    let added = send(&house, "POST", "/api/keys", &json!({"key": key, "label": "名字", "daily_limit": 5}));
    assert_eq!((added.status, added.header("location")), (201, Some("/api/keys/1")), "{added}");
    let shown = added.json();
    assert_eq!(
        (&shown["label"], &shown["daily_limit"], &shown["state"]),
        (&json!("名字"), &json!(5), &json!("active"))
    );
    assert!(!added.to_string().contains(&key));

    wait_until("the key to be used", || house.chat(&chat("1", false)).status == 200);
    wait_until("its count", || get(&house, "/api/keys/1")["used_today"].as_u64() > Some(0));
    let change = json!({"label": "other", "daily_limit": null, "enabled": false});
    let changed = send(&house, "PATCH", "/api/keys/1", &change).json();
    assert_eq!(
        (&changed["label"], &changed["daily_limit"], &changed["state"]),
        (&json!("other"), &json!(null), &json!("disabled"))
    );
    wait_until("the key to be out of use", || house.chat(&chat("2", false)).status == 503);
    assert_eq!(send(&house, "PATCH", "/api/keys/1", &json!({"enabled": true})).json()["label"], "other");
    wait_until("the key to be used again", || house.chat(&chat("3", false)).status == 200);

    assert_eq!(house.operate(&Call::admin("DELETE", "/api/keys/1")).status, 204);
    assert_eq!(house.operate(&Call::admin("DELETE", "/api/keys/1")).status, 404);
    assert_eq!(house.operate(&Call::admin("GET", "/api/keys/1")).status, 404);
    assert_eq!(get(&house, "/api/keys")["data"], json!([]));
}

#[test]
fn bad_keys_are_told_field_by_field() {
    let house = spawn(Options::default());
    let add = |body: Value| send(&house, "POST", "/api/keys", &body);
    assert_eq!(faults(&add(json!({}))), ["key"]);
    assert_eq!(
        faults(&add(json!({"key": "hello", "label": 7, "daily_limit": 0, "weight": 1}))),
        ["key", "label", "daily_limit", "weight"]
    );
    for label in ["x".repeat(10_000), "a\u{0}b".to_owned(), "a\u{202e}b".to_owned(), "a\nb".to_owned()] {
        assert_eq!(faults(&add(json!({"key": "sk-or-v1-sim-good-9", "label": label}))), ["label"]);
    }
    let again = add(json!({"key": good_keys(1)[0]}));
    assert!(
        again.status == 409 && again.json()["detail"].as_str().is_some_and(|detail| detail.contains("key 1")),
        "{again}"
    );
    assert_eq!(get(&house, "/api/keys")["data"].as_array().map(Vec::len), Some(1));
    for target in ["/api/keys/99", "/api/keys/x", "/api/keys/-1", "/api/keys/99999999999999999999"] {
        assert_eq!(send(&house, "PATCH", target, &json!({"label": "x"})).status, 404, "{target}");
    }
    for query in ["limit=0", "limit=501", "limit=x", "cursor=x", "page=1", "limit=1&limit=2"] {
        let answer = house.operate(&Call::admin("GET", &format!("/api/keys?{query}")));
        assert!(!faults(&answer).is_empty(), "{query}");
    }
}

#[test]
fn keys_come_in_pages() {
    let house = spawn(Options { keys: good_keys(5), ..Options::default() });
    let (mut seen, mut target) = (Vec::new(), "/api/keys?limit=2".to_owned());
    loop {
        let page = get(&house, &target);
        seen.extend(page["data"].as_array().cloned().unwrap_or_default().iter().map(|key| key["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("/api/keys?limit=2&cursor={cursor}");
    }
    assert_eq!(Value::from(seen), json!([1, 2, 3, 4, 5]));
}

#[test]
fn many_keys_come_and_go_at_once() {
    let house = spawn(Options::default());
    let known = &good_keys(1)[0];
    let text = format!(
        "# ours\n\nsk-or-v1-sim-good-0002,two,5\nhello\n{known}\nsk-or-v1-sim-good-0002\nsk-or-v1-sim-good-0003,\u{7},\n"
    );
    let imported = send(&house, "POST", "/api/keys/import", &json!({ "text": text })).json();
    let results: Vec<&str> = imported["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["result"].as_str())
        .collect();
    assert_eq!(results, ["added", "failed", "known", "known", "failed"]);
    assert_eq!(
        (&imported["added"], &imported["known"], &imported["failed"]),
        (&json!(1), &json!(2), &json!(2))
    );
    assert_eq!(imported["lines"][0]["line"], 3);
    assert!(!imported.to_string().contains("sk-or-v1"), "{imported}");
    let long = send(&house, "POST", "/api/keys/import", &json!({"text": "x".repeat(1_100_000)}));
    assert_eq!(faults(&long), ["text"]);
    // What is announced as too much is refused before it comes.
    let mut wire = Wire::open(house.admin_address());
    wire.write(Call::admin("POST", "/api/keys").json(&json!({})).head(99_999_999_999).as_bytes());
    assert_eq!(wire.head().status, 413);

    let masked = house.operate(&Call::admin("GET", "/api/keys/export"));
    assert!(masked.header("content-disposition").is_some_and(|value| value.starts_with("attachment")));
    assert!(!masked.to_string().contains("sk-or-"), "{masked}");
    assert_eq!(house.operate(&Call::admin("GET", "/api/keys/export?secrets=true")).status, 409);
    let clear = get(&house, "/api/keys/export?secrets=true&confirm=secrets");
    assert_eq!((&clear["data"][0]["key"], &clear["data"][1]["label"]), (&json!(known), &json!("two")));
}

#[test]
fn an_export_comes_back_as_it_went() {
    let house = spawn(Options { keys: good_keys(2), ..Options::default() });
    assert_eq!(
        send(&house, "PATCH", "/api/keys/2", &json!({"label": "乙", "daily_limit": 7, "enabled": false}))
            .status,
        200
    );
    let export = house.operate(&Call::admin("GET", "/api/keys/export?secrets=true&confirm=secrets"));
    let text = String::from_utf8(export.body).expect("UTF-8");
    let other = spawn(Options { keys: Vec::new(), ..Options::default() });
    let imported =
        send(&other, "POST", "/api/keys/import", &json!({ "text": format!("\u{feff}{text}") })).json();
    assert_eq!((&imported["added"], &imported["failed"]), (&json!(2), &json!(0)), "{imported}");
    let kept = get(&other, "/api/keys/2");
    assert_eq!(
        (&kept["label"], &kept["daily_limit"], &kept["enabled"]),
        (&json!("乙"), &json!(7), &json!(false))
    );
    assert_eq!(get(&other, "/api/keys/1")["enabled"], true);
    // Without the keys themselves nothing can come back, and that is said.
    let masked = house.operate(&Call::admin("GET", "/api/keys/export"));
    let text = String::from_utf8(masked.body).expect("UTF-8");
    let imported = send(&other, "POST", "/api/keys/import", &json!({ "text": text })).json();
    assert_eq!((&imported["added"], &imported["failed"]), (&json!(0), &json!(2)), "{imported}");
}

#[test]
fn what_looks_like_a_script_comes_back_as_data() {
    let house = spawn(Options { keys: Vec::new(), ..Options::default() });
    let scripts = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "=cmd|' /C calc'!A0",
        "{{7*7}}",
        "'; DROP TABLE keys;--",
    ];
    for (number, script) in scripts.iter().enumerate() {
        let body = json!({"key": format!("sk-or-v1-sim-good-{number}"), "label": script});
        let answer = send(&house, "POST", "/api/keys", &body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (201, Some("application/json")),
            "{answer}"
        );
        assert_eq!(answer.json()["label"], *script);
    }
    let labels = get(&house, "/api/keys");
    let labels: Vec<&str> =
        labels["data"].as_array().expect("keys").iter().filter_map(|key| key["label"].as_str()).collect();
    assert_eq!(labels, scripts);
}

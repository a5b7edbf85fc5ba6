//! What the operator sees: usage, overview, accounts, models, settings; and what can be changed there.

use crate::support::{Answer, Call, House, MODEL, Options, chat, good_keys, spawn, wait_until};
use openrouter_proxy::domain::time::Timestamp;
use serde_json::{Value, json};

fn get(house: &House, target: &str) -> Value {
    let answer = house.operate(&Call::admin("GET", target));
    assert_eq!(answer.status, 200, "{target}: {answer}");
    answer.json()
}

fn send(house: &House, method: &str, target: &str, body: &Value) -> Answer {
    house.operate(&Call::admin(method, target).json(body))
}

#[test]
fn requests_are_listed_filtered_and_exported() {
    let house = spawn(Options { keys: good_keys(2), ..Options::default() });
    for number in 0..7 {
        assert_eq!(house.chat(&chat(&format!("{number}"), number % 2 == 0)).status, 200);
    }
    let unknown = json!({"model": "=no/such", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(house.chat(&unknown).status, 404);
    house.rows(8);

    let (mut seen, mut target) = (Vec::new(), "/api/usage?limit=3".to_owned());
    loop {
        let page = get(&house, &target);
        seen.extend(page["data"].as_array().cloned().unwrap_or_default());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("/api/usage?limit=3&cursor={cursor}");
    }
    let times: Vec<Timestamp> =
        seen.iter().filter_map(|row| Timestamp::parse(row["time"].as_str()?)).collect();
    assert!(seen.len() == 8 && times.is_sorted_by(|one, other| one >= other), "{times:?}");
    for (filter, count) in [
        ("model=%3Dno/such", 1),
        ("status=404", 1),
        ("status=completed", 7),
        ("status=refused", 1),
        ("key=1", 4),
        ("key=99", 0),
        ("token=1", 0),
        ("q=no/such", 1),
        ("since=2000-01-01", 8),
        ("until=2000-01-01", 0),
        ("key=1&status=200&q=glm", 4),
    ] {
        let found = get(&house, &format!("/api/usage?{filter}"))["data"].as_array().map(Vec::len);
        assert_eq!(found, Some(count), "{filter}");
    }
    for filter in
        ["status=600", "status=good", "key=x", "key=0", "since=yesterday", "cursor=x", "q=%00", "colour=red"]
    {
        assert_eq!(
            house.operate(&Call::admin("GET", &format!("/api/usage?{filter}"))).status,
            400,
            "{filter}"
        );
    }
    let id = seen[0]["request_id"].as_str().expect("an id");
    assert_eq!(get(&house, &format!("/api/usage/{id}")), seen[0]);
    assert_eq!(house.operate(&Call::admin("GET", "/api/usage/nothing")).status, 404);

    let csv = house.operate(&Call::admin("GET", "/api/usage/export?format=csv"));
    assert!(csv.header("content-disposition").is_some_and(|value| value.contains("usage.csv")), "{csv}");
    let text = String::from_utf8(csv.body.clone()).expect("text");
    assert!(
        text.lines().count() == 9 && text.starts_with("request_id,") && text.contains(",'=no/such,"),
        "{text}"
    );
    let jsonl = house.operate(&Call::admin("GET", "/api/usage/export?status=404"));
    let row: Value = serde_json::from_slice(&jsonl.body).expect("one line");
    assert_eq!(row["model"], "=no/such");
}

#[test]
fn the_first_page_is_one_answer() {
    let house = spawn(Options::keys(["good", "good", "revoked"]).set("PROXY_FREE_DAILY_LIMIT", "50"));
    for number in 0..4 {
        assert_eq!(house.chat(&chat(&format!("{number}"), true)).status, 200);
    }
    house.rows(4);
    let overview = get(&house, "/api/overview?days=3");
    assert_eq!((&overview["today"]["requests"], &overview["today"]["completed"]), (&json!(4), &json!(4)));
    assert!(overview["today"]["total_tokens"].as_u64() > Some(0), "{overview}");
    assert!(overview["today"]["first_content_p50"].is_u64(), "{overview}");
    assert_eq!(overview["days"].as_array().map(Vec::len), Some(3));
    assert_eq!(overview["hours"].as_array().map(Vec::len), Some(24));
    assert_eq!(
        (&overview["models"][0]["name"], &overview["models"][0]["requests"]),
        (&json!(MODEL), &json!(4))
    );
    assert_eq!(overview["keys"]["count"], 3);
    assert!(overview["quota"]["limit"] == 100 && overview["quota"]["used"].as_u64() >= Some(4), "{overview}");
    let banners: Vec<&str> = overview["banners"]
        .as_array()
        .expect("banners")
        .iter()
        .filter_map(|banner| banner["kind"].as_str())
        .collect();
    assert!(banners.contains(&"key_dead"), "{banners:?}");
    assert_eq!(get(&house, "/api/usage/stats?days=1")["days"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_dead_key_is_checked_and_reset() {
    let house = spawn(Options::keys(["revoked"]));
    house.chat(&chat("1", false));
    wait_until("the key to be dead", || get(&house, "/api/keys/1")["state"] == "dead");
    let key = get(&house, "/api/keys/1");
    assert!(key["resting"]["cause"].is_string() && key["resting"]["place"] == "key:1", "{key}");
    let checked = send(&house, "POST", "/api/keys/1/check", &json!({})).json();
    assert!(checked["valid"] == false && checked["key"]["id"] == 1, "{checked}");
    let reset = send(&house, "POST", "/api/keys/1/reset", &json!({}));
    assert_eq!((reset.status, &reset.json()["state"]), (200, &json!("active")), "{reset}");
    for what in ["check", "reset"] {
        assert_eq!(send(&house, "POST", &format!("/api/keys/9/{what}"), &json!({})).status, 404);
    }
}

#[test]
fn accounts_show_and_keep_their_limits() {
    let house = spawn(Options { keys: good_keys(2), ..Options::default() });
    wait_until("the accounts", || {
        get(&house, "/api/accounts")["data"].as_array().is_some_and(|list| !list.is_empty())
    });
    let id = get(&house, "/api/accounts")["data"][0]["id"].clone();
    let target = format!("/api/accounts/{id}");
    let changed = send(&house, "PATCH", &target, &json!({"daily_limit": 7, "minute_limit": -1})).json();
    assert_eq!(
        (&changed["limit_today"], &changed["minute_limit"], &changed["limit_minute"]),
        (&json!(7), &json!(-1), &json!(null))
    );
    let back = send(&house, "PATCH", &target, &json!({"daily_limit": null})).json();
    assert_eq!((&back["daily_limit"], &back["minute_limit"]), (&json!(null), &json!(-1)));
    assert_eq!(send(&house, "POST", &format!("{target}/reset"), &json!({})).status, 200);
    assert_eq!(send(&house, "PATCH", &target, &json!({"daily_limit": -2})).status, 400);
    assert_eq!(send(&house, "PATCH", "/api/accounts/999", &json!({"daily_limit": 1})).status, 404);
}

#[test]
fn a_model_is_taken_off_and_stays_off() {
    let mut house = spawn(Options::default());
    let models = get(&house, "/api/models?limit=500");
    let models = models["data"].as_array().expect("models");
    assert!(models.iter().all(|model| model["free"] == true && model["enabled"] == true));
    let target = format!("/api/models/{MODEL}");
    let model = get(&house, &target);
    assert!(model["context_length"].as_u64() > Some(0) && model["input_modalities"][0] == "text", "{model}");
    assert_eq!(get(&house, &target.replace("z-ai/", "z-ai%2F")), model);

    let off = send(&house, "PATCH", &target, &json!({"enabled": false})).json();
    assert_eq!(off["enabled"], false);
    let refused = house.chat(&chat("1", false));
    assert_eq!((refused.status, refused.error("code").as_str()), (404, "model_not_found"));
    let listed = house.ask(&Call::get("/v1/models"));
    assert!(!String::from_utf8_lossy(&listed.body).contains(&format!("\"{MODEL}\"")));
    let refreshed = send(&house, "POST", "/api/models/refresh", &json!({})).json();
    assert_eq!((&refreshed["added"], &refreshed["removed"]), (&json!([]), &json!([])));
    assert_eq!(house.chat(&chat("2", false)).status, 404, "a refresh keeps it off");
    house.stop();
    house.start();
    assert_eq!(house.chat(&chat("3", false)).status, 404, "so does a restart");
    let only = get(&house, "/api/models?enabled=false");
    assert_eq!((only["data"].as_array().map(Vec::len), &only["data"][0]["id"]), (Some(1), &json!(MODEL)));

    assert_eq!(send(&house, "PATCH", &target, &json!({"enabled": true})).json()["enabled"], true);
    assert_eq!(house.chat(&chat("4", false)).status, 200);
    assert_eq!(send(&house, "PATCH", "/api/models/no/such", &json!({"enabled": true})).status, 404);
    assert_eq!(send(&house, "PATCH", &target, &json!({"enabled": "yes"})).status, 400);
    let found = get(&house, "/api/models?q=GLM&free=all&limit=1");
    assert!(found["data"][0]["id"].as_str().is_some_and(|id| id.contains("glm")), "{found}");
}

#[test]
fn tokens_are_issued_once_changed_and_revoked() {
    let house = spawn(Options::default());
    let issued = send(
        &house,
        "POST",
        "/api/tokens",
        &json!({"name": "laptop", "requests_per_day": 5, "allowed_models": [MODEL]}),
    );
    assert_eq!(issued.status, 201, "{issued}");
    let token = issued.json()["token"].as_str().expect("a token").to_owned();
    let shown = get(&house, "/api/tokens/1");
    assert!(shown["state"] == "active" && !shown.to_string().contains(&token), "{shown}");
    let changed =
        send(&house, "PATCH", "/api/tokens/1", &json!({"requests_per_day": null, "name": "phone"})).json();
    assert_eq!(
        (&changed["name"], &changed["requests_per_day"], &changed["allowed_models"]),
        (&json!("phone"), &json!(null), &json!([MODEL]))
    );
    assert_eq!(house.operate(&Call::admin("DELETE", "/api/tokens/1")).status, 204);
    assert_eq!(get(&house, "/api/tokens")["data"][0]["state"], "revoked");
    for method in ["GET", "DELETE"] {
        assert_eq!(house.operate(&Call::admin(method, "/api/tokens/1")).status, 404, "{method}");
    }
    assert_eq!(house.operate(&Call::admin("DELETE", "/api/tokens/9")).status, 404);
    for bad in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x", "requests_per_day": 0}),
        json!({"name": "x", "allowed_models": ["a b"]}),
        json!({"name": "\u{202e}"}),
    ] {
        assert_eq!(send(&house, "POST", "/api/tokens", &bad).status, 400, "{bad}");
    }
}

#[test]
fn settings_show_their_sources_and_hide_secrets() {
    let house = spawn(Options { keys: good_keys(2), ..Options::default() });
    let settings = get(&house, "/api/settings");
    let find = |settings: &Value, key: &str| {
        settings["data"]
            .as_array()
            .expect("settings")
            .iter()
            .find(|row| row["key"] == key)
            .cloned()
            .expect("a setting")
    };
    let text = settings.to_string();
    assert!(!text.contains("admin-password") && !text.contains("sk-or-v1"), "{text}");
    assert_eq!(find(&settings, "admin.password")["secret"], true);
    assert!(find(&settings, "server.port")["source"].as_str().is_some_and(|source| source.contains("PORT")));
    let changed =
        send(&house, "PATCH", "/api/settings", &json!({"proxy.load_balance_strategy": "random"})).json();
    let row = find(&changed, "proxy.load_balance_strategy");
    assert_eq!((&row["value"], &row["live"]), (&json!("random"), &json!(true)));
    for bad in [json!({"proxy.load_balance_strategy": "best"}), json!({"server.port": 1})] {
        assert_eq!(send(&house, "PATCH", "/api/settings", &bad).status, 400, "{bad}");
    }
}

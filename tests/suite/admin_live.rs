//! What happens, as it happens: live events, metrics, and the document that describes it all.

use crate::support::{Call, House, Options, Wire, chat, spawn, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A page that listens.
struct Listener {
    wire: Wire,
    answer: crate::support::Answer,
}

impl Listener {
    fn new(house: &House, call: &Call) -> Listener {
        let mut wire = Wire::open(house.admin_address());
        wire.send(call);
        let answer = wire.head();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/event-stream")),
            "{answer}"
        );
        Listener { wire, answer }
    }

    /// The data of the next event of this name.
    fn next(&mut self, name: &str) -> Value {
        loop {
            let text = String::from_utf8_lossy(&self.answer.body).into_owned();
            let mut events = text.split_inclusive("\n\n").filter(|event| event.ends_with("\n\n"));
            let wanted = format!("event: {name}\ndata: ");
            if let Some(event) = events.find(|event| event.starts_with(&wanted)) {
                let end = text.find(event).expect("it is there") + event.len();
                self.answer.body.drain(..end);
                return serde_json::from_str(event[wanted.len()..].trim()).expect("JSON");
            }
            assert!(self.wire.piece(&mut self.answer), "the stream ended: {text}");
        }
    }
}

#[test]
fn rows_are_seen_as_requests_end() {
    let house = spawn(Options::default());
    let mut page = Listener::new(&house, &Call::admin("GET", "/api/events"));
    assert_eq!(page.next("state")["keys"]["count"], 1);
    let answer = house.chat(&chat("1", false));
    let row = page.next("row");
    assert_eq!(
        (row["request_id"].as_str(), &row["outcome"]),
        (answer.header("x-request-id"), &json!("completed"))
    );
    page.wire.close();
}

#[test]
fn a_flood_is_sampled_and_counted() {
    let house = spawn(Options { keys: Vec::new(), ..Options::default() });
    let mut page = Listener::new(&house, &Call::admin("GET", "/api/events"));
    page.next("state");
    let wrong = Call::bare("POST", crate::support::CHAT).header("Authorization", "Bearer wrong");
    let mut wire = house.connect();
    for _ in 0..300 {
        assert_eq!(wire.ask(&wrong).status, 401);
    }
    assert!(page.next("skipped")["skipped"].as_u64() > Some(0));
    page.wire.close();
}

#[test]
fn the_stream_ends_with_its_session() {
    let house = spawn(Options::default());
    let login = Call::bare("POST", "/api/login").json(&json!({"password": "admin-password"}));
    let set = house.operate(&login).header("set-cookie").expect("a cookie").to_owned();
    let cookie = set.split(';').next().unwrap_or_default();
    let mut page = Listener::new(&house, &Call::bare("GET", "/api/events").header("Cookie", cookie));
    page.next("state");
    assert_eq!(house.operate(&Call::bare("POST", "/api/logout").header("Cookie", cookie)).status, 204);
    assert_eq!(page.next("end")["reason"], "session_ended");
    while page.wire.piece(&mut page.answer) {}
    assert!(page.answer.whole);
}

fn metrics(house: &House) -> String {
    let answer = house.operate(&Call::admin("GET", "/metrics"));
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")),
        "{answer}"
    );
    String::from_utf8(answer.body).expect("text")
}

#[test]
fn metrics_tell_what_was_served() {
    let house = spawn(Options::keys(["revoked", "good"]).set("PROXY_FREE_DAILY_LIMIT", "50"));
    for number in 0..3 {
        assert_eq!(house.chat(&chat(&format!("{number}"), true)).status, 200);
    }
    house.rows(3);
    let line = "openrouter_proxy_requests_total{class=\"free\",outcome=\"completed\",route=\"chat/completions\",status=\"200\"} 3";
    wait_until("the requests in the metrics", || metrics(&house).contains(line));
    let text = metrics(&house);
    for part in [
        "openrouter_proxy_attempt_endings_total{verdict=\"key_rejected\"} 1",
        "openrouter_proxy_attempt_endings_total{verdict=\"success\"} 3",
        "openrouter_proxy_first_content_seconds_count{route=\"chat/completions\"} 3",
        "openrouter_proxy_keys{state=\"dead\"} 1",
        "openrouter_proxy_leases_in_flight 0",
        "openrouter_proxy_database_up 1",
        "openrouter_proxy_build_info{version=",
        "openrouter_proxy_quota_left{account=",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("sk-or-"), "{text}");
}

/// The names of metrics in a text: `openrouter_proxy_` and what belongs to it.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices("openrouter_proxy_").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.split(|c| !word(c)).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_dashboard_of_grafana_names_metrics_that_there_are() {
    let house = spawn(Options::default().set("PROXY_FREE_DAILY_LIMIT", "50"));
    assert_eq!(house.chat(&chat("1", true)).status, 200);
    house.rows(1);
    house.keys();
    let exported = metrics(&house);
    let dashboard = include_str!("../../docs/grafana.json");
    let _: Value = serde_json::from_str(dashboard).expect("JSON");
    // The database is timed as rows are written, so every histogram has a first entry by now.
    let known = names(&exported);
    let missing: Vec<String> = names(dashboard).difference(&known).cloned().collect();
    assert!(missing.is_empty(), "{missing:?} of {known:?}");
}

#[test]
fn the_document_describes_every_route() {
    let house = spawn(Options::default());
    let document = house.operate(&Call::admin("GET", "/api/openapi.json")).json();
    assert_eq!(document["openapi"], "3.1.0");
    for route in openrouter_proxy::admin_plane::routes::table() {
        assert!(
            document["paths"][route.path][route.method.as_str().to_lowercase()].is_object(),
            "{}",
            route.path
        );
    }
}

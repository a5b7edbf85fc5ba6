//! The admin plane as a whole: a walk over its own table of routes. Nothing without a credential,
//! headers on every answer, and no route of one plane on the other's port.

use crate::support::{Call, House, Options, Wire, chat, spawn};
use openrouter_proxy::admin_plane::routes::{Route, table};
use serde_json::{Value, json};

const HEADERS: &[&str] = &[
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "cache-control",
];

/// The path of a route with something in place of what varies.
fn target(route: &Route) -> String {
    route.path.replace("{id}", "1").replace("{request_id}", "1")
}

fn call(route: &Route) -> Call {
    let call = Call::bare(route.method.as_str(), &target(route));
    if route.body.is_some() { call.json(&json!({})) } else { call }
}

fn has_headers(house: &House, call: &Call) {
    let answer = house.operate(call);
    for name in HEADERS {
        assert!(answer.header(name).is_some(), "{} {} has no {name}: {answer}", call.method, call.target);
    }
}

#[test]
fn every_route_but_the_open_ones_needs_a_credential() {
    let house = spawn(Options::keys(["good"]));
    let open: Vec<String> = table()
        .iter()
        .filter(|route| route.open)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(open, ["POST /api/login", "GET /health"]);
    for route in table().iter().filter(|route| !route.open) {
        for credential in [None, Some("Basic eDp4"), Some("Bearer "), Some("\u{7f}")] {
            let call = call(route);
            let call = credential.map_or(call.clone(), |value| call.header("Authorization", value));
            let answer = house.operate(&call);
            // A header that HTTP does not allow is refused by the server before any route.
            assert!(matches!(answer.status, 401 | 400), "{} {}: {answer}", call.method, call.target);
            assert!(!String::from_utf8_lossy(&answer.body).contains("keys"), "{}: {answer}", call.target);
        }
        let stale = call(route).header("Cookie", "openrouter_proxy_session=0123456789abcdef");
        assert_eq!(house.operate(&stale).status, 401, "{}", stale.target);
    }
    let status = house.operate(&Call::bare("GET", "/api/status"));
    assert_eq!((status.status, status.header("content-type")), (401, Some("application/problem+json")));
    assert_eq!(status.header("www-authenticate"), Some("Bearer"));
    for target in ["/api/nothing", "/api", "/api/", "/api//status", "/API/status", "/api/%6beys"] {
        let answer = house.operate(&Call::bare("GET", target));
        assert!(matches!(answer.status, 401 | 404), "{target}: {answer}");
    }
}

#[test]
fn every_answer_carries_the_security_headers() {
    let house = spawn(Options::default());
    for route in &table() {
        has_headers(&house, &call(route));
        if route.path != "/api/events" {
            has_headers(&house, &Call { headers: Call::admin("GET", "/").headers, ..call(route) });
        }
    }
    for target in ["/", "/main.js", "/nothing", "/../Cargo.toml", "/api/nothing"] {
        has_headers(&house, &Call::bare("GET", target));
        has_headers(&house, &Call::bare("GET", target).header("Host", "evil.example"));
        let answer = house.operate(&Call::bare("GET", target));
        assert!(!String::from_utf8_lossy(&answer.body).contains("[dependencies]"), "{target}");
    }
}

#[test]
fn what_is_no_request_or_no_address_is_a_problem_too() {
    let house = spawn(Options::default());
    let wires =
        ["GE T / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"].map(
            |bytes| {
                let mut wire = Wire::open(house.admin_address());
                wire.write(bytes.as_bytes());
                wire.answer()
            },
        );
    let targets = ["/.git/config", "/..%2f..%2fetc/passwd", "/%ff"];
    let asked = targets.map(|target| house.operate(&Call::bare("GET", target)));
    for answer in wires.iter().chain(&asked) {
        assert!(matches!(answer.status, 400 | 404), "{answer}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer}");
        assert_eq!(answer.json()["status"], answer.status, "{answer}");
        for name in HEADERS {
            assert!(answer.header(name).is_some(), "no {name}: {answer}");
        }
    }
}

#[test]
fn a_head_is_answered_like_a_get_without_the_body() {
    let house = spawn(Options::keys(["good"]));
    let paths: Vec<&str> =
        table().iter().filter(|route| route.method == "GET").map(|route| route.path).collect();
    for (address, target) in paths
        .into_iter()
        .chain(["/", "/nothing"])
        .map(|target| (house.admin_address(), target))
        .chain(["/v1/models", "/v1/key", "/health", "/nothing"].map(|target| (house.address(), target)))
    {
        let target = target.replace("{id}", "1").replace("{request_id}", "1");
        let call = |method: &str| {
            let given =
                if address == house.address() { Call::get(&target) } else { Call::admin("GET", &target) };
            Call { method: method.to_owned(), ..given }
        };
        let mut wire = Wire::open(address);
        wire.send(&call("HEAD"));
        let head = wire.head();
        let mut other = Wire::open(address);
        other.send(&call("GET"));
        let got = other.head();
        assert_eq!(
            (head.status, head.header("content-type")),
            (got.status, got.header("content-type")),
            "{target}"
        );
        // What comes next on the connection is the next answer.
        if head.header("connection").is_none() {
            wire.send(&call("HEAD"));
            assert_eq!(wire.head().status, got.status, "{target}");
        }
    }
}

#[test]
fn other_methods_are_refused_with_those_there_are() {
    let house = spawn(Options::default());
    for route in &table() {
        let answer = house.operate(&Call::admin("PUT", &target(route)));
        assert_eq!(answer.status, 405, "{}: {answer}", route.path);
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains(route.method.as_str())),
            "{answer}"
        );
    }
}

#[test]
fn the_planes_stay_apart() {
    let house = spawn(Options::keys(["good"]));
    for route in &table() {
        // Both planes say whether they live.
        if route.path == "/health" {
            continue;
        }
        let asked = Call { headers: Call::admin("GET", "/").headers, ..call(route) };
        let answer = house.ask(&asked);
        assert_eq!(
            (answer.status, answer.error("code").as_str()),
            (404, "unknown_route"),
            "{}",
            asked.target
        );
    }
    for target in ["/main.js", "/style.css", "/index.html"] {
        let answer = house.ask(&Call::admin("GET", target));
        assert_eq!((answer.status, answer.error("code").as_str()), (404, "unknown_route"), "{target}");
    }
    for target in ["/v1/models", "/v1/chat/completions", "/api/v1/models", "/ready"] {
        let answer = Wire::open(house.admin_address()).ask(&Call::admin("GET", target));
        assert_eq!(answer.status, 404, "{target}: {answer}");
    }
}

#[test]
fn the_status_tells_what_stands_behind() {
    let house = spawn(Options::keys(["good", "revoked"]));
    for number in 0..3 {
        assert_eq!(house.chat(&chat(&format!("{number}"), false)).status, 200);
    }
    let answer = house.operate(&Call::admin("GET", "/api/status"));
    assert_eq!(answer.status, 200, "{answer}");
    let status: Value = answer.json();
    assert_eq!((&status["keys"]["count"], &status["degraded"]), (&json!(2), &json!(false)));
    assert!(status["models"]["free"].as_u64() > Some(10), "{status}");
    assert_eq!(status["actors"]["key_pool"], true);
    let text = status.to_string();
    assert!(!text.contains("sk-or-") && !text.contains("admin-password"), "{text}");
}

//! The admin plane: nothing without the password, headers on every answer, and no route of one plane
//! on the other's port.

use crate::support::{Answer, Call, Options, Wire, chat, spawn};
use serde_json::Value;

const BEARER: &str = "Bearer admin-password";

#[test]
fn nothing_is_told_without_the_password() {
    let house = spawn(Options::keys(["good"]));
    let ask = |call: &Call| -> Answer { Wire::open(house.admin_address()).ask(call) };
    for target in ["/api/status", "/api/nothing", "/api", "/api/", "/api//status"] {
        for credential in
            [None, Some("Bearer wrong"), Some("Basic eDp4"), Some("Bearer "), Some("Bearer \u{7f}")]
        {
            let call = Call::bare("GET", target);
            let call = credential.map_or(call.clone(), |value| call.header("Authorization", value));
            let answer = ask(&call);
            assert!(matches!(answer.status, 401 | 404 | 400), "{target} {credential:?}: {answer}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("keys"), "{target}: {answer}");
        }
    }
    let status = ask(&Call::bare("GET", "/api/status"));
    assert_eq!((status.status, status.header("content-type")), (401, Some("application/problem+json")));
    assert_eq!(status.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn the_status_tells_what_stands_behind() {
    let house = spawn(Options::keys(["good", "revoked"]));
    for number in 0..3 {
        assert_eq!(house.chat(&chat(&format!("{number}"), false)).status, 200);
    }
    let answer = Wire::open(house.admin_address())
        .ask(&Call::bare("GET", "/api/status").header("Authorization", BEARER));
    assert_eq!(answer.status, 200, "{answer}");
    let status: Value = answer.json();
    assert_eq!(status["keys"]["count"], 2);
    assert!(status["models"]["free"].as_u64() > Some(10), "{status}");
    assert_eq!(status["actors"]["key_pool"], true);
    let text = status.to_string();
    assert!(!text.contains("sk-or-") && !text.contains("admin-password"), "{text}");
}

#[test]
fn pages_and_errors_carry_the_security_headers() {
    let house = spawn(Options::default());
    for target in ["/health", "/", "/main.js", "/nothing", "/../Cargo.toml", "/api/status"] {
        let answer = Wire::open(house.admin_address()).ask(&Call::bare("GET", target));
        for name in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cross-origin-opener-policy",
            "cache-control",
        ] {
            assert!(answer.header(name).is_some(), "{target} has no {name}: {answer}");
        }
        assert!(!String::from_utf8_lossy(&answer.body).contains("[dependencies]"), "{target}");
    }
    let wrong = Wire::open(house.admin_address()).ask(&Call::bare("POST", "/health"));
    assert_eq!(wrong.status, 405);
}

#[test]
fn the_planes_stay_apart() {
    let house = spawn(Options::keys(["good"]));
    for target in ["/api/status", "/main.js", "/style.css", "/index.html"] {
        let answer = house.ask(&Call::bare("GET", target).header("Authorization", BEARER));
        assert_eq!((answer.status, answer.error("code").as_str()), (404, "unknown_route"), "{target}");
    }
    for target in ["/v1/models", "/v1/chat/completions", "/api/v1/models", "/ready"] {
        let answer = Wire::open(house.admin_address()).ask(&Call::get(target));
        assert!(matches!(answer.status, 401 | 404), "{target}: {answer}");
    }
}

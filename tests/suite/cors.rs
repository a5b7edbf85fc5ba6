//! Pages of other origins may call the data plane, and ask beforehand whether they may.

use crate::support::{CHAT, Call, MODEL, Options, chat, spawn};
use serde_json::json;

const ORIGIN: &str = "https://app.example";

/// What a browser sends before `method` on `path`.
fn preflight(path: &str, method: &str) -> Call {
    Call::bare("OPTIONS", path)
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os")
}

#[test]
fn browsers_may_ask_beforehand() {
    let house = spawn(Options::default());
    let routes = [
        ("/v1/chat/completions", "POST"),
        ("/api/v1/messages", "POST"),
        ("/v1/models", "GET"),
        ("/v1/models/z-ai/glm-4.5-air:free", "GET"),
        ("/health", "GET"),
    ];
    for (path, method) in routes {
        let answer = house.ask(&preflight(path, method));
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer}");
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", method),
            ("access-control-allow-headers", "authorization,content-type,x-stainless-os"),
            ("access-control-max-age", "86400"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer}");
    }
    let silent = house.ask(&Call::bare("OPTIONS", CHAT).header("Origin", ORIGIN));
    assert!(
        silent.header("access-control-allow-headers").is_some_and(|names| names.contains("authorization")),
        "{silent}"
    );
    assert_eq!(house.ask(&preflight("/v1/nothing", "POST")).status, 404);
    assert_eq!(house.attempts(), 0);
}

#[test]
fn answers_and_errors_may_be_read_by_every_page() {
    let house = spawn(Options::default());
    let post = |body: String| Call::post(CHAT, body).header("Origin", ORIGIN);
    let calls = [
        (post(chat("hi", false).to_string()), 200),
        (post(chat("hi", true).to_string()), 200),
        (post("{".to_owned()), 400),
        (post(json!({"model": "no/such", "messages": [{"role": "user"}]}).to_string()), 404),
        (Call::get("/v1/models").header("Origin", ORIGIN), 200),
        (Call::get(&format!("/v1/models/{MODEL}")), 200),
        (Call::bare("GET", "/v1/models").header("Origin", ORIGIN), 401),
        (Call::get("/v1/nothing").header("Origin", ORIGIN), 404),
        (Call::get(CHAT).header("Origin", ORIGIN), 405),
    ];
    for (call, status) in calls {
        let answer = house.ask(&call);
        assert_eq!(answer.status, status, "{answer}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer}");
        let exposed = answer.header("access-control-expose-headers").expect("what may be read");
        for name in ["x-request-id", "x-proxy-attempts", "x-proxy-model", "retry-after"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
}

#[test]
fn without_credentials_strange_pages_may_not() {
    let house = spawn(Options::default().set("ALLOW_ANONYMOUS", "true"));
    let ask = |origin: &str| {
        let call = Call::bare("POST", CHAT).header("Origin", origin);
        house.ask(&Call { body: chat("hi", false).to_string().into_bytes(), ..call })
    };
    let near = ask("http://localhost:3000");
    assert_eq!((near.status, near.header("vary")), (200, Some("origin")), "{near}");
    assert_eq!(near.header("access-control-allow-origin"), Some("http://localhost:3000"), "{near}");
    let before = house.attempts();
    for origin in [ORIGIN, "null", "http://evil.example:8000"] {
        let strange = ask(origin);
        assert_eq!((strange.status, strange.error("code").as_str()), (403, "foreign_page"), "{strange}");
        assert_eq!(strange.header("access-control-allow-origin"), None, "{strange}");
    }
    assert_eq!(house.attempts(), before, "nothing was sent for a strange page");
    // A program with an origin of its own is no web page.
    assert_eq!(ask("app://notes").status, 200);
    assert_eq!(house.ask(&preflight(CHAT, "POST")).header("access-control-allow-origin"), None);
}

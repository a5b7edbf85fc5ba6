//! Bad input is refused early, in OpenAI's shape, with a true status; and nothing but what is on the
//! lists ever crosses to the upstream.

use crate::support::{
    Answer, CHAT, Call, House, MODEL, Options, PAID_MODEL, PASSWORD, chat, spawn, wait_until,
};
use openrouter_proxy::simulator::{Fault, Received, Scope};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Fails unless `answer` is an error of ours with this status, type and field.
fn assert_refused(answer: &Answer, status: u16, kind: &str, param: Option<&str>) {
    assert_eq!(answer.status, status, "{answer}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer}");
    assert!(answer.header("x-request-id").is_some(), "{answer}");
    let body = answer.json();
    let members: Vec<&String> = body["error"].as_object().expect("an error").keys().collect();
    assert_eq!(members, ["code", "message", "param", "type"], "{answer}");
    assert_eq!(body["error"]["type"], kind, "{answer}");
    assert_eq!(body["error"]["param"], param.map_or(Value::Null, Value::from), "{answer}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| message.len() > 8), "{answer}");
}

/// The requests that reached the simulator, but for its model list.
fn sent_up(house: &House) -> Vec<Received> {
    house.control().received().into_iter().filter(|received| received.method == "POST").collect()
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let house = spawn(Options::default().set("SERVER_MAX_BODY_BYTES", "100000"));
    let call = Call::post(CHAT, "");
    let mut wire = house.connect();
    let began = Instant::now();
    wire.write(call.head(100_001).as_bytes());
    let answer = wire.answer();
    assert_refused(&answer, 413, "invalid_request_error", None);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The rest of such a body is never taken for a request.
    assert!(wire.is_ended(), "the connection stays open");

    // Without a declared length it is read up to the limit and no further.
    let mut wire = house.connect();
    let head = call.head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    wire.write(head.as_bytes());
    let chunk = format!("c350\r\n{}\r\n", "x".repeat(50_000));
    wire.write(chunk.repeat(3).as_bytes());
    assert_refused(&wire.answer(), 413, "invalid_request_error", None);

    let fits = chat(&"x".repeat(90_000), false).to_string();
    assert_eq!(house.ask(&Call::post(CHAT, fits)).status, 200);
    assert_eq!(sent_up(&house).len(), 1);
    let statuses: Vec<u16> = house.rows(3).iter().map(|row| row.status).collect();
    assert_eq!(statuses, [413, 413, 200]);
}

#[test]
fn a_credential_is_asked_for_before_the_body() {
    let house = spawn(Options::default());
    let mut wire = house.connect();
    let call = Call::bare("POST", CHAT).header("Content-Type", "application/json");
    wire.write(call.head(20_000_000).as_bytes());
    assert_refused(&wire.answer(), 401, "authentication_error", None);
}

#[test]
fn bad_bodies_are_refused_and_the_field_is_named() {
    let house = spawn(Options::default());
    let hi = json!([{"role": "user", "content": "hi"}]);
    let deep = format!("{{\"model\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let twice = format!(r#"{{"model":"{MODEL}","model":"{PAID_MODEL}","messages":[]}}"#);
    let cases: Vec<(String, Option<&str>)> = vec![
        (String::new(), None),
        ("{".to_owned(), None),
        ("null".to_owned(), None),
        ("[]".to_owned(), None),
        ("{} {}".to_owned(), None),
        ("{\"model\": NaN}".to_owned(), None),
        ("\u{feff}{}x".to_owned(), None),
        (deep, None),
        (twice, Some("model")),
        (json!({"messages": hi}).to_string(), Some("model")),
        (json!({"model": null, "messages": hi}).to_string(), Some("model")),
        (json!({"model": 7, "messages": hi}).to_string(), Some("model")),
        (json!({"model": "", "messages": hi}).to_string(), Some("model")),
        (json!({"model": MODEL}).to_string(), Some("messages")),
        (json!({"model": MODEL, "messages": []}).to_string(), Some("messages")),
        (json!({"model": MODEL, "messages": "hi"}).to_string(), Some("messages")),
        (json!({"model": MODEL, "messages": ["hi"]}).to_string(), Some("messages[0]")),
        (json!({"model": MODEL, "messages": [{"content": "hi"}]}).to_string(), Some("messages[0].role")),
        (json!({"model": MODEL, "messages": hi, "stream": "yes"}).to_string(), Some("stream")),
        (json!({"model": MODEL, "messages": hi, "temperature": "hot"}).to_string(), Some("temperature")),
        (json!({"model": MODEL, "messages": hi, "max_tokens": -1}).to_string(), Some("max_tokens")),
        (json!({"model": MODEL, "messages": hi, "tools": {}}).to_string(), Some("tools")),
    ];
    let count = cases.len();
    for (body, param) in cases {
        let answer = house.ask(&Call::post(CHAT, body.as_str()));
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer.status, 400, "{shown}: {answer}");
        match param {
            Some(param) => assert_refused(&answer, 400, "invalid_request_error", Some(param)),
            None => assert_eq!(answer.error("type"), "invalid_request_error", "{shown}"),
        }
    }
    let bytes = house.ask(&Call::post(CHAT, &b"{\"model\":\"\xff\xfe\"}"[..]));
    assert_eq!(bytes.status, 400, "{bytes}");
    assert!(sent_up(&house).is_empty());
    let rows = house.rows(count + 1);
    assert_eq!(rows.len(), count + 1);
    assert!(rows.iter().all(|row| row.outcome == "refused" && row.status == 400 && row.attempts == 0));
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let house = spawn(Options::default());
    let body = chat("hi", false).to_string();
    let answer = house.ask(&Call::post(CHAT, format!("\u{feff}{body}")));
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(sent_up(&house)[0].body, body.as_bytes());
}

#[test]
fn requests_are_listed_in_the_order_they_came() {
    let clock = openrouter_proxy::domain::time::Clock::manual(
        openrouter_proxy::domain::time::Timestamp::from_millis(1_790_000_000_000),
    );
    let house = spawn(Options { clock, ..Options::default() });
    let ids = |answer: Answer| answer.header("x-request-id").expect("an id").to_owned();
    let mut wire = house.connect();
    let came: Vec<String> = (0..50).map(|_| ids(wire.ask(&Call::post(CHAT, "{}")))).collect();
    // The clock stands still, so every row has the same time.
    let listed: Vec<String> = house.rows(50).into_iter().map(|row| row.request_id).collect();
    assert_eq!(listed, came);
}

#[test]
fn other_endpoints_name_their_own_fields() {
    let house = spawn(Options::default());
    for (path, body, param) in [
        ("/v1/completions", json!({"model": MODEL}), "prompt"),
        ("/v1/completions", json!({"model": MODEL, "prompt": 1}), "prompt"),
        ("/v1/embeddings", json!({"model": MODEL}), "input"),
        ("/v1/embeddings", json!({"model": MODEL, "input": []}), "input"),
    ] {
        let answer = house.ask(&Call::post(path, body.to_string()));
        assert_refused(&answer, 400, "invalid_request_error", Some(param));
    }
    let hi = r#""messages":[{"role":"user","content":"hi"}]"#;
    let system = format!(r#"{{"model":"{MODEL}",{hi},"system":5}}"#);
    let answer = house.ask(&Call::post("/v1/messages", system));
    assert_eq!((answer.status, answer.error("param").as_str()), (400, "system"), "{answer}");
    let twice = format!(r#"{{"model":"{MODEL}",{hi},"provider":{{"sort":"price","sort":"latency"}}}}"#);
    let answer = house.ask(&Call::post(CHAT, twice));
    assert_refused(&answer, 400, "invalid_request_error", Some("provider.sort"));
    assert!(sent_up(&house).is_empty());
}

#[test]
fn unknown_and_paid_models_are_refused_with_near_names() {
    let house = spawn(Options::default());
    let ask = |model: &str| {
        let mut body = chat("hi", true);
        body["model"] = model.into();
        house.ask(&Call::post(CHAT, body.to_string()))
    };
    let unknown = ask("z-ai/glm-4.5-aire:free");
    assert_refused(&unknown, 404, "not_found_error", Some("model"));
    assert!(unknown.error("message").contains(MODEL), "{unknown}");
    let paid = ask(PAID_MODEL);
    assert_refused(&paid, 403, "permission_error", Some("model"));
    assert!(paid.error("message").contains(":free"), "{paid}");
    let twin = ask("z-ai/glm-4.5-air");
    assert!(matches!(twin.status, 403 | 404) && twin.error("message").contains(MODEL), "{twin}");
    for (field, value) in [
        ("models", json!([PAID_MODEL])),
        ("plugins", json!([{"id": "web"}])),
        ("route", json!("fallback")),
        ("web_search_options", json!({})),
        ("preset", json!("x")),
    ] {
        let mut body = chat("hi", false);
        body[field] = value;
        let answer = house.ask(&Call::post(CHAT, body.to_string()));
        assert!(matches!(answer.status, 400 | 403), "{field}: {answer}");
        assert!(
            answer.error("param").starts_with(field) || answer.error("message").starts_with(field),
            "{answer}"
        );
    }
    assert!(sent_up(&house).is_empty());
}

#[test]
fn unknown_routes_and_wrong_methods_are_told_apart() {
    let house = spawn(Options::default());
    for (method, path, status) in [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("POST", "/v1/../v1/nothing", 404),
        ("POST", "/api/v1/images", 404),
        ("GET", "/v1", 404),
        ("GET", CHAT, 405),
        ("DELETE", CHAT, 405),
        ("PUT", "/v1/embeddings", 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/v1/models/z-ai/glm-4.5-air:free", 405),
    ] {
        let answer = house.ask(&Call { method: method.to_owned(), ..Call::get(path) });
        let kind = if status == 404 { "not_found_error" } else { "invalid_request_error" };
        assert_refused(&answer, status, kind, None);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer}");
    }
    let root = house.ask(&Call::bare("GET", "/"));
    assert_eq!((root.status, &root.json()["name"]), (200, &json!("openrouter-proxy")));
    assert_eq!(house.ask(&Call::bare("GET", "/health")).status, 200);
    assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 200);
}

#[test]
fn one_right_credential_opens_and_nothing_else() {
    let house = spawn(Options::default());
    let right = format!("Bearer {PASSWORD}");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[], 401),
        (&[("Authorization", "")], 401),
        (&[("Authorization", "Bearer")], 401),
        (&[("Authorization", "Bearer ")], 401),
        (&[("Authorization", "Bearer wrong")], 401),
        (&[("Authorization", "Bearer access-passwor")], 401),
        (&[("Authorization", "Bearer access-password2")], 401),
        (&[("Authorization", PASSWORD)], 401),
        (&[("Authorization", "Basic YWNjZXNzLXBhc3N3b3Jk")], 401),
        (&[("x-api-key", "wrong")], 401),
        (&[("Authorization", &right), ("x-api-key", "wrong")], 400),
        (&[("Authorization", &right), ("Authorization", "Bearer wrong")], 400),
        (&[("Authorization", &right), ("x-api-key", PASSWORD)], 200),
        (&[("authorization", "bearer access-password")], 200),
        (&[("X-Api-Key", PASSWORD)], 200),
        // The admin password does not open the data plane where that has one of its own.
        (&[("Authorization", "Bearer admin-password")], 401),
    ];
    for (headers, status) in cases {
        for (method, path) in
            [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/models/z-ai/glm-4.5-air:free")]
        {
            let body = if method == "POST" { chat("hi", false).to_string() } else { String::new() };
            let bare = Call { body: body.into_bytes(), ..Call::bare(method, path) };
            let call = headers.iter().fold(bare, |call, (name, value)| call.header(name, value));
            let answer = house.ask(&call);
            assert_eq!(answer.status, *status, "{headers:?} {path}: {answer}");
            if *status == 401 {
                assert_refused(&answer, 401, "authentication_error", None);
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
        }
    }
    let served = cases.iter().filter(|(_, status)| *status == 200).count();
    assert_eq!(sent_up(&house).len(), served);
}

#[test]
fn the_admin_password_opens_where_it_may() {
    let call = Call::bare("GET", "/v1/models").header("x-api-key", "admin-password");
    // An empty variable is a fault, so the house's own password goes by another way.
    let mut options = Options::default();
    options.without.push("ACCESS_PASSWORD");
    let house = spawn(options);
    assert_eq!(house.ask(&call).status, 200);
    let mut options = Options::default().set("ACCESS_ACCEPT_ADMIN_PASSWORD", "false");
    options.without.push("ACCESS_PASSWORD");
    let house = spawn(options);
    assert_eq!(house.ask(&call).status, 401);
}

#[test]
fn only_what_is_on_the_lists_goes_up() {
    let house = spawn(Options::default().set("OPENROUTER_X_TITLE", "ours"));
    // White space, order, escapes and numbers that no other writer would keep.
    let body = format!(
        "{{ \"messages\":[{{\"role\":\"user\",\"content\":\"\\u00fc\\/x\",\"z\":1.0e0}}],\r\n\t\"model\":\"{MODEL}\",\"unknown\":[1e300,0.10],\"stream\":false }}\n"
    );
    let mut call = Call::post(&format!("{CHAT}?beta=true&x=%2F%C3%BC"), body.as_str());
    for (name, value) in [
        ("HTTP-Referer", "https://client.example"),
        ("X-Title", "the client's"),
        ("Cookie", "session=secret"),
        ("X-Forwarded-For", "10.1.2.3"),
        ("Forwarded", "for=10.1.2.3"),
        ("X-Real-IP", "10.1.2.3"),
        ("Proxy-Authorization", "Basic c2VjcmV0"),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", "client/1.0"),
        ("X-Secret", "secret"),
        ("X-Stainless-Lang", "python"),
        ("OpenAI-Organization", "org-secret"),
        ("TE", "trailers"),
        ("Connection", "x-secret"),
    ] {
        call = call.header(name, value);
    }
    let answer = house.ask(&call);
    assert_eq!(answer.status, 200, "{answer}");
    let received = sent_up(&house).pop().expect("a request");
    assert_eq!(received.path, "/api/v1/chat/completions");
    assert_eq!(received.query, "beta=true&x=%2F%C3%BC");
    assert_eq!(received.body, body.as_bytes());
    let mut names: Vec<String> = received.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "http-referer",
        "user-agent",
        "x-title",
    ];
    assert_eq!(names, expected);
    let value = |name: &str| {
        let found = received.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    assert_eq!(value("authorization"), "…0001");
    assert_eq!((value("accept"), value("accept-encoding")), ("*/*", "identity"));
    assert_eq!(value("host"), house.simulator.address().to_string());
    assert_eq!(value("http-referer"), "https://client.example");
    assert_eq!(value("x-title"), "the client's");
    assert_eq!(value("user-agent"), concat!("openrouter-proxy/", env!("CARGO_PKG_VERSION")));
    assert!(!format!("{received:?}").contains("secret"));

    // Without the client's word the operator's own stands.
    house.chat(&chat("hi", false));
    let received = sent_up(&house).pop().expect("a request");
    assert!(
        received.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("x-title") && value == "ours")
    );
}

#[test]
fn only_what_is_on_the_lists_comes_back() {
    let house = spawn(Options::default());
    for stream in [false, true] {
        let answer = house.chat(&chat("hi", stream));
        let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.retain(|name| {
            !["content-length", "transfer-encoding", "date", "x-provider-name"].contains(name)
        });
        names.retain(|name| !name.starts_with("access-control-"));
        let mut expected =
            vec!["content-type", "x-generation-id", "x-proxy-attempts", "x-proxy-model", "x-request-id"];
        if stream {
            expected.extend(["cache-control", "x-accel-buffering"]);
        }
        expected.sort_unstable();
        assert_eq!(names, expected, "{answer}");
        assert_eq!(answer.header("x-proxy-model"), Some(MODEL));
    }
}

#[test]
fn redirects_are_not_followed() {
    let house = spawn(Options::default().set("PROXY_MAX_ATTEMPTS", "1"));
    house.control().set_fault(Scope::All, Fault::Redirect);
    let answer = house.chat(&chat("hi", false));
    assert_eq!((answer.status, answer.error("type").as_str()), (502, "upstream_error"), "{answer}");
    assert_eq!(answer.header("location"), None);
    assert_eq!(sent_up(&house).len(), 1);
}

#[test]
fn a_body_may_come_in_drops() {
    let house = spawn(Options::default());
    let body = chat("drop by drop", false).to_string();
    let mut wire = house.connect();
    wire.write(Call::post(CHAT, "").head(body.len()).as_bytes());
    for byte in body.as_bytes() {
        wire.write(&[*byte]);
    }
    assert_eq!(wire.answer().status, 200);
    assert_eq!(sent_up(&house)[0].body, body.as_bytes());

    // Chunked, too.
    let mut wire = house.connect();
    let head = Call::post(CHAT, "").head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    wire.write(head.as_bytes());
    for piece in body.as_bytes().chunks(7) {
        wire.write(format!("{:x}\r\n", piece.len()).as_bytes());
        wire.write(piece);
        wire.write(b"\r\n");
    }
    wire.write(b"0\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
    assert_eq!(sent_up(&house)[1].body, body.as_bytes());
}

#[test]
fn a_client_that_leaves_inside_its_body_costs_nothing() {
    let house = spawn(Options::default());
    for _ in 0..2 {
        let mut wire = house.connect();
        wire.write(Call::post(CHAT, "").head(1000).as_bytes());
        wire.write(b"{\"model\"");
        wait_until("the request to be in", || house.shared().gate.inside() == 1);
        wire.close();
        wait_until("its place to be free", || house.shared().gate.inside() == 0);
    }
    let rows = house.rows(2);
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.attempts == 0 && row.outcome != "completed"), "{rows:?}");
    assert!(sent_up(&house).is_empty());
}

#[test]
fn compressed_and_multipart_bodies_are_refused() {
    let house = spawn(Options::default());
    let body = chat("hi", false).to_string();
    let gzip = house.ask(&Call::post(CHAT, body.as_str()).header("Content-Encoding", "gzip"));
    assert_refused(&gzip, 415, "invalid_request_error", None);
    let form = Call { body: body.into_bytes(), ..Call::bare("POST", CHAT) }
        .header("x-api-key", PASSWORD)
        .header("Content-Type", "multipart/form-data; boundary=x");
    assert_refused(&house.ask(&form), 415, "invalid_request_error", None);
}

#[test]
fn too_many_at_a_time_are_turned_away() {
    let house = spawn(Options::default().set("SERVER_MAX_IN_FLIGHT", "2"));
    let mut open: Vec<_> = (0..2)
        .map(|_| {
            let mut wire = house.connect();
            wire.send(&Call::post(CHAT, chat("x [[chunks=3000 delay_ms=20]]", true).to_string()));
            assert_eq!(wire.head().status, 200);
            wire
        })
        .collect();
    let answer = house.chat(&chat("me too", false));
    assert_eq!((answer.status, answer.error("type").as_str()), (503, "overloaded_error"), "{answer}");
    assert_eq!(answer.number("retry-after"), 1);
    open.pop().expect("a connection").close();
    wait_until("a place", || house.chat(&chat("now?", false)).status == 200);
}

#[test]
fn bytes_behind_a_refused_request_are_never_a_request() {
    let house = spawn(Options::default());
    let hidden = Call::post(CHAT, chat("smuggled", false).to_string());
    let smuggled = format!("{}{}", hidden.head(hidden.body.len()), String::from_utf8_lossy(&hidden.body));
    for head in [
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nHost : x\r\n\r\n",
        "POST /v1/chat/completions HTTP/9.9\r\nHost: x\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let mut wire = house.connect();
        wire.write(format!("{head}0\r\n\r\n{smuggled}").as_bytes());
        let answer = wire.answer();
        assert!(answer.status == 0 || answer.status >= 400, "{head}: {answer}");
        assert!(wire.is_ended(), "{head}");
    }
    assert!(sent_up(&house).is_empty());
}

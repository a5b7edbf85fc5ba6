//! What a healthy upstream does: answers, streams, quotas, accounts, the control.
//!
//! Each test has a simulator of its own, with a clock that stands still.
//! Never sleeps for time.

use super::raw::{Seen, get, post, post_bytes, send, start};
use crate::simulator::{AccountPlan, Fault, Options, Scope, Simulator, digest};
use serde_json::{Value, json};
use std::time::Duration;

const GOOD: &str = "sk-or-v1-sim-good-0001";
const PAID: &str = "sk-or-v1-sim-good-0002-acctpaid";
const FREE: &str = "openai/gpt-oss-20b:free";
const CHAT: &str = "/chat/completions";

fn ask(text: &str, more: Value) -> Value {
    let mut body = json!({"model": FREE, "messages": [{"role": "user", "content": text}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn streamed(simulator: &Simulator, text: &str) -> Seen {
    post(simulator, CHAT, GOOD, &ask(text, json!({"stream": true})))
}

#[test]
fn json_comes_padded_chunked_and_as_expected() {
    let simulator = start();
    let body = ask("Grüße 東京", json!({}));
    let seen = post(&simulator, CHAT, GOOD, &body);
    assert_eq!(seen.status(), 200);
    assert!(seen.chunks().1 && seen.chunks().0.len() == 2, "padding is a chunk of its own");
    assert!(seen.body().starts_with(b"\n         \n"));
    let json = seen.json();
    assert!(
        json["choices"][0]["message"]["content"].as_str().is_some_and(|c| c.starts_with("echo: Grüße 東京 "))
    );
    assert_eq!(json["usage"]["cost"], 0);
    let id = seen.header("x-generation-id").expect("an id");
    assert_eq!(json["id"], id.as_str());
    let expected = simulator.expected(CHAT, body.to_string().as_bytes(), &id).expect("an answer");
    assert_eq!(seen.body(), expected);
    let control = simulator.control();
    let end = control.received()[0].end.clone().expect("ended");
    assert_eq!((end.status, end.digest, end.closed_early), (200, digest(&expected), false));
}

#[test]
fn streams_are_commented_split_and_done() {
    let simulator = start();
    let seen = streamed(&simulator, "Grüße 東京 👋 [[usage=3]]");
    assert_eq!(seen.header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(seen.header("cache-control").as_deref(), Some("no-cache"));
    let (chunks, terminated) = seen.chunks();
    assert!(terminated);
    assert!(chunks.iter().any(|chunk| std::str::from_utf8(chunk).is_err()), "cut inside a character");
    assert!(chunks.iter().any(|chunk| chunk.ends_with(b"\n\ndat")), "cut inside data:");
    let text = String::from_utf8(seen.body()).expect("UTF-8");
    assert!(text.starts_with(": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: "));
    assert!(text.trim_start_matches(": OPENROUTER PROCESSING\n\n").contains(": OPENROUTER PROCESSING"));
    assert!(text.ends_with("data: [DONE]\n\n"));
    let events = seen.events();
    let content: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(content.starts_with("echo: Grüße 東京 👋 "));
    assert!(events.iter().all(|event| event["choices"][0]["delta"]["role"] == "assistant"));
    let id = seen.header("x-generation-id").expect("an id");
    let body = ask("Grüße 東京 👋 [[usage=3]]", json!({"stream": true})).to_string();
    assert_eq!(simulator.expected(CHAT, body.as_bytes(), &id), Some(seen.body()));
}

#[test]
fn the_usage_chunk_has_its_three_shapes() {
    let simulator = start();
    for shape in 1..=3 {
        let events = streamed(&simulator, &format!("x [[usage={shape}]]")).events();
        let with: Vec<&Value> = events.iter().filter(|event| event["usage"].is_object()).collect();
        assert_eq!(with.len(), 1);
        assert_eq!(events.last(), with.first().copied());
        let choice = &with[0]["choices"][0];
        match shape {
            1 => assert!(choice["finish_reason"].is_null() && choice.is_object()),
            2 => assert_eq!(with[0]["choices"], json!([])),
            _ => assert!(choice["finish_reason"] == "stop" && with[0].get("service_tier").is_some()),
        }
    }
}

#[test]
fn directives_steer_a_request() {
    let simulator = start();
    let seen = streamed(&simulator, "x [[chunks=30 size=50 split=11 comments=0]]");
    assert!(seen.chunks().0.iter().all(|chunk| chunk.len() <= 11));
    assert_eq!(
        seen.events().iter().filter(|e| e["choices"][0]["delta"]["content"] != "").count(),
        30 + usize::from(seen.events().last().expect("usage")["choices"] == json!([]))
    );
    let short = post(&simulator, CHAT, GOOD, &ask("x", json!({"max_tokens": 3}))).json();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    let cut = streamed(&simulator, "x [[cut=77]]");
    assert_eq!((cut.body().len(), cut.chunks().1), (77, false));
}

#[test]
fn tools_and_reasoning_come_in_both_modes() {
    let simulator = start();
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}]);
    let more = json!({"tools": tools, "tool_choice": "required", "reasoning": {"effort": "low"}});
    let whole = post(&simulator, CHAT, GOOD, &ask("x", more.clone())).json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["reasoning_details"][0]["type"], "reasoning.text");
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().expect("text").to_owned();
    let parsed: Value = serde_json::from_str(&arguments).expect("JSON arguments");
    assert_eq!(parsed["days"], 7);
    let mut body = ask("x", more);
    body["stream"] = json!(true);
    let events = post(&simulator, CHAT, GOOD, &body).events();
    let part = |event: &Value, member: &str| {
        event["choices"][0]["delta"]["tool_calls"][0]["function"][member].as_str().unwrap_or("").to_owned()
    };
    assert_eq!(events.iter().map(|e| part(e, "name")).collect::<String>(), "weather");
    assert_eq!(events.iter().map(|e| part(e, "arguments")).collect::<String>(), arguments);
    assert!(events.iter().any(|event| event["choices"][0]["finish_reason"] == "tool_calls"));
    assert!(events[0]["choices"][0]["delta"]["reasoning_details"].is_array());
}

#[test]
fn limits_are_kept_with_true_headers() {
    let simulator = start();
    let control = simulator.control();
    for _ in 0..20 {
        assert_eq!(post(&simulator, CHAT, GOOD, &ask("x", json!({}))).status(), 200);
    }
    let minute = post(&simulator, CHAT, GOOD, &ask("x", json!({})));
    assert_eq!((minute.status(), minute.header("x-ratelimit-limit").as_deref()), (429, Some("20")));
    assert_eq!(minute.header("x-ratelimit-reset").as_deref(), Some("1791633660000"));
    assert_eq!(minute.header("retry-after"), None);
    let body = minute.json();
    assert_eq!(body["error"]["metadata"]["limit_source"], "openrouter_free_tier_per_minute");
    control.set_used_today("good-0001", 50);
    let daily = post(&simulator, CHAT, GOOD, &ask("x", json!({})));
    assert_eq!(daily.header("x-ratelimit-reset").as_deref(), Some("1791676800000"));
    assert_eq!(daily.json()["user_id"], control.account("good-0001").user_id);
    let key = get(&simulator, "/api/v1/key", GOOD).json();
    assert_eq!(key["data"]["free_model_daily_requests"], json!({"used": 50, "limit": 50, "remaining": 0}));
    assert_eq!(key["data"]["creator_user_id"], daily.json()["user_id"]);
    let counts = control.key(GOOD);
    assert_eq!((counts.attempts, counts.by_status[&200], counts.by_status[&429]), (22, 20, 2));
}

#[test]
fn accounts_share_and_pay() {
    let simulator = start();
    let control = simulator.control();
    control.set_account("team", AccountPlan { daily_limit: Some(3), ..AccountPlan::default() });
    control.assign("sk-or-v1-odd-key", "team");
    let keys = ["sk-or-v1-odd-key", "sk-or-v1-sim-a-acctteam", "sk-or-v1-sim-b-acctteam"];
    let statuses: Vec<u16> =
        (0..4).map(|at| post(&simulator, CHAT, keys[at % 3], &ask("x", json!({}))).status()).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let paid = ask("x", json!({"model": "openai/gpt-4o"}));
    assert_eq!(post(&simulator, CHAT, GOOD, &paid).status(), 402);
    let bought = post(&simulator, CHAT, PAID, &paid);
    let cost = bought.json()["usage"]["cost"].as_f64().expect("a cost");
    assert!(cost > 0.0);
    assert_eq!(get(&simulator, "/api/v1/credits", PAID).json()["data"]["total_usage"], cost);
    control.set_account("paid", AccountPlan { bought: 20.0, spent: 19.9999, ..AccountPlan::default() });
    let message = post(&simulator, CHAT, PAID, &paid).json()["error"]["message"].to_string();
    assert!(message.contains("but can only afford "), "{message}");
}

#[test]
fn wrong_keys_models_routes_and_sizes_are_told_apart() {
    let simulator = start();
    let long = "x".repeat(600_000);
    let table = [
        (CHAT, "sk-or-v1-other", ask("x", json!({})), 401, "User not found."),
        (CHAT, "", ask("x", json!({})), 401, "No auth credentials found"),
        (CHAT, GOOD, ask("x", json!({"model": "a/b"})), 400, "a/b is not a valid model ID"),
        (
            CHAT,
            GOOD,
            ask(&long, json!({})),
            400,
            "This endpoint's maximum context length is 131072 tokens. However",
        ),
        (CHAT, GOOD, ask("x", json!({"max_tokens": 131072})), 400, "This endpoint's maximum context length"),
        (CHAT, GOOD, json!({"model": FREE}), 400, "Input required"),
        ("/embeddings", GOOD, json!({"model": FREE, "input": "x"}), 404, "No endpoints found for"),
        ("/nothing", GOOD, json!({}), 405, "Method not allowed"),
    ];
    for (path, key, body, status, message) in table {
        let seen = post(&simulator, path, key, &body);
        assert_eq!(seen.status(), status, "{message}");
        assert!(
            seen.json()["error"]["message"].as_str().is_some_and(|m| m.starts_with(message)),
            "{message}"
        );
    }
    assert_eq!(get(&simulator, "/api/v1/nothing", GOOD).status(), 404);
    assert_eq!(get(&simulator, "/api/v1/chat/completions", GOOD).status(), 405);
    let missing = send(&simulator, b"GET /api/v1/key HTTP/1.0\r\n\r\n", Duration::from_secs(5));
    assert_eq!(missing.json()["error"]["message"], "Missing Authentication header");
    assert_eq!(send(&simulator, b"rubbish\r\n\r\n", Duration::from_secs(5)).status(), 400);
    assert_eq!(get(&simulator, "/api/v1/models", "").json()["total_count"], 83);
}

#[test]
fn the_other_endpoints_answer_in_their_own_shapes() {
    let simulator = start();
    let responses = json!({"model": FREE, "input": "hi [[usage=1]]", "stream": true});
    let events = post(&simulator, "/responses", GOOD, &responses).events();
    assert!(events.iter().enumerate().all(|(at, event)| event["sequence_number"] == at));
    assert_eq!(events.last().expect("events")["type"], "response.completed");
    let messages = json!({"model": FREE, "max_tokens": 50, "stream": true,
        "messages": [{"role": "user", "content": "hi"}]});
    let seen = post(&simulator, "/messages", GOOD, &messages);
    assert!(String::from_utf8_lossy(&seen.body()).contains("event: message_start\ndata: {"));
    assert_eq!(seen.events().last().expect("events")["type"], "message_stop");
    let refused = post(&simulator, "/messages", "sk-or-v1-sim-revoked-1", &messages).json();
    assert_eq!(refused["error"]["type"], "authentication_error");
    let text = post(&simulator, "/completions", GOOD, &json!({"model": FREE, "prompt": "hi"})).json();
    assert!(text["choices"][0]["text"].as_str().is_some_and(|text| text.starts_with("echo: hi ")));
    let vectors = json!({"model": "nvidia/nemotron-3-embed-1b:free", "input": ["a", "b"]});
    let seen = post(&simulator, "/embeddings", GOOD, &vectors);
    assert_eq!(seen.json()["data"][1]["embedding"].as_array().map(Vec::len), Some(384));
    let id = text["id"].as_str().expect("an id");
    let generation = get(&simulator, &format!("/api/v1/generation?id={id}"), GOOD).json();
    assert_eq!(generation["data"]["tokens_prompt"], text["usage"]["prompt_tokens"]);
    let free = post(&simulator, CHAT, GOOD, &ask("x", json!({"model": "openrouter/free"}))).json();
    assert!(free["model"].as_str().is_some_and(|model| model.ends_with(":free")));
}

#[test]
fn connections_are_kept_and_bodies_may_be_chunked() {
    let simulator = start();
    let body = ask("x", json!({})).to_string();
    let head = format!("POST /api/v1{CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {GOOD}\r\n");
    let (first, second) = body.split_at(10);
    let mut bytes = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\na\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        second.len()
    )
    .into_bytes();
    bytes.extend(post_bytes(CHAT, GOOD, &ask("x", json!({}))));
    let seen = send(&simulator, &bytes, Duration::from_secs(5));
    assert_eq!(String::from_utf8_lossy(&seen.bytes).matches("HTTP/1.1 200").count(), 2);
    let received = simulator.control().received();
    assert_eq!(received.iter().map(|r| r.connection).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(received[0].body, body.as_bytes());
    assert_eq!(received[0].headers[1].1, "…0001");
}

#[test]
fn the_control_speaks_http() {
    let simulator = start();
    let order = |path: &str, body: Value| {
        let body = body.to_string();
        let text = format!(
            "POST /__simulator{path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        send(&simulator, text.as_bytes(), Duration::from_secs(5))
    };
    let fault = json!({"scope": "model", "target": FREE, "fault": "pool", "times": 2});
    assert_eq!(order("/faults", fault).status(), 200);
    let statuses: Vec<u16> =
        (0..3).map(|_| post(&simulator, CHAT, GOOD, &ask("x", json!({}))).status()).collect();
    assert_eq!(statuses, [429, 429, 200]);
    assert_eq!(simulator.control().hits(&Scope::Model(FREE.to_owned())), 2);
    assert_eq!(
        order("/accounts", json!({"account": "a", "daily_limit": 7, "keys": ["sk-or-x"]})).status(),
        200
    );
    assert_eq!(
        get(&simulator, "/api/v1/key", "sk-or-x").json()["data"]["free_model_daily_requests"]["limit"],
        7
    );
    for bad in [
        json!({"scope": "moon", "target": "x"}),
        json!({"scope": "key"}),
        json!([1]),
        json!({"scope": "all", "fault": "nosuch"}),
        json!({"scope": "all", "extra": 1}),
    ] {
        assert_eq!(order("/faults", bad).status(), 400);
    }
    assert_eq!(get(&simulator, "/__simulator/counts", "").json()["keys"][GOOD]["attempts"], 3);
    let known = get(&simulator, "/__simulator/faults", "").json()["known"].as_array().map(Vec::len);
    assert_eq!(known, Some(Fault::ALL.len()));
    assert_eq!(get(&simulator, "/__simulator/received", "").json()["data"].as_array().map(Vec::len), Some(4));
    assert_eq!(order("/reset", json!({})).status(), 200);
    assert!(simulator.control().received().is_empty());
}

#[test]
fn several_threads_share_a_port_and_stop() {
    let mut simulator =
        Simulator::start(Options { threads: 2, keep: 0, enforce_limits: false, ..Options::default() })
            .expect("starts");
    for _ in 0..30 {
        assert_eq!(post(&simulator, CHAT, GOOD, &ask("x", json!({}))).status(), 200);
    }
    assert!(simulator.control().received().is_empty());
    simulator.stop();
    assert!(std::net::TcpStream::connect(simulator.address()).is_err());
}

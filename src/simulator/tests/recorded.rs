//! Shapes and messages against the recorded examples, read where they lie.
//!
//! Never copied into the project; without them these tests say so and pass.
//! Sets of members are compared, and the beginnings of messages.

use super::raw::{Seen, get, post, start};
use crate::simulator::Fault;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FREE: &str = "nvidia/nemotron-3-super-120b-a12b:free";

fn fixture(path: &str) -> Option<Vec<u8>> {
    let crate_root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = |dir: &Path| dir.join("shared/fixtures/openrouter").join(path);
    let read = crate_root.ancestors().map(beside).find_map(|path| std::fs::read(path).ok());
    if read.is_none() {
        eprintln!("SKIPPED: no fixture {path}");
    }
    read
}

fn fixture_json(path: &str) -> Option<Value> {
    fixture(path).map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
}

/// All paths of members, list items folded into one.
fn members(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => all.iter().for_each(|(name, inner)| {
            into.insert(format!("{at}/{name}"));
            members(inner, &format!("{at}/{name}"), into);
        }),
        Value::Array(all) => all.iter().for_each(|inner| members(inner, &format!("{at}[]"), into)),
        _ => {}
    }
}

fn shape(value: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    members(value, "", &mut all);
    all
}

fn ask(stream: bool, text: &str) -> Value {
    json!({"model": FREE, "stream": stream, "max_tokens": 32000, "messages": [{"role": "user", "content": text}]})
}

/// Every refusal with the recorded example it is faithful to.
const REFUSALS: [(Fault, &str); 49] = [
    (Fault::Revoked, "401_user_not_found"),
    (Fault::Unauthorized, "401_no_auth_credentials"),
    (Fault::NoHeader, "401_missing_auth_header"),
    (Fault::KeyLimit, "403_key_limit_exceeded"),
    (Fault::KeyBudget, "402_key_limit"),
    (Fault::InFlight, "402_in_flight_budget"),
    (Fault::Broke, "402_never_purchased"),
    (Fault::Afford, "402_insufficient_credits_max_tokens"),
    (Fault::Workspace, "403_workspace_budget"),
    (Fault::Moderation, "403_moderation"),
    (Fault::Policy, "403_content_policy"),
    (Fault::Guardrail, "403_guardrail_block"),
    (Fault::Harness, "403_agentic_harness_only"),
    (Fault::Attestation, "403_attestation"),
    (Fault::Region, "403_region"),
    (Fault::Management, "403_management_key_required"),
    (Fault::Privacy, "404_data_policy_free_publication"),
    (Fault::DataGuard, "404_data_policy_guardrails"),
    (Fault::Gone, "404_no_endpoints_model"),
    (Fault::InvalidModel, "400_invalid_model_id"),
    (Fault::NoTools, "404_no_endpoints_tool_use"),
    (Fault::MaxPrice, "404_max_price"),
    (Fault::OnlyFilter, "404_provider_only_filter"),
    (Fault::BadRequest, "400_bad_request"),
    (Fault::Context, "400_context_length"),
    (Fault::ProviderRefused, "400_provider_returned_error"),
    (Fault::TooLarge, "413_payload_too_large"),
    (Fault::Unprocessable, "422_unprocessable"),
    (Fault::Timeout, "408_timeout"),
    (Fault::Internal, "500_internal"),
    (Fault::ProviderDown, "502_provider_returned_error"),
    (Fault::ProviderRaw, "502_raw_object"),
    (Fault::NoInstances, "503_no_instances"),
    (Fault::NoWorkers, "503_provider_workers"),
    (Fault::EdgeTimeout, "524_edge_timeout"),
    (Fault::Overloaded, "529_overloaded"),
    (Fault::Daily, "429_free_per_day"),
    (Fault::DailyHigh, "429_free_per_day_high_balance"),
    (Fault::DailyOld, "429_free_per_day_legacy_no_limit_source"),
    (Fault::Minute, "429_free_per_min"),
    (Fault::Pool, "429_upstream_shared_pool"),
    (Fault::PoolOld, "429_upstream_2025"),
    (Fault::PoolAfter, "429_upstream_retry_after"),
    (Fault::Limited, "429_documented_generic"),
    (Fault::Capacity, "429_capacity_exhausted_availability"),
    (Fault::Html, "502_cloudflare_html"),
    (Fault::Cloudflare, "429_cloudflare_html"),
    (Fault::ErrorFirst, "200_error_body_no_choices"),
    (Fault::ErrorChoice, "200_choice_error_partial"),
];

/// The message without what names a model or a provider.
fn worded(message: &Value) -> String {
    let words = message.as_str().unwrap_or("").split_whitespace();
    words
        .filter(|word| !word.contains('/') && word.chars().all(|c| !c.is_ascii_digit()))
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn refusals_are_those_that_were_recorded() {
    let simulator = start();
    for (fault, name) in REFUSALS {
        let Some(want) = fixture_json(&format!("errors/{name}.json")) else { return };
        let seen = post(
            &simulator,
            "/chat/completions",
            &format!("sk-or-v1-sim-{}-r", fault.name()),
            &ask(false, "x"),
        );
        assert_eq!(json!(seen.status()), want["status"], "{name}");
        for (header, value) in want["headers"].as_object().expect("headers") {
            let have = seen.header(header);
            assert!(have.is_some(), "{name}: {header}");
            if header != "x-ratelimit-reset" {
                assert_eq!(have.as_deref(), value.as_str(), "{name}: {header}");
            }
        }
        for header in ["retry-after", "x-ratelimit-limit"] {
            assert_eq!(
                seen.header(header).is_some(),
                want["headers"].get(header).is_some(),
                "{name}: {header}"
            );
        }
        match &want["body"] {
            Value::String(page) => {
                let unbroken = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(unbroken(&String::from_utf8_lossy(&seen.body())), unbroken(page), "{name}");
            }
            body => compare(&seen, body, name),
        }
    }
}

fn compare(seen: &Seen, want: &Value, name: &str) {
    let have = seen.json();
    let (have_shape, want_shape) = (shape(&have), shape(want));
    let missing: Vec<_> = want_shape.difference(&have_shape).collect();
    assert!(missing.is_empty(), "{name}: missing {missing:?}");
    if seen.status() != 200 {
        let more: Vec<_> = have_shape.difference(&want_shape).collect();
        assert!(more.is_empty(), "{name}: too much {more:?}");
        assert_eq!(worded(&have["error"]["message"]), worded(&want["error"]["message"]), "{name}");
        assert_eq!(
            have["error"]["metadata"]["limit_source"], want["error"]["metadata"]["limit_source"],
            "{name}"
        );
    }
}

#[test]
fn answers_have_the_recorded_members() {
    let simulator = start();
    let good = "sk-or-v1-sim-good-1";
    let said = |body: Value, path: &str| post(&simulator, path, good, &body).json();
    let tools = json!([{"type": "function", "function": {"name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let mut call = ask(false, "x");
    call["tools"] = tools;
    call["tool_choice"] = json!("required");
    let mut thinking = ask(false, "x");
    thinking["reasoning"] = json!({"effort": "low"});
    let input = json!({"model": FREE, "input": "x"});
    let embed = json!({"model": "openai/text-embedding-3-small", "input": "x"});
    let paid = "sk-or-v1-sim-good-acctpaid";
    let cases = [
        ("chat/nonstream_basic.json", said(ask(false, "x"), "/chat/completions")),
        ("chat/nonstream_tool_calls.json", said(call, "/chat/completions")),
        ("chat/nonstream_free_model.json", said(thinking, "/chat/completions")),
        (
            "other/completions_legacy_response.json",
            said(json!({"model": FREE, "prompt": "x"}), "/completions"),
        ),
        ("other/messages_response.json", said(ask(false, "x"), "/messages")),
        ("other/responses_response.json", said(input, "/responses")),
        ("embeddings/response_768d.json", post(&simulator, "/embeddings", paid, &embed).json()),
        ("account/key_free_tier.json", get(&simulator, "/api/v1/key", good).json()),
        ("account/credits.json", get(&simulator, "/api/v1/credits", good).json()),
        ("account/providers.json", get(&simulator, "/api/v1/providers", good).json()),
    ];
    for (path, have) in cases {
        let Some(want) = fixture_json(path) else { return };
        let missing: Vec<String> = shape(&want).difference(&shape(&have)).cloned().collect();
        assert!(missing.is_empty(), "{path}: missing {missing:?}");
    }
    let id = said(ask(false, "x"), "/chat/completions")["id"].as_str().expect("an id").to_owned();
    let have = get(&simulator, &format!("/api/v1/generation?id={id}"), good).json();
    if let Some(want) = fixture_json("account/generation.json") {
        assert_eq!(shape(&want), shape(&have));
    }
}

#[test]
fn models_have_the_recorded_members() {
    let simulator = start();
    let Some(want) = fixture_json("models.json") else { return };
    let have = get(&simulator, "/api/v1/models", "").json();
    let top = |value: &Value| value.as_object().map(|all| all.keys().cloned().collect::<BTreeSet<_>>());
    assert_eq!(top(&have), top(&want));
    let (have, want) = (&have["data"], &want["data"]);
    assert_eq!(top(&have[0]["architecture"]), top(&want[0]["architecture"]));
    assert_eq!(top(&have[0]["top_provider"]), top(&want[0]["top_provider"]));
    let all = |value: &Value| {
        value.as_array().into_iter().flatten().filter_map(top).flatten().collect::<BTreeSet<_>>()
    };
    let unknown: Vec<String> = all(have).difference(&all(want)).cloned().collect();
    assert!(unknown.is_empty(), "never seen upstream: {unknown:?}");
    let endpoints = get(&simulator, "/api/v1/models/openai/gpt-oss-20b/endpoints", "").json();
    if let Some(want) = fixture_json("endpoints_gpt-oss-20b.json") {
        let missing: Vec<String> = shape(&want["data"]["endpoints"][0])
            .difference(&shape(&endpoints["data"]["endpoints"][0]))
            .filter(|path| !path.starts_with("/pricing"))
            .cloned()
            .collect();
        assert!(missing.is_empty(), "endpoints: missing {missing:?}");
    }
}

#[test]
fn streams_have_the_recorded_events() {
    let simulator = start();
    let good = "sk-or-v1-sim-good-1";
    let events = |bytes: &[u8]| -> Vec<Value> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ").filter(|d| d.starts_with('{')));
        data.map(|d| serde_json::from_str(d).expect("JSON")).collect()
    };
    let shapes = |all: &[Value]| all.iter().map(shape).collect::<BTreeSet<_>>();
    let cases = [
        ("stream/basic_usage_repeats_finish_reason.sse", "x [[usage=3]]"),
        ("stream/cache_control_usage_empty_choices.sse", "x [[usage=2]]"),
    ];
    for (path, text) in cases {
        let Some(want) = fixture(path) else { return };
        let have = post(&simulator, "/chat/completions", good, &ask(true, text));
        assert_eq!(shapes(&events(&have.body())), shapes(&events(&want)), "{path}");
    }
    for (fault, path) in [
        (Fault::ErrorFirst, "stream/error_first_and_only_event.sse"),
        (Fault::ErrorMid, "stream/midstream_error_502.sse"),
        (Fault::ErrorMidDone, "stream/midstream_error_429_then_done.sse"),
    ] {
        let Some(want) = fixture(path) else { return };
        let key = format!("sk-or-v1-sim-{}-s", fault.name());
        let have = post(&simulator, "/chat/completions", &key, &ask(true, "x"));
        assert_eq!(shapes(&events(&have.body())), shapes(&events(&want)), "{path}");
    }
    let Some(want) = fixture("other/responses_stream.sse") else { return };
    let body = json!({"model": FREE, "input": "x", "stream": true, "reasoning": {"effort": "low"}});
    let have = events(&post(&simulator, "/responses", good, &body).body());
    for event in events(&want) {
        let kind = |event: &Value| {
            [&event["type"], &event["item"]["type"], &event["part"]["type"]].map(Value::clone)
        };
        let twin = have.iter().find(|other| kind(other) == kind(&event));
        let missing: Vec<String> =
            shape(&event).difference(&shape(twin.unwrap_or(&Value::Null))).cloned().collect();
        assert!(missing.is_empty(), "{}: {missing:?}", event["type"]);
    }
}

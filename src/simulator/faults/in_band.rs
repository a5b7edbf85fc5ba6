//! Errors inside a 200 (`openrouter-api.md` 6 and 7): as the whole body, as the first event, after
//! some content, without an error object, and answers without content. They never change the status.
//!
//! A stream's events stay whole; only `transport` cuts through them.

use super::Effect::{Bend, Instead};
use super::upstream::pool;
use super::{Case, Dialect, Effect, Fault, Row};
use crate::simulator::reply::{Framing, Reply, Step};
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    row(Fault::ErrorFirst, 0, Instead(|c| only_error(c, 2, false))),
    row(Fault::ErrorLate, 17, Instead(|c| only_error(c, c.amount, false))),
    row(Fault::ErrorBare, 0, Instead(|c| only_error(c, 1, true))),
    row(Fault::ErrorMid, 2, Bend(|c, good| after_content(c, good, disconnected(), false))),
    row(
        Fault::ErrorMidDone,
        2,
        Bend(|c, good| {
            let error = json!({"code": 429, "message": "Rate limit exceeded",
            "metadata": {"error_type": "rate_limit_exceeded"}});
            after_content(c, good, error, true)
        }),
    ),
    row(
        Fault::ErrorCode,
        2,
        Bend(|c, good| {
            let error = json!({"code": "server_error", "message": "Provider disconnected unexpectedly"});
            after_content(c, good, error, false)
        }),
    ),
    row(
        Fault::SaysMid,
        2,
        Bend(|c, good| {
            let error = json!({"code": c.words, "message": c.words, "metadata": {"raw": c.words}});
            after_content(c, good, error, true)
        }),
    ),
    row(
        Fault::ErrorUsage,
        2,
        Bend(|c, good| after_content(c, good, json!({"code": 400, "message": "Token limit reached"}), true)),
    ),
    row(Fault::ErrorFinish, 0, Bend(|_, good| finished_with_error(good))),
    row(
        Fault::ErrorChoice,
        2,
        Bend(|c, good| {
            let error = json!({"code": 502, "message": "Provider disconnected mid-stream",
            "metadata": {"error_type": "provider_unavailable"}});
            after_content(c, good, error, true)
        }),
    ),
    row(
        Fault::Empty,
        0,
        Bend(|_, good| Reply { steps: Vec::new(), framing: Framing::Length { beyond: 0 }, ..good }),
    ),
    row(
        Fault::Blank,
        0,
        Bend(|c, good| {
            let filler = if c.stream { ": OPENROUTER PROCESSING\n\n" } else { "\n         \n\n         \n" };
            Reply { steps: vec![Step::Send(Bytes::from(filler)), Step::Flush], ..good }
        }),
    ),
    row(Fault::NoContent, 0, Bend(no_content)),
    row(
        Fault::Page,
        0,
        Instead(|_| Reply::whole(200, "text/html", "<!doctype html><title>Sign in to the Wi-Fi</title>")),
    ),
    row(Fault::NoBody, 0, Instead(|_| Reply::whole(204, "application/json", ""))),
    row(Fault::OtherJson, 0, Instead(|_| Reply::json(200, &json!({"status": "ok"})))),
];

const fn row(fault: Fault, amount: u64, effect: Effect) -> Row {
    Row { fault, costs: true, amount, effect }
}

fn disconnected() -> Value {
    json!({"code": 502, "message": "Provider disconnected unexpectedly",
        "metadata": {"error_type": "provider_unavailable"}})
}

/// A generation's JSON or stream from ready-made text.
fn generation(case: &Case<'_>, pieces: Vec<String>) -> Reply {
    let kind = if case.stream { "text/event-stream" } else { "application/json" };
    let steps = pieces.into_iter().flat_map(|piece| [Step::Send(piece.into()), Step::Flush]).collect();
    Reply::new(200, kind, steps).with("X-Generation-Id", case.id)
}

fn data(event: &Value) -> String {
    match event["type"].as_str() {
        Some(kind) if event["error"]["type"].is_string() => format!("event: {kind}\ndata: {event}\n\n"),
        _ => format!("data: {event}\n\n"),
    }
}

/// Nothing but an error, with status 200 already sent.
fn only_error(case: &Case<'_>, comments: u64, bare: bool) -> Reply {
    let overloaded = json!({"code": 503, "message": "Provider is temporarily overloaded",
        "metadata": {"error_type": "provider_overloaded"}});
    if !case.stream {
        let metadata = json!({"provider_name": case.provider, "error_type": "provider_unavailable"});
        let error = json!({"message": "Provider returned error", "code": 502, "metadata": metadata});
        let body = if bare { pool(case) } else { json!({"id": case.id, "error": error}) };
        let code = if bare { 429 } else { 502 };
        return generation(case, vec!["\n         \n".to_owned(), case.shape(code, body).to_string()]);
    }
    let mut pieces: Vec<String> = (0..comments).map(|_| ": OPENROUTER PROCESSING\n\n".to_owned()).collect();
    if bare {
        let mut body = pool(case);
        body["user_id"] = Value::from(case.user);
        pieces.push(data(&error_event(case, body)));
        pieces.push("data: [DONE]\n\n".to_owned());
    } else {
        pieces.push(data(&error_event(case, chunk(case, overloaded, json!("error")))));
    }
    generation(case, pieces)
}

/// Nothing but this error.
pub(super) fn only(case: &Case<'_>, error: Value) -> Reply {
    if case.stream {
        return generation(case, vec![data(&error_event(case, chunk(case, error, json!("error"))))]);
    }
    generation(case, vec![case.shape(502, json!({"id": case.id, "error": error})).to_string()])
}

/// A chat chunk that carries an error.
fn chunk(case: &Case<'_>, error: Value, finish: Value) -> Value {
    json!({"id": case.id, "object": "chat.completion.chunk", "created": case.created, "model": case.model,
        "provider": case.provider, "error": error,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": finish, "native_finish_reason": finish}]})
}

/// The same in the words of the endpoint.
fn error_event(case: &Case<'_>, chat: Value) -> Value {
    let code = chat["error"]["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    match case.dialect {
        Dialect::Messages => case.shape(code, chat),
        Dialect::Responses => json!({"type": "response.failed", "sequence_number": 2, "response": {
            "id": case.id, "object": "response", "created_at": case.created, "model": case.model,
            "status": "failed", "output": [], "usage": null,
            "error": {"code": "server_error", "message": chat["error"]["message"]}}}),
        _ => chat,
    }
}

/// Splits a stream's body into its events, comments included.
fn events(good: &Reply) -> Vec<String> {
    String::from_utf8_lossy(&good.body()).split_inclusive("\n\n").map(str::to_owned).collect()
}

/// Some content, then the error.
pub(super) fn after_content(case: &Case<'_>, good: Reply, error: Value, done: bool) -> Reply {
    if !case.stream {
        return partial_json(case, &good, error);
    }
    let mut pieces = Vec::new();
    let mut left = case.amount;
    for event in events(&good) {
        if !event.starts_with(':') {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        pieces.push(event);
    }
    let usage_shape = error["message"] == "Token limit reached";
    let mut last = chunk(case, error, if usage_shape { Value::Null } else { json!("error") });
    if usage_shape {
        last["usage"] = json!({"prompt_tokens": case.prompt_tokens, "completion_tokens": case.amount,
            "total_tokens": case.prompt_tokens + case.amount, "cost": 0, "is_byok": false});
    }
    pieces.push(data(&error_event(case, last)));
    if done {
        pieces.push("data: [DONE]\n\n".to_owned());
    }
    generation(case, pieces)
}

/// A JSON answer whose choice holds the error beside the content so far.
fn partial_json(case: &Case<'_>, good: &Reply, error: Value) -> Reply {
    let mut body: Value = serde_json::from_slice(&good.body()).unwrap_or(Value::Null);
    let Some(choice) = body.pointer_mut("/choices/0") else {
        let code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(502);
        return generation(case, vec![case.shape(code, json!({"id": case.id, "error": error})).to_string()]);
    };
    choice["finish_reason"] = json!("error");
    choice["native_finish_reason"] = json!("error");
    choice["error"] = error;
    if let Some(content) = choice.pointer_mut("/message/content") {
        *content = json!("partial output...");
    }
    generation(case, vec!["\n         \n".to_owned(), body.to_string()])
}

/// Gemini's way: `finish_reason` is `error`, and no error object anywhere.
fn finished_with_error(good: Reply) -> Reply {
    rewrite(good, |event| {
        if let Some(choice) =
            event.pointer_mut("/choices/0").filter(|choice| choice["finish_reason"].is_string())
        {
            choice["finish_reason"] = json!("error");
            choice["native_finish_reason"] = json!("MALFORMED_FUNCTION_CALL");
        }
        true
    })
}

/// A cold start: the answer ends before it began.
fn no_content(case: &Case<'_>, good: Reply) -> Reply {
    rewrite(good, |event| {
        if case.dialect != Dialect::Chat && case.dialect != Dialect::Text {
            return event["type"]
                .as_str()
                .is_none_or(|kind| !kind.contains("delta") || kind == "message_delta");
        }
        // Such an answer is not billed: it has no tokens.
        if event["usage"].is_object() {
            event["usage"]["completion_tokens"] = json!(0);
            event["usage"]["total_tokens"] = event["usage"]["prompt_tokens"].clone();
        }
        if let Some(choice) = event.pointer_mut("/choices/0") {
            let content = choice["delta"]["content"].as_str().unwrap_or("");
            if choice["delta"].is_object() {
                return content.is_empty() && choice["delta"]["reasoning"].is_null();
            }
            if choice["text"].is_string() {
                choice["text"] = json!("");
            }
            if choice["message"].is_object() {
                choice["message"] =
                    json!({"role": "assistant", "content": "", "refusal": null, "reasoning": null});
            }
        }
        true
    })
}

/// Rewrites each JSON event, or the JSON body; events for which `keep` says no are left out.
fn rewrite(good: Reply, keep: impl Fn(&mut Value) -> bool) -> Reply {
    let body = good.body();
    if let Ok(mut whole) = serde_json::from_slice::<Value>(&body) {
        keep(&mut whole);
        return Reply { steps: vec![Step::Send(whole.to_string().into())], ..good };
    }
    let mut steps = Vec::new();
    for event in events(&good) {
        let parsed = event.find('{').filter(|_| !event.starts_with(':')).and_then(|at| {
            let (head, json) = event.split_at(at);
            Some((head, serde_json::from_str::<Value>(json).ok()?))
        });
        let text = match parsed {
            Some((head, mut value)) => {
                if !keep(&mut value) {
                    continue;
                }
                format!("{head}{value}\n\n")
            }
            None => event,
        };
        steps.extend([Step::Send(text.into()), Step::Flush]);
    }
    Reply { steps, ..good }
}

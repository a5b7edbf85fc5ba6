//! Answers of `/messages`, whole and streamed, in Anthropic's shape: `event:` and `data:` lines,
//! no `[DONE]`, `message_stop` is the end. Pure.
//!
//! Never speaks chat's words; a refusal gets Anthropic's shape in `faults`.

use super::ask::Ask;
use super::chat::padded;
use super::compose::{Answer, Finish, Usage, compose};
use super::models::Model;
use super::reply::{Reply, Step};
use super::sse::Stream;
use serde_json::{Value, json};

/// The answer to `ask` by `model` under this generation id.
pub(super) fn answer(ask: &Ask, model: &Model, id: &str, _created: i64) -> (Reply, Usage) {
    let answer = compose(ask, model);
    let usage = answer.usage;
    let reply = match ask.stream {
        true => Reply::new(200, "text/event-stream", stream(ask, model, &answer, id)),
        false => {
            let mut body = message(model, &answer, id, blocks(&answer), answer.usage.completion);
            body["stop_reason"] = json!(stop_reason(&answer));
            padded(ask, &answer, body.to_string())
        }
    };
    (reply, usage)
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
    }
}

fn message(model: &Model, answer: &Answer, id: &str, content: Vec<Value>, output: u64) -> Value {
    json!({"id": id, "type": "message", "role": "assistant", "model": model.id, "content": content,
        "container": null, "stop_details": null, "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": answer.usage.prompt, "output_tokens": output, "cache_creation": null,
            "cache_creation_input_tokens": null, "cache_read_input_tokens": null, "inference_geo": null,
            "output_tokens_details": null, "server_tool_use": null, "service_tier": "standard"}})
}

fn blocks(answer: &Answer) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !answer.reasoning.is_empty() {
        blocks.push(json!({"type": "thinking", "thinking": answer.reasoning.concat(), "signature": "sim"}));
    }
    match &answer.call {
        Some(call) => {
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
        }
        None => blocks.push(json!({"type": "text", "text": answer.pieces.concat(), "citations": []})),
    }
    blocks
}

/// An event under its own name.
fn send(out: &mut Stream, event: Value) {
    let name = event["type"].as_str().unwrap_or("").to_owned();
    out.named(&name, &event);
}

/// One content block: its start, its deltas, its end.
fn block(out: &mut Stream, index: u64, start: Value, deltas: impl Iterator<Item = Value>) {
    send(out, json!({"type": "content_block_start", "index": index, "content_block": start}));
    for delta in deltas {
        send(out, json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }
    send(out, json!({"type": "content_block_stop", "index": index}));
}

fn stream(ask: &Ask, model: &Model, answer: &Answer, id: &str) -> Vec<Step> {
    let mut out = Stream::default();
    out.open(&ask.steer);
    send(&mut out, json!({"type": "message_start", "message": message(model, answer, id, Vec::new(), 1)}));
    send(&mut out, json!({"type": "ping"}));
    let mut index = 0;
    if !answer.reasoning.is_empty() {
        let deltas = answer.reasoning.iter().map(|text| json!({"type": "thinking_delta", "thinking": text}));
        let signed = deltas.chain([json!({"type": "signature_delta", "signature": "sim"})]);
        block(&mut out, index, json!({"type": "thinking", "thinking": "", "signature": ""}), signed);
        index += 1;
    }
    match &answer.call {
        Some(call) => {
            let letters: Vec<char> = call.arguments.chars().collect();
            let parts = letters.chunks(9).map(|part| part.iter().collect::<String>());
            let deltas = parts.map(|part| json!({"type": "input_json_delta", "partial_json": part}));
            let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
            block(&mut out, index, start, deltas);
        }
        None => {
            let deltas = answer.pieces.iter().map(|text| json!({"type": "text_delta", "text": text}));
            block(&mut out, index, json!({"type": "text", "text": ""}), deltas);
        }
    }
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    let usage = json!({"input_tokens": answer.usage.prompt, "output_tokens": answer.usage.completion});
    send(&mut out, json!({"type": "message_delta", "delta": delta, "usage": usage}));
    send(&mut out, json!({"type": "message_stop"}));
    out.steps(&ask.steer)
}

//! Answers of `/responses`, whole and streamed, in OpenAI's Responses shape as OpenRouter sends it:
//! `data:` lines with a `type`, numbered, then `[DONE]`. Pure.
//!
//! Never keeps a response: `/responses` is stateless upstream too.

use super::ask::Ask;
use super::chat::{money, padded};
use super::compose::{Answer, Finish, Usage, compose};
use super::models::Model;
use super::reply::{Reply, Step};
use super::sse::Stream;
use serde_json::{Value, json};

/// The answer to `ask` by `model` under this generation id.
pub(super) fn answer(ask: &Ask, model: &Model, id: &str, created: i64) -> (Reply, Usage) {
    let answer = compose(ask, model);
    let usage = answer.usage;
    let scene = Scene { ask, model, answer: &answer, id, created };
    let reply = match ask.stream {
        true => Reply::new(200, "text/event-stream", scene.stream()),
        false => padded(ask, &answer, scene.response("completed", scene.output()).to_string()),
    };
    (reply, usage)
}

struct Scene<'a> {
    ask: &'a Ask,
    model: &'a Model,
    answer: &'a Answer,
    id: &'a str,
    created: i64,
}

impl Scene<'_> {
    fn text(&self) -> String {
        self.answer.pieces.concat()
    }

    fn reasoning_item(&self) -> Value {
        json!({"type": "reasoning", "id": self.item_id("rs"), "summary": [],
            "content": [{"type": "reasoning_text", "text": self.answer.reasoning.concat()}]})
    }

    fn message_item(&self) -> Value {
        json!({"type": "message", "id": self.item_id("msg"), "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": self.text(), "annotations": []}]})
    }

    fn call_item(&self, name: &str, call_id: &str, arguments: &str, status: &str) -> Value {
        json!({"type": "function_call", "id": self.item_id("fc"), "call_id": call_id, "name": name,
            "arguments": arguments, "status": status})
    }

    fn item_id(&self, prefix: &str) -> String {
        format!("{prefix}_tmp_{:011x}", self.ask.seed & 0xfff_ffff_ffff)
    }

    fn output(&self) -> Vec<Value> {
        let mut items = Vec::new();
        if !self.answer.reasoning.is_empty() {
            items.push(self.reasoning_item());
        }
        match &self.answer.call {
            Some(call) => items.push(self.call_item(&call.name, &call.id, &call.arguments, "completed")),
            None => items.push(self.message_item()),
        }
        items
    }

    fn response(&self, status: &str, output: Vec<Value>) -> Value {
        let ended = status == "completed";
        let usage = &self.answer.usage;
        let short = ended && self.answer.finish == Finish::Length;
        let mut response = json!({
            "id": self.id, "object": "response", "created_at": self.created, "model": self.model.id,
            "status": if short { "incomplete" } else { status }, "output": output, "output_text": "",
            "completed_at": if ended { json!(self.created) } else { Value::Null },
            "error": null, "instructions": null, "metadata": {}, "background": false, "store": false,
            "incomplete_details": if short { json!({"reason": "max_output_tokens"}) } else { Value::Null },
            "max_output_tokens": self.ask.max_tokens, "max_tool_calls": null, "tools": [], "tool_choice": "auto",
            "parallel_tool_calls": true, "temperature": null, "top_p": null, "presence_penalty": null,
            "frequency_penalty": null, "previous_response_id": null, "prompt_cache_key": null, "reasoning": null,
            "safety_identifier": null, "service_tier": "auto", "truncation": null, "user": null,
        });
        if ended {
            response["usage"] = json!({
                "input_tokens": usage.prompt, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage.completion,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": usage.prompt + usage.completion, "cost": money(usage.cost()), "is_byok": false,
                "cost_details": {"upstream_inference_cost": null,
                    "upstream_inference_input_cost": money(usage.prompt_cost),
                    "upstream_inference_output_cost": money(usage.completion_cost)}});
        }
        response
    }

    fn stream(&self) -> Vec<Step> {
        let mut out = Numbered { stream: Stream::default(), next: 0 };
        out.stream.open(&self.ask.steer);
        for kind in ["response.created", "response.in_progress"] {
            out.send(json!({"type": kind, "response": self.response("in_progress", Vec::new())}));
        }
        let mut index = 0;
        if !self.answer.reasoning.is_empty() {
            self.reasoning_events(&mut out);
            index = 1;
        }
        match &self.answer.call {
            Some(_) => self.call_events(&mut out, index),
            None => self.message_events(&mut out, index),
        }
        out.send(json!({"type": if self.answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" },
            "response": self.response("completed", self.output())}));
        out.stream.done();
        out.stream.steps(&self.ask.steer)
    }

    fn reasoning_events(&self, out: &mut Numbered) {
        let id = self.item_id("rs");
        let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": 0, "content_index": 0});
        out.send(json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "reasoning", "id": id, "summary": []}}));
        out.send(with(
            at("response.content_part.added"),
            "part",
            json!({"type": "reasoning_text", "text": ""}),
        ));
        for thought in &self.answer.reasoning {
            out.send(with(at("response.reasoning_text.delta"), "delta", json!(thought)));
        }
        let text = self.answer.reasoning.concat();
        out.send(with(at("response.reasoning_text.done"), "text", json!(text)));
        let part = json!({"type": "reasoning_text", "text": text});
        out.send(with(at("response.content_part.done"), "part", part));
        out.send(
            json!({"type": "response.output_item.done", "output_index": 0, "item": self.reasoning_item()}),
        );
    }

    fn message_events(&self, out: &mut Numbered, index: u64) {
        let id = self.item_id("msg");
        let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index, "content_index": 0});
        out.send(json!({"type": "response.output_item.added", "output_index": index, "item":
            {"type": "message", "status": "in_progress", "content": [], "id": id, "role": "assistant"}}));
        let empty = json!({"type": "output_text", "annotations": [], "text": ""});
        out.send(with(at("response.content_part.added"), "part", empty));
        for piece in &self.answer.pieces {
            let delta = with(at("response.output_text.delta"), "delta", json!(piece));
            out.send(with(delta, "logprobs", json!([])));
        }
        let text = self.text();
        out.send(with(with(at("response.output_text.done"), "text", json!(text)), "logprobs", json!([])));
        let part = json!({"type": "output_text", "annotations": [], "text": text});
        out.send(with(at("response.content_part.done"), "part", part));
        out.send(
            json!({"type": "response.output_item.done", "output_index": index, "item": self.message_item()}),
        );
    }

    fn call_events(&self, out: &mut Numbered, index: u64) {
        let Some(call) = &self.answer.call else { return };
        let id = self.item_id("fc");
        let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index});
        out.send(json!({"type": "response.output_item.added", "output_index": index,
            "item": self.call_item(&call.name, &call.id, "", "in_progress")}));
        let letters: Vec<char> = call.arguments.chars().collect();
        for part in letters.chunks(9) {
            let delta = json!(part.iter().collect::<String>());
            out.send(with(at("response.function_call_arguments.delta"), "delta", delta));
        }
        let done = with(at("response.function_call_arguments.done"), "arguments", json!(call.arguments));
        out.send(with(done, "name", json!(call.name)));
        out.send(json!({"type": "response.output_item.done", "output_index": index,
            "item": self.call_item(&call.name, &call.id, &call.arguments, "completed")}));
    }
}

fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

/// A stream that numbers its events.
struct Numbered {
    stream: Stream,
    next: u64,
}

impl Numbered {
    fn send(&mut self, event: Value) {
        self.stream.data(&with(event, "sequence_number", json!(self.next)));
        self.next += 1;
    }
}

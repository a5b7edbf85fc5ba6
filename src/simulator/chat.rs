//! Answers of `/chat/completions` and `/completions`, whole and streamed
//! (`openrouter-api.md` 6 and 7). Pure: an ask, a model and an id in, a reply out.
//!
//! Never looks at keys, quotas or the clock: the id and its time are arguments.

use super::ask::Ask;
use super::compose::{Answer, Call, Finish, Usage, compose};
use super::faults::Dialect;
use super::models::Model;
use super::reply::{Reply, Step};
use super::sse::Stream;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The keep-alive padding before a JSON body.
pub(super) const PADDING: &[u8] = b"\n         \n\n         \n";

/// The answer to `ask` by `model` under this generation id.
pub(super) fn answer(ask: &Ask, model: &Model, id: &str, created: i64) -> (Reply, Usage) {
    let answer = compose(ask, model);
    let usage = answer.usage;
    let reply = match ask.stream {
        true => Reply::new(200, "text/event-stream", stream(ask, model, &answer, id, created)),
        false => padded(ask, &answer, whole(ask, model, &answer, id, created)),
    };
    (reply, usage)
}

/// A JSON body behind its padding; pauses come between them.
pub(super) fn padded(ask: &Ask, answer: &Answer, body: String) -> Reply {
    let mut steps = vec![Step::Send(Bytes::from_static(PADDING))];
    if !ask.steer.delay.is_zero() {
        let events = u32::try_from(answer.pieces.len() + answer.reasoning.len() + 1).unwrap_or(u32::MAX);
        steps.push(Step::Wait(ask.steer.delay.saturating_mul(events)));
    }
    let body = Bytes::from(body);
    match ask.steer.split {
        None => steps.push(Step::Send(body)),
        Some(size) => {
            for from in (0..body.len()).step_by(size) {
                steps.extend([Step::Send(body.slice(from..body.len().min(from + size))), Step::Flush]);
            }
        }
    }
    Reply::new(200, "application/json", steps)
}

/// Why it ended, in OpenRouter's word and the provider's.
fn finish_words(finish: Finish, model: &Model) -> (&'static str, &'static str) {
    let claude = model.id.contains("anthropic/");
    match finish {
        Finish::Stop => ("stop", if claude { "end_turn" } else { "stop" }),
        Finish::Length => ("length", if claude { "max_tokens" } else { "length" }),
        Finish::ToolCalls => ("tool_calls", if claude { "tool_use" } else { "tool_calls" }),
    }
}

/// Zero stays an integer, as OpenRouter writes it.
pub(super) fn money(usd: f64) -> Value {
    if usd == 0.0 { Value::from(0) } else { Value::from(usd) }
}

/// `usage` in chat's words, as JSON text: every answer has one, so it is written without detours.
fn usage_text(usage: &Usage) -> Box<RawValue> {
    let (cost, prompt, completion) =
        (money(usage.cost()), money(usage.prompt_cost), money(usage.completion_cost));
    let text = format!(
        concat!(
            r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"cost":{},"is_byok":false,"#,
            r#""prompt_tokens_details":{{"cached_tokens":0,"cache_write_tokens":{},"audio_tokens":0,"video_tokens":0}},"#,
            r#""cost_details":{{"upstream_inference_cost":{},"upstream_inference_prompt_cost":{},"#,
            r#""upstream_inference_completions_cost":{}}},"#,
            r#""completion_tokens_details":{{"reasoning_tokens":{},"image_tokens":0,"audio_tokens":0}}}}"#
        ),
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        cost,
        usage.cache_write,
        cost,
        prompt,
        completion,
        usage.reasoning
    );
    RawValue::from_string(text).unwrap_or_default()
}

/// An object whose members keep this order: the id first and `usage` last, as upstream.
fn ordered(members: &[(&str, Value)], usage: &RawValue) -> String {
    let all: String = members.iter().map(|(name, value)| format!("\"{name}\":{value},")).collect();
    format!("{{{all}\"usage\":{usage}}}")
}

fn whole(ask: &Ask, model: &Model, answer: &Answer, id: &str, created: i64) -> String {
    let (finish, native) = finish_words(answer.finish, model);
    let usage = usage_text(&answer.usage);
    let (id, created) = (json!(id), json!(created));
    let (served, provider) = (json!(model.id), json!(model.provider));
    if ask.dialect == Dialect::Text {
        let choice = json!({"index": 0, "text": answer.pieces.concat(), "logprobs": null,
            "finish_reason": finish, "native_finish_reason": native});
        return ordered(
            &[
                ("id", id),
                ("object", json!("text_completion")),
                ("created", created),
                ("model", served),
                ("provider", provider),
                ("choices", json!([choice])),
            ],
            &usage,
        );
    }
    let choice = json!({"index": 0, "logprobs": null, "finish_reason": finish, "native_finish_reason": native,
        "message": message(answer)});
    ordered(
        &[
            ("id", id),
            ("object", json!("chat.completion")),
            ("created", created),
            ("model", served),
            ("provider", provider),
            ("system_fingerprint", Value::Null),
            ("service_tier", Value::Null),
            ("choices", json!([choice])),
        ],
        &usage,
    )
}

fn message(answer: &Answer) -> Value {
    let reasoning = answer.reasoning.concat();
    let mut message = json!({"role": "assistant", "content": answer.pieces.concat(), "refusal": null,
        "reasoning": if reasoning.is_empty() { Value::Null } else { Value::from(reasoning.as_str()) }});
    if !reasoning.is_empty() {
        message["reasoning_details"] =
            json!([{"type": "reasoning.text", "text": reasoning, "format": null, "index": 0}]);
    }
    if let Some(call) = &answer.call {
        message["content"] = Value::Null;
        message["tool_calls"] = json!([{"type": "function", "index": 0, "id": call.id,
            "function": {"name": call.name, "arguments": call.arguments}}]);
    }
    message
}

/// One chunk; members that are absent on the wire are `None`.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<()>,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Delta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    finish_reason: Option<&'static str>,
    native_finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    content: Option<&'a str>,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Value>,
}

/// What all chunks of one stream share.
struct Writer<'a> {
    id: &'a str,
    created: i64,
    model: &'a Model,
    text: bool,
}

impl<'a> Writer<'a> {
    fn chunk(&self, choices: Vec<Choice<'a>>, usage: Option<&'a RawValue>) -> Chunk<'a> {
        let object = if self.text { "text_completion" } else { "chat.completion.chunk" };
        let (id, model) = (self.id, self.model);
        Chunk {
            id,
            object,
            created: self.created,
            model: &model.id,
            provider: model.provider,
            service_tier: None,
            choices,
            usage,
        }
    }

    fn choice(&self, delta: Delta<'a>, finish: Option<(&'static str, &'static str)>) -> Vec<Choice<'a>> {
        let text = if self.text { Some(delta.content.unwrap_or("")) } else { None };
        let delta = if self.text { None } else { Some(Delta { role: "assistant", ..delta }) };
        let (finish_reason, native_finish_reason) = finish.unzip();
        vec![Choice { index: 0, delta, text, finish_reason, native_finish_reason }]
    }
}

fn stream(ask: &Ask, model: &Model, answer: &Answer, id: &str, created: i64) -> Vec<Step> {
    let writer = Writer { id, created, model, text: ask.dialect == Dialect::Text };
    let mut out = Stream::default();
    out.open(&ask.steer);
    for thought in &answer.reasoning {
        let details = json!([{"type": "reasoning.text", "text": thought, "format": null, "index": 0}]);
        let delta = Delta {
            content: Some(""),
            reasoning: Some(thought),
            reasoning_details: Some(details),
            ..Delta::default()
        };
        out.data(&writer.chunk(writer.choice(delta, None), None));
    }
    for (at, piece) in answer.pieces.iter().enumerate() {
        let delta = Delta { content: Some(piece), ..Delta::default() };
        out.data(&writer.chunk(writer.choice(delta, None), None));
        if at == 0 || at % 50 == 49 {
            out.comment();
        }
    }
    if let Some(call) = &answer.call {
        for part in call_parts(call) {
            let delta = Delta { tool_calls: Some(part), ..Delta::default() };
            out.data(&writer.chunk(writer.choice(delta, None), None));
        }
    }
    let finish = finish_words(answer.finish, model);
    let last = || Delta { content: Some(""), ..Delta::default() };
    out.data(&writer.chunk(writer.choice(last(), Some(finish)), None));
    let usage = usage_text(&answer.usage);
    // The usage chunk in its three historical shapes (openrouter-api.md 7).
    let choices = match ask.steer.usage.unwrap_or(ask.seed % 3 + 1) {
        1 => writer.choice(last(), None),
        2 => Vec::new(),
        _ => writer.choice(last(), Some(finish)),
    };
    let current = choices.first().is_some_and(|choice| choice.finish_reason.is_some());
    out.data(&Chunk { service_tier: current.then_some(()), ..writer.chunk(choices, Some(&usage)) });
    out.done();
    out.steps(&ask.steer)
}

/// A call in fragments: name first, then arguments, some of them empty.
fn call_parts(call: &Call) -> Vec<Value> {
    let mut parts = vec![
        json!([{"index": 0, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}]),
        json!([{"index": 0, "function": {"arguments": ""}}]),
    ];
    let letters: Vec<char> = call.arguments.chars().collect();
    for part in letters.chunks(9) {
        let text: String = part.iter().collect();
        parts.push(json!([{"index": 0, "function": {"arguments": text}}]));
    }
    parts
}

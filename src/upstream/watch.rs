//! Watches the events of a stream as they pass: when content begins, whether an error hides in it,
//! what was used, and whether it came to its proper end (`openrouter-api.md` section 7).
//!
//! Pure. Reads only what it acts on, and after the first content parses only events that can say
//! something new; never changes a byte.

mod whole;

pub use whole::whole;

use super::{sse, usage};
use crate::domain::dialect::Dialect;
use crate::domain::usage::TokenUsage;
use memchr::memmem::Finder;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What one event means for the relay.
#[derive(Debug, PartialEq)]
pub enum Sight {
    /// Nothing yet: a comment, a role, an empty delta.
    Quiet,
    /// Content, reasoning, a tool call, or anything we do not know.
    Content,
    /// An error in the place of an answer, as an error body `{"error":…}`.
    Error(Value),
    /// The end marker of the dialect.
    Done,
}

/// What was learned from a whole answer or a stream so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The model that answers.
    pub model: Option<String>,
    /// The provider behind it, by display name.
    pub provider: Option<String>,
    /// OpenRouter's id of the generation.
    pub generation_id: Option<String>,
    /// Token counts so far.
    pub tokens: TokenUsage,
    /// The last finish reason stated.
    pub finish: Option<String>,
    /// Events with content: about the tokens so far, when no count ever comes.
    pub content_events: u64,
}

impl Seen {
    /// Whether the answer ended without a word and without a reason: a cold start, not an answer
    /// (`openrouter-api.md` section 6). A cap that was reached is a reason.
    pub fn is_empty_finish(&self) -> bool {
        self.content_events == 0
            && self.tokens.completion.unwrap_or(0) == 0
            && matches!(self.finish.as_deref(), None | Some("stop" | "end_turn" | ""))
    }
}

/// What tells that an event may say something new; made once, because making one costs more than its search.
struct Finders {
    usage: Finder<'static>,
    error: Finder<'static>,
    failed: Finder<'static>,
    stop: Finder<'static>,
}

static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    usage: Finder::new(b"\"usage\""),
    error: Finder::new(b"\"error\""),
    failed: Finder::new(b"response.failed"),
    stop: Finder::new(b"message_stop"),
});

/// Watches one stream.
#[derive(Debug)]
pub struct Watch {
    dialect: Dialect,
    seen: Seen,
}

/// A chunk of chat or completions, or a whole answer of these.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "text")]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    error: Option<Value>,
}

impl Choice<'_> {
    fn says_something(&self) -> bool {
        let told = [&self.delta, &self.message].into_iter().flatten().any(Delta::says_something);
        told || self.text.is_some_and(|text| !matches!(text.get(), "null" | "\"\""))
    }
}

/// A text; of another kind it is read as missing, for nothing we act on depends on it.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    let raw = <&'a RawValue>::deserialize(deserializer)?.get();
    let Some(inside) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Ok(None) };
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Ok(Some(Cow::Borrowed(inside)));
    }
    Ok(serde_json::from_str(raw).ok().map(Cow::Owned))
}

/// The error of a member `error`: null and `{}` say nothing.
fn stated(error: &Option<Value>) -> Option<Value> {
    error
        .clone()
        .filter(|error| !error.is_null() && error.as_object().is_none_or(|members| !members.is_empty()))
}

/// Any of these, when not empty, is something the client waits for.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    images: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl Delta<'_> {
    fn says_something(&self) -> bool {
        let parts = [
            self.content,
            self.reasoning,
            self.reasoning_content,
            self.reasoning_details,
            self.tool_calls,
            self.function_call,
            self.refusal,
            self.images,
            self.audio,
            self.annotations,
        ];
        parts.into_iter().flatten().any(|part| !matches!(part.get(), "null" | "\"\"" | "[]" | "{}"))
    }
}

impl Watch {
    /// For a stream of `dialect`.
    pub fn new(dialect: Dialect) -> Watch {
        Watch { dialect, seen: Seen::default() }
    }

    /// The upstream named the generation in the head of its answer (`X-Generation-Id`).
    pub fn named(&mut self, generation_id: &str) {
        keep(&mut self.seen.generation_id, Some(generation_id));
    }

    /// What was learned so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What `event`, one whole event, means.
    pub fn event(&mut self, event: &[u8]) -> Sight {
        let Some(data) = sse::data(event) else { return Sight::Quiet };
        let data = data.trim_ascii();
        if data.starts_with(b"[DONE]") {
            return Sight::Done;
        }
        if data.is_empty() {
            return Sight::Quiet;
        }
        if self.seen.content_events > 0 && !self.may_say_something_new(data) {
            self.seen.content_events += 1;
            return Sight::Content;
        }
        let sight = match self.dialect {
            Dialect::Chat | Dialect::Completions | Dialect::Embeddings => self.chat(data),
            Dialect::Responses => self.responses(data),
            Dialect::Messages => self.messages(data),
        };
        if sight == Sight::Content {
            self.seen.content_events += 1;
        }
        sight
    }

    /// Within a JSON string these would be escaped, so content cannot pass for them.
    fn may_say_something_new(&self, data: &[u8]) -> bool {
        let holds = |finder: &Finder<'_>| finder.find(data).is_some();
        let Finders { usage, error, failed, stop } = &*FINDERS;
        holds(usage)
            || holds(error)
            || match self.dialect {
                Dialect::Chat | Dialect::Completions | Dialect::Embeddings => false,
                Dialect::Responses => holds(failed),
                Dialect::Messages => holds(stop),
            }
    }

    fn chat(&mut self, data: &[u8]) -> Sight {
        let Some(chunk) = read::<Chunk<'_>>(data) else { return Sight::Content };
        let error = self.note(&chunk);
        if let Some(error) = error {
            return Sight::Error(error);
        }
        let content = chunk.choices.iter().flatten().any(Choice::says_something);
        if content { Sight::Content } else { Sight::Quiet }
    }

    /// Takes in what the chunk says of itself; returns the error it carries, if any.
    fn note(&mut self, chunk: &Chunk<'_>) -> Option<Value> {
        keep(&mut self.seen.generation_id, chunk.id.as_deref());
        keep(&mut self.seen.model, chunk.model.as_deref());
        keep(&mut self.seen.provider, chunk.provider.as_deref());
        if let Some(stated) = &chunk.usage {
            self.seen.tokens = usage::merged(self.seen.tokens, usage::tokens(stated.get()));
        }
        let mut error = stated(&chunk.error);
        for choice in chunk.choices.iter().flatten() {
            if let Some(finish) = &choice.finish_reason {
                self.seen.finish = Some(finish.clone().into_owned());
            }
            if error.is_none() {
                error = stated(&choice.error);
            }
        }
        if error.is_none() && self.seen.finish.as_deref() == Some("error") {
            error = Some(serde_json::json!({"code": 502, "message": "the provider ended with an error"}));
        }
        error.map(error_body)
    }

    fn responses(&mut self, data: &[u8]) -> Sight {
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return Sight::Content };
        let kind = event.get("type").and_then(Value::as_str).unwrap_or("");
        let response = event.get("response").unwrap_or(&Value::Null);
        keep(&mut self.seen.generation_id, response.get("id").and_then(Value::as_str));
        keep(&mut self.seen.model, response.get("model").and_then(Value::as_str));
        if let Some(stated) = response.get("usage").filter(|usage| usage.is_object()) {
            self.seen.tokens = usage::merged(self.seen.tokens, usage::tokens(&stated.to_string()));
        }
        match kind {
            "response.completed" | "response.incomplete" => {
                keep(&mut self.seen.finish, response.get("status").and_then(Value::as_str));
                Sight::Done
            }
            "response.failed" | "response.error" | "error" => {
                let error = response.get("error").or_else(|| event.get("error")).filter(|e| !e.is_null());
                Sight::Error(error_body(error.cloned().unwrap_or(event)))
            }
            "response.created" | "response.in_progress" | "response.output_item.added" | "" => {
                match event.get("error").filter(|error| !error.is_null()) {
                    Some(error) => Sight::Error(error_body(error.clone())),
                    None => Sight::Quiet,
                }
            }
            "response.content_part.added" => Sight::Quiet,
            _ => Sight::Content,
        }
    }

    fn messages(&mut self, data: &[u8]) -> Sight {
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return Sight::Content };
        let message = event.get("message").unwrap_or(&Value::Null);
        keep(&mut self.seen.generation_id, message.get("id").and_then(Value::as_str));
        keep(&mut self.seen.model, message.get("model").and_then(Value::as_str));
        for stated in [message.get("usage"), event.get("usage")].into_iter().flatten() {
            self.seen.tokens = usage::merged(self.seen.tokens, usage::tokens(&stated.to_string()));
        }
        if let Some(reason) = event.pointer("/delta/stop_reason").and_then(Value::as_str) {
            self.seen.finish = Some(reason.to_owned());
        }
        match event.get("type").and_then(Value::as_str) {
            Some("message_stop") => Sight::Done,
            Some("error") => Sight::Error(error_body(event.get("error").cloned().unwrap_or(Value::Null))),
            Some("message_start" | "ping" | "message_delta" | "content_block_stop") => Sight::Quiet,
            Some("content_block_start") => match event.pointer("/content_block/type").and_then(Value::as_str)
            {
                Some("text" | "thinking") => Sight::Quiet,
                _ => Sight::Content,
            },
            _ => match event.get("error").filter(|error| !error.is_null()) {
                Some(error) => Sight::Error(error_body(error.clone())),
                None => Sight::Content,
            },
        }
    }
}

/// What `json` says. Text that is checked once as a whole is read faster.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text).ok(),
        // Where nothing is read, other bytes do no harm.
        Err(_) => serde_json::from_slice(json).ok(),
    }
}

fn error_body(error: Value) -> Value {
    serde_json::json!({ "error": error })
}

/// The first statement stays: later chunks repeat it.
fn keep(place: &mut Option<String>, stated: Option<&str>) {
    if place.is_none() {
        *place = stated.filter(|text| !text.is_empty()).map(str::to_owned);
    }
}

#[cfg(test)]
mod tests;

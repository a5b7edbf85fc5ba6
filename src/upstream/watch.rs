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
use crate::json::scan::Scanner;
use crate::json::{self, grammar};
use memchr::memmem::Finder;
use serde_json::Value;
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

/// What a chunk of chat or completions, or a whole answer of these, says of itself.
#[derive(Default)]
struct Chunk<'a> {
    id: Option<Cow<'a, str>>,
    model: Option<Cow<'a, str>>,
    provider: Option<Cow<'a, str>>,
    usage: Option<&'a str>,
    /// What it says went wrong, or its first choice of which that is said.
    error: Option<Value>,
    /// The last finish reason of its choices.
    finish: Option<Cow<'a, str>>,
    has_choices: bool,
    says_something: bool,
}

impl<'a> Chunk<'a> {
    /// `None`: it is no JSON object, or its choices are no list of objects.
    fn read(json: &'a [u8]) -> Option<Chunk<'a>> {
        let (mut chunk, mut error_of_choice, mut is_odd) = (Chunk::default(), None, false);
        outer(json, |name, raw| match name {
            b"id" => chunk.id = text(raw),
            b"model" => chunk.model = text(raw),
            b"provider" => chunk.provider = text(raw),
            b"usage" => chunk.usage = std::str::from_utf8(raw).ok(),
            b"error" => chunk.error = stated(raw),
            b"choices" => {
                let choice =
                    |scanner: &mut Scanner<'a>| is_odd |= !chunk.choice(scanner, &mut error_of_choice);
                let is_list = Scanner::of(raw).list(choice);
                chunk.has_choices = is_list;
                is_odd |= !is_list && raw != b"null";
            }
            _ => {}
        })?;
        chunk.error = chunk.error.or(error_of_choice);
        (!is_odd).then_some(chunk)
    }

    /// Takes in one of its choices; whether it is one.
    fn choice(&mut self, scanner: &mut Scanner<'a>, error: &mut Option<Value>) -> bool {
        let mut is_odd = false;
        let is_object = scanner.object(|scanner, name| match name {
            b"delta" | b"message" => {
                let is_object = scanner.object(|scanner, name| {
                    self.says_something |= SAID.contains(&name) && !scanner.raw().is_none_or(is_empty);
                });
                is_odd |= !is_object && scanner.raw() != Some(b"null");
            }
            b"text" => self.says_something |= !scanner.raw().is_none_or(is_empty),
            b"finish_reason" => self.finish = scanner.raw().and_then(text).or(self.finish.take()),
            b"error" if error.is_none() => *error = scanner.raw().and_then(stated),
            _ => {}
        });
        is_object && !is_odd
    }
}

/// Tells `member` the names of an object's members, as they stand between the quotes, and their values. `None`: it is
/// no JSON object.
fn outer<'a>(json: &'a [u8], mut member: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    let read = grammar::object(json, usize::MAX, |name, value| {
        let inside = name.start + 1..name.end - 1;
        member(json.get(inside).unwrap_or_default(), json.get(value).unwrap_or_default());
    });
    read.is_ok().then_some(())
}

/// Members of a delta or a message: any of these, when not empty, is something the client waits for.
const SAID: [&[u8]; 10] = [
    b"content",
    b"reasoning",
    b"reasoning_content",
    b"reasoning_details",
    b"tool_calls",
    b"function_call",
    b"refusal",
    b"images",
    b"audio",
    b"annotations",
];

/// Whether a value says nothing.
fn is_empty(raw: &[u8]) -> bool {
    matches!(raw, b"null" | b"\"\"" | b"[]" | b"{}")
}

/// A text; of another kind it is read as missing, for nothing we act on depends on it.
fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    json::string(std::str::from_utf8(raw).ok()?)
}

/// What a member `error` states: null and `{}` say nothing.
fn stated(raw: &[u8]) -> Option<Value> {
    if raw == b"null" {
        return None;
    }
    let error: Value = serde_json::from_slice(raw).ok()?;
    Some(error).filter(|error| error.as_object().is_none_or(|members| !members.is_empty()))
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
        let Some(chunk) = Chunk::read(data) else { return Sight::Content };
        let says_something = chunk.says_something;
        match self.note(chunk) {
            Some(error) => Sight::Error(error),
            None if says_something => Sight::Content,
            None => Sight::Quiet,
        }
    }

    /// Takes in what the chunk says of itself; returns the error it carries, if any.
    fn note(&mut self, chunk: Chunk<'_>) -> Option<Value> {
        keep(&mut self.seen.generation_id, chunk.id.as_deref());
        keep(&mut self.seen.model, chunk.model.as_deref());
        keep(&mut self.seen.provider, chunk.provider.as_deref());
        if let Some(stated) = chunk.usage {
            self.seen.tokens = usage::merged(self.seen.tokens, usage::tokens(stated));
        }
        if let Some(finish) = chunk.finish {
            self.seen.finish = Some(finish.into_owned());
        }
        let is_error = self.seen.finish.as_deref() == Some("error");
        let wordless =
            is_error.then(|| serde_json::json!({"code": 502, "message": "the provider ended with an error"}));
        chunk.error.or(wordless).map(error_body)
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

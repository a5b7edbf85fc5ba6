//! Composes an answer: the same content in every dialect, made of the request alone. The text
//! echoes the last user message and goes on in letters of one to four bytes.
//!
//! Never adds an endpoint's own words; `chat`, `responses` and `messages` do.

use super::ask::{Ask, Function};
use super::models::Model;
use serde_json::{Map, Value, json};

/// The pieces of an answer before any endpoint's words are put around them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The content, piece by piece; empty when a function is called.
    pub pieces: Vec<String>,
    /// The reasoning before it, piece by piece.
    pub reasoning: Vec<String>,
    /// The function call.
    pub call: Option<Call>,
    /// Why it ends.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// A function call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Its id.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments as JSON text.
    pub arguments: String,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// It is whole.
    Stop,
    /// The output limit is reached.
    Length,
    /// It calls a function.
    ToolCalls,
}

/// Tokens and cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens of the answer, reasoning included.
    pub completion: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// Tokens written to the provider's cache.
    pub cache_write: u64,
    /// USD for the prompt.
    pub prompt_cost: f64,
    /// USD for the answer.
    pub completion_cost: f64,
}

impl Usage {
    /// USD for both.
    pub(super) fn cost(&self) -> f64 {
        self.prompt_cost + self.completion_cost
    }
}

const PHRASES: [&str; 8] = [
    "Grüße aus Köln, ",
    "東京から、",
    "👋🏽 hello, ",
    "你好，世界。",
    "naïve café ",
    "Привет! ",
    "🚀 ∑ → ∞ ",
    "and plain words. ",
];

const THOUGHTS: [&str; 4] = ["The user asks ", "for an echo. ", "考えています… ", "Answer plainly."];

/// How much of the user's message is echoed, in characters.
const ECHO: usize = 400;

/// The answer to `ask` by `model`.
pub(super) fn compose(ask: &Ask, model: &Model) -> Answer {
    let reasoning: Vec<String> =
        if ask.reasoning { THOUGHTS.map(str::to_owned).to_vec() } else { Vec::new() };
    let call = ask.call.as_ref().map(|function| call(function, ask.seed));
    let mut pieces = if call.is_some() { Vec::new() } else { content(ask) };
    let reasoning_tokens = tokens(&reasoning);
    let mut finish = if call.is_some() { Finish::ToolCalls } else { Finish::Stop };
    if let Some(limit) = ask.max_tokens {
        let room = limit.saturating_sub(reasoning_tokens);
        if shorten(&mut pieces, room) {
            finish = Finish::Length;
        }
    }
    let arguments = call.as_ref().map_or(0, |call| call.arguments.len() as u64 / 4 + 5);
    let completion = tokens(&pieces) + reasoning_tokens + arguments;
    let price = |tokens: u64, each: f64| if model.free { 0.0 } else { tokens as f64 * each };
    Answer {
        usage: Usage {
            prompt: ask.prompt_tokens,
            completion,
            reasoning: reasoning_tokens,
            cache_write: if ask.marked && ask.prompt_tokens >= 1024 { ask.prompt_tokens } else { 0 },
            prompt_cost: price(ask.prompt_tokens, model.prompt_price),
            completion_cost: price(completion, model.completion_price),
        },
        pieces,
        reasoning,
        call,
        finish,
    }
}

/// About 4 bytes a token.
fn tokens(pieces: &[String]) -> u64 {
    pieces.iter().map(|piece| piece.len().div_ceil(4) as u64).sum()
}

/// Cuts the pieces to `room` tokens; whether anything was cut.
fn shorten(pieces: &mut Vec<String>, room: u64) -> bool {
    let mut left = usize::try_from(room).unwrap_or(usize::MAX).saturating_mul(4);
    for at in 0..pieces.len() {
        let Some(piece) = pieces.get_mut(at) else { break };
        let cost = piece.len().div_ceil(4) * 4;
        if cost > left {
            let keep = floor_char(piece, left);
            piece.truncate(keep);
            pieces.truncate(if keep == 0 { at } else { at + 1 });
            return true;
        }
        left -= cost;
    }
    false
}

/// The largest character boundary not after `at`.
fn floor_char(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

fn content(ask: &Ask) -> Vec<String> {
    if let Some(schema) = &ask.schema {
        let filled = fill(schema, ask);
        let object = if filled.is_object() { filled } else { json!({"echo": ask.text}) };
        return cut_up(&object.to_string(), 16);
    }
    let echo = format!("echo: {} ", ask.text.chars().take(ECHO).collect::<String>());
    let phrase = |at: usize| {
        let turn = usize::try_from(ask.seed % 8).unwrap_or(0) + at;
        let text = PHRASES.get(turn % PHRASES.len()).copied().unwrap_or("");
        match ask.steer.size {
            None => text.to_owned(),
            Some(size) => {
                let long = text.repeat(size / text.len() + 1);
                let keep = floor_char(&long, size).max(text.chars().next().map_or(1, char::len_utf8));
                long.get(..keep).unwrap_or(text).to_owned()
            }
        }
    };
    match ask.steer.chunks {
        Some(count) => std::iter::once(echo).chain((1..count).map(phrase)).collect(),
        None => {
            let mut pieces = cut_up(&echo, 24);
            pieces.extend((0..3).map(phrase));
            pieces
        }
    }
}

/// Pieces of at most `size` bytes, whole characters.
fn cut_up(text: &str, size: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for letter in text.chars() {
        match pieces.last_mut() {
            Some(piece) if piece.len() + letter.len_utf8() <= size => piece.push(letter),
            _ => pieces.push(letter.to_string()),
        }
    }
    pieces
}

fn call(function: &Function, seed: u64) -> Call {
    let arguments = match fill(&function.parameters, &Value::Null) {
        object @ Value::Object(_) => object,
        _ => json!({}),
    };
    Call { id: format!("call_{seed:016x}"), name: function.name.clone(), arguments: arguments.to_string() }
}

/// A value that the schema allows, for the schemas that clients usually send.
fn fill(schema: &Value, echo: impl Echo + Copy) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    if let Some(inner) = ["anyOf", "oneOf"].iter().find_map(|name| schema[*name].get(0)) {
        return fill(inner, echo);
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind {
        Some("string") => Value::from(echo.text()),
        Some("integer") => Value::from(schema["minimum"].as_i64().unwrap_or(7)),
        Some("number") => Value::from(schema["minimum"].as_f64().unwrap_or(1.5)),
        Some("boolean") => Value::Bool(true),
        Some("array") => Value::Array(vec![fill(&schema["items"], echo)]),
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(
                members.map(|(name, inner)| (name.clone(), fill(inner, echo))).collect::<Map<_, _>>(),
            )
        }
        _ => Value::Null,
    }
}

/// What strings are filled with.
trait Echo {
    fn text(&self) -> String;
}

impl Echo for &Ask {
    fn text(&self) -> String {
        self.text.chars().take(ECHO).collect()
    }
}

impl Echo for &Value {
    fn text(&self) -> String {
        "Zürich 東京 👋".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::faults::Dialect;
    use crate::simulator::models::Models;

    fn answer(body: Value) -> Answer {
        let ask = Ask::read(Dialect::Chat, body.to_string().as_bytes(), 0).expect("readable");
        let models = Models::new(&[]).expect("readable");
        compose(&ask, models.find("openai/gpt-4o").expect("a listed model"))
    }

    fn said(text: &str, more: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }

    #[test]
    fn answers_echo_and_repeat() {
        let first = answer(said("Grüß Gott", json!({})));
        assert!(first.pieces.concat().starts_with("echo: Grüß Gott "));
        assert_eq!(first, answer(said("Grüß Gott", json!({}))));
        assert!(first.usage.cost() > 0.0);
        assert_eq!(answer(said("x [[chunks=40 size=20]]", json!({}))).pieces.len(), 40);
    }

    #[test]
    fn limits_cut_inside_no_character() {
        let whole = answer(said("世界世界世界", json!({}))).pieces.concat();
        for limit in 0..20 {
            let cut = answer(said("世界世界世界", json!({"max_tokens": limit})));
            assert!(cut.usage.completion <= limit, "{limit}");
            if cut.finish == Finish::Length {
                assert!(cut.pieces.concat().len() < whole.len());
            }
        }
    }

    #[test]
    fn schemas_are_filled() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}}, "no": {"type": ["boolean", "null"]}}});
        let format = json!({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}});
        let text = answer(said("Ada", format)).pieces.concat();
        let value: Value = serde_json::from_str(&text).expect("JSON content");
        assert_eq!(value, json!({"name": "Ada", "age": 7, "tags": ["a"], "no": true}));
    }
}

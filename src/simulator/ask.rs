//! Reads what a request asks for, whatever endpoint it came to. Reads leniently; refuses only what
//! OpenRouter refuses. Answers are made of an [`Ask`] and nothing else, so they are repeatable.
//!
//! Never looks at keys, quotas or the clock.

use super::faults::Dialect;
use super::steer::Steer;
use serde_json::Value;

/// What one request asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    /// The endpoint's words.
    pub dialect: Dialect,
    /// The model asked for.
    pub model: String,
    /// The models to fall back on.
    pub fallbacks: Vec<String>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// The last user message without its directives.
    pub text: String,
    /// Those directives.
    pub steer: Steer,
    /// About 4 bytes a token, images at a flat rate.
    pub prompt_tokens: u64,
    /// The output limit.
    pub max_tokens: Option<u64>,
    /// The function to call.
    pub call: Option<Function>,
    /// Whether the answer reasons first.
    pub reasoning: bool,
    /// The JSON schema that the content must follow; `Null` for any object.
    pub schema: Option<Value>,
    /// Whether a part is marked for caching.
    pub marked: bool,
    /// What is to be embedded.
    pub inputs: Vec<String>,
    /// The length of the vectors.
    pub dimensions: Option<u64>,
    /// Whether vectors go as base64.
    pub base64: bool,
    /// Hash of the body: all chance comes from it.
    pub seed: u64,
}

/// A function the client offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Function {
    /// Its name.
    pub name: String,
    /// The schema of its parameters.
    pub parameters: Value,
}

/// Bytes that an image counts as: 340 tokens.
const IMAGE_BYTES: usize = 1360;

impl Ask {
    /// Reads a body; the error is the message of a 400.
    pub(super) fn read(dialect: Dialect, body: &[u8], salt: u64) -> Result<Ask, String> {
        let json: Value = serde_json::from_slice(body).map_err(|e| format!("Invalid JSON body: {e}"))?;
        if !json.is_object() {
            return Err("Invalid JSON body: expected an object".to_owned());
        }
        let fallbacks: Vec<String> = strings(&json["models"]);
        let model = match &json["model"] {
            Value::String(model) => model.clone(),
            _ => fallbacks.first().cloned().ok_or("No models provided")?,
        };
        let turns = turns_of(dialect, &json)?;
        let (steer, text) = Steer::read(&last_user_text(turns));
        let tools = &json["tools"];
        let prompt_bytes: usize =
            [turns, tools, &json["system"], &json["instructions"]].map(weigh).iter().sum();
        let call = called(&json, &text, steer, turns);
        Ok(Ask {
            dialect,
            model,
            fallbacks,
            stream: json["stream"].as_bool().unwrap_or(false),
            text,
            steer,
            prompt_tokens: u64::try_from(prompt_bytes.div_ceil(4)).unwrap_or(u64::MAX) + 7,
            max_tokens: ["max_completion_tokens", "max_tokens", "max_output_tokens"]
                .iter()
                .find_map(|name| json[*name].as_u64()),
            call,
            reasoning: steer.reasoning || reasons(&json),
            schema: schema_of(&json),
            marked: memchr::memmem::find(body, b"\"cache_control\"").is_some(),
            inputs: if dialect == Dialect::Embeddings { inputs_of(turns) } else { Vec::new() },
            dimensions: json["dimensions"].as_u64(),
            base64: json["encoding_format"] == "base64",
            seed: digest(body) ^ salt,
        })
    }
}

/// FNV-1a of some bytes: the simulator's only source of chance, and a checksum of what it sent.
pub fn digest(bytes: &[u8]) -> u64 {
    digest_more(0xcbf2_9ce4_8422_2325, bytes)
}

/// Goes on with a [`digest`].
pub(super) fn digest_more(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// The member that holds the conversation, checked for being there.
fn turns_of(dialect: Dialect, json: &Value) -> Result<&Value, String> {
    let (name, missing) = match dialect {
        Dialect::Chat if json["messages"].is_null() && json["prompt"].is_string() => ("prompt", ""),
        Dialect::Chat | Dialect::Messages => {
            ("messages", "Input required: specify \"prompt\" or \"messages\"")
        }
        Dialect::Text => ("prompt", "Input required: specify \"prompt\" or \"messages\""),
        _ => ("input", "Input required: specify \"input\""),
    };
    let turns = &json[name];
    let empty = turns.as_array().is_some_and(Vec::is_empty);
    if !(turns.is_array() || turns.is_string()) || empty {
        return Err(missing.to_owned());
    }
    Ok(turns)
}

/// The text of the last thing the user said.
fn last_user_text(turns: &Value) -> String {
    let Some(list) = turns.as_array() else { return turns.as_str().unwrap_or("").to_owned() };
    let last = list.iter().rev().find(|turn| turn["role"] == "user").or(list.last());
    last.map(|turn| if turn.is_string() { text_of(turn) } else { text_of(&turn["content"]) })
        .unwrap_or_default()
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The bytes of all text in a value; an image counts at a flat rate, not by its data.
fn weigh(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weigh).sum(),
        Value::Object(members) => match members.get("type").and_then(Value::as_str) {
            Some(kind) if kind.contains("image") || kind.contains("file") => IMAGE_BYTES,
            _ => members.iter().map(|(name, value)| weigh(value) + name.len() / 4).sum(),
        },
        _ => 1,
    }
}

fn reasons(json: &Value) -> bool {
    let asked = &json["reasoning"];
    let effort = asked["effort"].as_str().or(json["reasoning_effort"].as_str());
    json["include_reasoning"] == true
        || json["thinking"]["type"] == "enabled"
        || (asked.is_object()
            && asked["enabled"] != false
            && asked["exclude"] != true
            && effort != Some("none"))
        || effort.is_some_and(|effort| effort != "none")
}

fn schema_of(json: &Value) -> Option<Value> {
    let format =
        if json["response_format"].is_object() { &json["response_format"] } else { &json["text"]["format"] };
    match format["type"].as_str()? {
        "json_object" => Some(Value::Null),
        "json_schema" if format["json_schema"].is_object() => Some(format["json_schema"]["schema"].clone()),
        "json_schema" => Some(format["schema"].clone()),
        _ => None,
    }
}

/// The function to call: when the choice demands one, or the message speaks of a tool.
fn called(json: &Value, text: &str, steer: Steer, turns: &Value) -> Option<Function> {
    let last = turns.as_array().and_then(|list| list.last());
    let answered = last.is_some_and(|turn| turn["role"] == "tool" || turn["type"] == "function_call_output");
    let choice = &json["tool_choice"];
    let wanted = choice["function"]["name"].as_str().or(choice["name"].as_str());
    let demanded = wanted.is_some() || *choice == "required" || choice["type"] == "any";
    if answered || *choice == "none" || !(demanded || steer.tool || text.to_lowercase().contains("tool")) {
        return None;
    }
    let functions = json["tools"].as_array()?.iter().filter_map(|tool| {
        let inner = if tool["function"].is_object() { &tool["function"] } else { tool };
        let parameters =
            if inner["input_schema"].is_object() { &inner["input_schema"] } else { &inner["parameters"] };
        Some(Function { name: inner["name"].as_str()?.to_owned(), parameters: parameters.clone() })
    });
    functions.into_iter().find(|function| wanted.is_none_or(|name| name == function.name))
}

fn inputs_of(turns: &Value) -> Vec<String> {
    match turns {
        Value::Array(list) if list.iter().all(Value::is_number) => vec![turns.to_string()],
        Value::Array(list) => {
            list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
        }
        other => vec![other.as_str().unwrap_or("").to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(dialect: Dialect, body: Value) -> Ask {
        Ask::read(dialect, body.to_string().as_bytes(), 0).expect("readable")
    }

    #[test]
    fn the_same_is_read_in_every_dialect() {
        let tool = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let chat = json!({"model": "m", "max_tokens": 9, "reasoning": {"effort": "low"}, "tool_choice": "required",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": tool}}]});
        let responses = json!({"model": "m", "max_output_tokens": 9, "reasoning": {"effort": "low"},
            "tool_choice": "required", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "tools": [{"type": "function", "name": "f", "parameters": tool}]});
        let messages = json!({"model": "m", "max_tokens": 9, "thinking": {"type": "enabled"},
            "tool_choice": {"type": "any"}, "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "f", "input_schema": tool}]});
        for (dialect, body) in
            [(Dialect::Chat, chat), (Dialect::Responses, responses), (Dialect::Messages, messages)]
        {
            let ask = read(dialect, body);
            assert_eq!(
                (ask.text.as_str(), ask.max_tokens, ask.reasoning),
                ("hi", Some(9), true),
                "{dialect:?}"
            );
            assert_eq!(
                ask.call,
                Some(Function { name: "f".into(), parameters: tool.clone() }),
                "{dialect:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let table = [
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, "No models provided"),
            (r#"{"model":"m"}"#, "Input required"),
            (r#"{"model":"m","messages":[]}"#, "Input required"),
            ("[]", "Invalid JSON body"),
            ("{", "Invalid JSON body"),
        ];
        for (body, want) in table {
            let error = Ask::read(Dialect::Chat, body.as_bytes(), 0).expect_err("refused");
            assert!(error.starts_with(want), "{body}: {error}");
        }
    }

    #[test]
    fn images_do_not_count_by_their_data() {
        let image = json!({"type": "image_url", "image_url": {"url": "x".repeat(1_000_000)}});
        let ask = read(
            Dialect::Chat,
            json!({"model": "m", "messages": [{"role": "user", "content": [image, {"type": "text", "text": "?"}]}]}),
        );
        assert!(ask.prompt_tokens < 400, "{}", ask.prompt_tokens);
    }
}

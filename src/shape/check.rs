//! Whether a body is one that its endpoint can take: the fields we act on must be of their kinds.
//!
//! As lenient as OpenAI's API in everything else: `null` is absent, unknown fields pass. Never
//! changes a body, and never repeats a value of it in a message.

use super::body::{BodyFault, Document, integer};
use super::dialect::Dialect;
use super::elements::Element;
use crate::json::{self, Kind, Span};
use std::fmt::{Arguments, Display};

/// Refuses a body with the first fault found, naming the field.
pub fn check(doc: &Document, dialect: Dialect) -> Result<(), BodyFault> {
    check_model(doc)?;
    match dialect {
        Dialect::Chat => check_messages(doc)?,
        Dialect::Messages => {
            if let Some(system) = doc.span("system") {
                check_content(doc, format_args!("system"), &system)?;
            }
            check_messages(doc)?;
        }
        Dialect::Completions | Dialect::Embeddings | Dialect::Responses => check_prompt(doc, dialect)?,
    }
    for (name, raw) in doc.members() {
        if let Some(form) = Form::of(name).filter(|_| json::kind(raw) != Kind::Null) {
            form.check(name, raw)?;
        }
    }
    for &name in dialect.limit_fields() {
        if let Some(raw) = doc.given(name) {
            Form::Positive.check(name, raw)?;
        }
    }
    check_objects(doc, dialect)?;
    check_lists(doc)
}

/// Objects that we look into, or that the upstream chooses by: no name may stand twice in them.
fn check_objects(doc: &Document, dialect: Dialect) -> Result<(), BodyFault> {
    for name in ["provider", "reasoning", "thinking"] {
        if name == "thinking" && dialect != Dialect::Messages {
            continue;
        }
        if let (Some(raw), Some(span)) = (doc.given(name), doc.span(name)) {
            Form::Object.check(name, raw)?;
            doc.object(span, name)?;
        }
    }
    Ok(())
}

/// The longest name of a model, in bytes: real ones have some dozens. What is asked for is remembered
/// where the upstream refuses it.
const LONGEST_MODEL: usize = 256;

/// The most models that one request may list; each is a model that may be tried.
const MOST_MODELS: usize = 64;

/// The kind that a field must have.
#[derive(Debug, Clone, Copy)]
enum Form {
    Bool,
    Number,
    Positive,
    Text,
    List,
    Object,
}

impl Form {
    /// Of a top-level field whose kind is checked, whatever the dialect.
    fn of(name: &str) -> Option<Form> {
        Some(match name {
            "stream" => Form::Bool,
            "models" | "fallbacks" | "tools" | "plugins" => Form::List,
            "provider" | "reasoning" | "stream_options" | "cache_control" => Form::Object,
            "temperature" | "top_p" | "top_k" | "min_p" | "top_a" => Form::Number,
            "frequency_penalty" | "presence_penalty" | "repetition_penalty" | "seed" => Form::Number,
            "n" => Form::Positive,
            "session_id" => Form::Text,
            _ => return None,
        })
    }

    fn check(self, field: impl Display, raw: &str) -> Result<(), BodyFault> {
        let kind = json::kind(raw);
        let (fits, wanted) = match self {
            Form::Bool => (kind == Kind::Bool, "true or false"),
            Form::Number => (kind == Kind::Number, "a number"),
            Form::Positive => (integer(raw).is_some_and(|n| n > 0), "a positive integer"),
            Form::Text => (kind == Kind::Text, "a string"),
            Form::List => (kind == Kind::List, "a list"),
            Form::Object => (kind == Kind::Object, "an object"),
        };
        if fits { Ok(()) } else { Err(must_be(field, wanted)) }
    }
}

fn must_be(field: impl Display, wanted: &str) -> BodyFault {
    BodyFault::field(field.to_string(), format!("{field} must be {wanted}"))
}

fn missing(field: impl Display) -> BodyFault {
    BodyFault::field(field.to_string(), format!("{field} is missing"))
}

fn check_model(doc: &Document) -> Result<(), BodyFault> {
    let raw = doc.given("model").ok_or_else(|| missing("model"))?;
    match json::string(raw) {
        Some(model) if model.trim().is_empty() => Err(BodyFault::field("model", "model must not be empty")),
        Some(model) if model.len() > LONGEST_MODEL => {
            Err(BodyFault::field("model", format!("model must not be longer than {LONGEST_MODEL} bytes")))
        }
        Some(_) => Ok(()),
        None => Err(must_be("model", "a string")),
    }
}

fn check_messages(doc: &Document) -> Result<(), BodyFault> {
    let raw = doc.given("messages").ok_or_else(|| missing("messages"))?;
    Form::List.check("messages", raw)?;
    let mut count = 0;
    if let Some(span) = doc.span("messages") {
        doc.each_element(&span, |index, element| {
            count += 1;
            check_message(doc, format_args!("messages[{index}]"), element)
        })?;
    }
    if count == 0 {
        return Err(BodyFault::field("messages", "messages must not be empty"));
    }
    Ok(())
}

fn check_message(doc: &Document, path: Arguments<'_>, element: &Element) -> Result<(), BodyFault> {
    let text = doc.text();
    let message = element.object(path)?.ok_or_else(|| must_be(path, "an object"))?;
    let role = message.get("role").map(|member| json::slice(text, &member.value));
    let role = role.ok_or_else(|| missing(format_args!("{path}.role")))?;
    if json::string(role).is_none_or(|role| role.is_empty()) {
        return Err(must_be(format_args!("{path}.role"), "a string such as \"user\""));
    }
    let Some(content) = message.get("content") else { return Ok(()) };
    check_content(doc, format_args!("{path}.content"), &content.value)
}

/// A text, nothing, or a list of parts.
fn check_content(doc: &Document, path: Arguments<'_>, span: &Span) -> Result<(), BodyFault> {
    let text = doc.text();
    match json::kind(json::slice(text, span)) {
        Kind::Text | Kind::Null => Ok(()),
        Kind::List => json::each_element(text, span, |index, part| {
            Form::Object.check(format_args!("{path}[{index}]"), json::slice(text, &part))
        }),
        _ => Err(must_be(path, "a string or a list of parts")),
    }
}

fn check_prompt(doc: &Document, dialect: Dialect) -> Result<(), BodyFault> {
    let field = dialect.prompt_field();
    let raw = doc.given(field).ok_or_else(|| missing(field))?;
    match json::kind(raw) {
        Kind::Text => Ok(()),
        Kind::List => {
            let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or("");
            if inside.trim().is_empty() {
                return Err(BodyFault::field(field, format!("{field} must not be empty")));
            }
            Ok(())
        }
        _ => Err(must_be(field, "a string or a list")),
    }
}

/// Lists whose elements have one kind.
fn check_lists(doc: &Document) -> Result<(), BodyFault> {
    for (name, form) in [
        ("models", Form::Text),
        ("fallbacks", Form::Object),
        ("tools", Form::Object),
        ("plugins", Form::Object),
    ] {
        let Some(span) = doc.span(name) else { continue };
        let names_models = matches!(name, "models" | "fallbacks");
        json::each_element(doc.text(), &span, |index, element| {
            if names_models && index >= MOST_MODELS {
                let message = format!("{name} must not name more than {MOST_MODELS} models");
                return Err(BodyFault::field(name, message));
            }
            let raw = json::slice(doc.text(), &element);
            if name == "models" && raw.len() > LONGEST_MODEL + 2 {
                let field = format!("{name}[{index}]");
                let message = format!("{field} must not be longer than {LONGEST_MODEL} bytes");
                return Err(BodyFault::field(field, message));
            }
            form.check(format_args!("{name}[{index}]"), raw)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn fault(dialect: Dialect, body: &str) -> Option<String> {
        let doc = Document::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        check(&doc, dialect).err().map(|fault| fault.field.unwrap())
    }

    #[test]
    fn models_are_bounded() {
        let of = |models: Vec<String>| {
            fault(Dialect::Chat, &serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "models": models}).to_string())
        };
        assert_eq!(of(vec!["a".repeat(256); 64]), None);
        assert_eq!(of(vec!["a".to_owned(); 65]).as_deref(), Some("models"));
        assert_eq!(of(vec!["a".repeat(257)]).as_deref(), Some("models[0]"));
        let long =
            format!(r#"{{"model":"{}","messages":[{{"role":"user","content":"x"}}]}}"#, "m".repeat(257));
        assert_eq!(fault(Dialect::Chat, &long).as_deref(), Some("model"));
    }

    #[test]
    fn chat_faults_name_the_field() {
        for (body, field) in [
            (r#"{"messages":[{"role":"user"}]}"#, "model"),
            (r#"{"model":null,"messages":[]}"#, "model"),
            (r#"{"model":7,"messages":[]}"#, "model"),
            (r#"{"model":" ","messages":[]}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":null}"#, "messages"),
            (r#"{"model":"m","messages":"hi"}"#, "messages"),
            (r#"{"model":"m","messages":{}}"#, "messages"),
            (r#"{"model":"m","messages":[ ]}"#, "messages"),
            (r#"{"model":"m","messages":["hi"]}"#, "messages[0]"),
            (r#"{"model":"m","messages":[{"role":"user"},{"content":"x"}]}"#, "messages[1].role"),
            (r#"{"model":"m","messages":[{"role":3}]}"#, "messages[0].role"),
            (r#"{"model":"m","messages":[{"role":""}]}"#, "messages[0].role"),
            (r#"{"model":"m","messages":[{"role":"user","role":"user"}]}"#, "messages[0].role"),
            (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "messages[0].content"),
            (r#"{"model":"m","messages":[{"role":"user","content":["x"]}]}"#, "messages[0].content[0]"),
        ] {
            assert_eq!(fault(Dialect::Chat, body).as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn wrong_kinds_name_the_field() {
        for (member, field) in [
            (r#""stream":"yes""#, "stream"),
            (r#""max_tokens":0"#, "max_tokens"),
            (r#""max_tokens":-5"#, "max_tokens"),
            (r#""max_tokens":1.5"#, "max_tokens"),
            (r#""max_tokens":"9""#, "max_tokens"),
            (r#""max_completion_tokens":true"#, "max_completion_tokens"),
            (r#""models":"a""#, "models"),
            (r#""models":["a",1]"#, "models[1]"),
            (r#""tools":{}"#, "tools"),
            (r#""tools":[1]"#, "tools[0]"),
            (r#""provider":[]"#, "provider"),
            (r#""temperature":"hot""#, "temperature"),
            (r#""provider":{"order":["a"],"order":["b"]}"#, "provider.order"),
            (r#""reasoning":{"effort":"low","effort":"high"}"#, "reasoning.effort"),
        ] {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{member}}}"#);
            assert_eq!(fault(Dialect::Chat, &body).as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn lenient_where_openai_is() {
        for member in [
            r#""stream":null"#,
            r#""max_tokens":null"#,
            r#""max_tokens":99999999999999999999999"#,
            r#""max_output_tokens":"not of this dialect""#,
            r#""stop":["a"],"logit_bias":{"1":-100},"whatever":{"a":[1e400]}"#,
        ] {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":null}}],{member}}}"#);
            assert_eq!(fault(Dialect::Chat, &body), None, "{body}");
        }
    }

    #[test]
    fn the_other_dialects() {
        for (dialect, body, field) in [
            (Dialect::Completions, r#"{"model":"m"}"#, Some("prompt")),
            (Dialect::Completions, r#"{"model":"m","prompt":"x","max_tokens":[]}"#, Some("max_tokens")),
            (Dialect::Completions, r#"{"model":"m","prompt":[1,2]}"#, None),
            (Dialect::Embeddings, r#"{"model":"m","input":[]}"#, Some("input")),
            (Dialect::Embeddings, r#"{"model":"m","input":{}}"#, Some("input")),
            (Dialect::Embeddings, r#"{"model":"m","input":["a"]}"#, None),
            (
                Dialect::Responses,
                r#"{"model":"m","input":"a","max_output_tokens":0}"#,
                Some("max_output_tokens"),
            ),
            (Dialect::Responses, r#"{"model":"m","input":[{"role":"user"}]}"#, None),
            (Dialect::Messages, r#"{"model":"m","messages":[]}"#, Some("messages")),
            (Dialect::Messages, r#"{"model":"m","messages":[{"role":"user"}],"max_tokens":5}"#, None),
            (Dialect::Messages, r#"{"model":"m","messages":[{"role":"user"}],"system":5}"#, Some("system")),
            (Dialect::Messages, r#"{"model":"m","messages":[{"role":"user"}],"system":{}}"#, Some("system")),
            (
                Dialect::Messages,
                r#"{"model":"m","messages":[{"role":"user"}],"system":[{"type":"text"},"x"]}"#,
                Some("system[1]"),
            ),
            (Dialect::Messages, r#"{"model":"m","messages":[{"role":"user"}],"system":null}"#, None),
            (Dialect::Chat, r#"{"model":"m","messages":[{"role":"user"}],"system":5,"thinking":1}"#, None),
            (
                Dialect::Messages,
                r#"{"model":"m","messages":[{"role":"user"}],"thinking":true}"#,
                Some("thinking"),
            ),
            (
                Dialect::Messages,
                r#"{"model":"m","messages":[{"role":"user"}],"thinking":{"type":"enabled","type":"off"}}"#,
                Some("thinking.type"),
            ),
        ] {
            assert_eq!(fault(dialect, body).as_deref(), field, "{body}");
        }
    }
}

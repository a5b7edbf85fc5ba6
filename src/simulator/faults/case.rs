//! What a fault may know of the request it spoils, and errors in each endpoint's own shape.
//!
//! Never keeps anything: the key is lent to the faults that repeat it.

use super::super::reply::Reply;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};

/// Whose words an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Dialect {
    /// `/chat/completions`.
    Chat,
    /// `/completions`.
    Text,
    /// `/responses`.
    Responses,
    /// `/messages`: errors in Anthropic's shape.
    Messages,
    /// `/embeddings`.
    Embeddings,
    /// Everything that does not generate.
    Plain,
}

/// One request, as a fault sees it.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Case<'a> {
    /// The endpoint's words.
    pub dialect: Dialect,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The model asked for.
    pub model: &'a str,
    /// The display name of its provider.
    pub provider: &'a str,
    /// The generation's id.
    pub id: &'a str,
    /// When it was made, in Unix seconds.
    pub created: i64,
    /// The account, as error bodies name it.
    pub user: &'a str,
    /// The key it came with.
    pub key: &'a str,
    /// The simulator's clock.
    pub now: Timestamp,
    /// What the user said last, without directives.
    pub words: &'a str,
    /// How much of the fault.
    pub amount: u64,
    /// The output limit asked for, in tokens.
    pub max_tokens: u64,
    /// Counted tokens of the prompt.
    pub prompt_tokens: u64,
    /// The model's window, in tokens.
    pub window: u64,
}

impl Dialect {
    /// The words of a route below `/api/v1`; `None` when it does not generate.
    pub(in crate::simulator) fn of(route: &str) -> Option<Dialect> {
        Some(match route {
            "/chat/completions" => Dialect::Chat,
            "/completions" => Dialect::Text,
            "/responses" => Dialect::Responses,
            "/messages" => Dialect::Messages,
            "/embeddings" => Dialect::Embeddings,
            _ => return None,
        })
    }
}

impl Case<'_> {
    /// A case of which nothing is known yet.
    pub(in crate::simulator) fn blank(dialect: Dialect, now: Timestamp) -> Case<'static> {
        Case {
            dialect,
            stream: false,
            model: "",
            provider: "",
            id: "",
            created: now.seconds(),
            user: "",
            key: "",
            now,
            words: "",
            amount: 0,
            max_tokens: 0,
            prompt_tokens: 0,
            window: 0,
        }
    }

    /// A refusal with this body, in the endpoint's own shape.
    pub(in crate::simulator) fn refuse(&self, status: u16, body: Value) -> Reply {
        Reply::json(status, &self.shape(status, body))
    }

    /// A body in chat's shape, in the endpoint's own shape (`openrouter-api.md` 8.4, last lines).
    pub(in crate::simulator) fn shape(&self, status: u16, mut body: Value) -> Value {
        match self.dialect {
            Dialect::Messages => {
                let message = body["error"]["message"].as_str().unwrap_or("Internal Server Error");
                let (kind, typed) = anthropic_type(status);
                json!({
                    "type": "error",
                    "error": {"type": kind, "message": message, "error_type": typed},
                    "request_id": null,
                })
            }
            Dialect::Responses => {
                let typed =
                    body["error"]["metadata"]["error_type"].as_str().unwrap_or(anthropic_type(status).1);
                body["error_type"] = Value::from(typed);
                body
            }
            _ => body,
        }
    }
}

/// Anthropic's error type and OpenRouter's own (`openrouter-api.md` 8.3) for a status.
fn anthropic_type(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "authentication"),
        402 => ("billing_error", "payment_required"),
        403 => ("permission_error", "permission_denied"),
        404 => ("not_found_error", "not_found"),
        408 | 504 | 524 => ("timeout_error", "timeout"),
        413 => ("invalid_request_error", "payload_too_large"),
        422 => ("invalid_request_error", "unprocessable"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        502 => ("api_error", "provider_unavailable"),
        503 | 529 => ("overloaded_error", "provider_overloaded"),
        400..=499 => ("invalid_request_error", "invalid_request"),
        _ => ("api_error", "server"),
    }
}

//! Reads a refusal leniently: HTML, a missing code, a code that is a word, metadata of any age.

use serde_json::Value;

/// An answer that is not a success, taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refusal {
    /// The HTTP status, or the one that an error inside a 200 stands for.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `X-RateLimit-Reset` header.
    pub reset: Option<String>,
    /// The `error` object; null when the body is not JSON or holds none.
    pub error: Value,
    /// `user_id` of the body: the account.
    pub user: Option<String>,
    /// The error's message, or the beginning of a body that is not JSON.
    pub message: String,
    /// Whether the body is not JSON: an edge's page.
    pub is_page: bool,
}

impl Refusal {
    /// From an answer with an error status; `header` looks a header up by its lower-case name.
    pub fn read(status: u16, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Refusal {
        let parsed: Option<Value> = serde_json::from_slice(body.trim_ascii()).ok();
        let is_page = parsed.as_ref().is_none_or(|value| !value.is_object()) && !body.trim_ascii().is_empty();
        let mut refusal = Refusal::of_body(status, parsed.unwrap_or(Value::Null));
        refusal.retry_after = header("retry-after");
        refusal.reset = header("x-ratelimit-reset");
        refusal.is_page = is_page;
        if is_page {
            refusal.message = String::from_utf8_lossy(body.get(..2048).unwrap_or(body)).into_owned();
        }
        refusal
    }

    /// From an error that came with a 200: `body` is the answer, or an event's `{"error":…}`.
    pub fn in_band(body: Value) -> Refusal {
        let status = code(&body["error"]).unwrap_or_else(|| by_type(&body["error"]));
        Refusal::of_body(status, body)
    }

    fn of_body(status: u16, mut body: Value) -> Refusal {
        let user = body.get("user_id").and_then(Value::as_str).map(str::to_owned);
        let mut error = body.get_mut("error").map(Value::take).unwrap_or(Value::Null);
        if let Value::String(text) = &error {
            error = serde_json::json!({ "message": text });
        }
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        Refusal { status, error, user, message, ..Refusal::default() }
    }

    /// A text of the error's metadata.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.error.get("metadata")?.get(name)?.as_str()
    }

    /// Whether the metadata has this member with something in it.
    pub fn has_metadata(&self, name: &str) -> bool {
        self.error.pointer(&format!("/metadata/{name}")).is_some_and(|value| !value.is_null())
    }

    /// The typed code, which moved about over time.
    pub fn error_type(&self) -> Option<&str> {
        self.metadata("error_type").or_else(|| self.error.get("error_type")?.as_str())
    }

    /// What the provider itself said, as text whether it came as a string or as an object.
    pub fn raw(&self) -> String {
        match self.error.pointer("/metadata/raw") {
            Some(Value::String(text)) => text.clone(),
            Some(other) if !other.is_null() => other.to_string(),
            _ => String::new(),
        }
    }
}

/// A numeric code that is an error status, also when it came as text.
fn code(error: &Value) -> Option<u16> {
    ["code", "http_status", "status"]
        .iter()
        .filter_map(|name| error.get(*name))
        .find_map(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..=599).contains(code))
}

/// The status that a typed error without a numeric code stands for (`openrouter-api.md` 8.3);
/// Anthropic's names included.
fn by_type(error: &Value) -> u16 {
    let metadata = error.pointer("/metadata/error_type");
    let named = [metadata, error.get("error_type"), error.get("type"), error.get("code")];
    let name = named.into_iter().flatten().find_map(Value::as_str).unwrap_or_default();
    match name {
        "context_length_exceeded"
        | "max_tokens_exceeded"
        | "token_limit_exceeded"
        | "string_too_long"
        | "invalid_request"
        | "invalid_request_error"
        | "invalid_prompt"
        | "invalid_image" => 400,
        "authentication" | "authentication_error" => 401,
        "payment_required" | "billing_error" => 402,
        "permission_denied" | "permission_error" | "content_policy_violation" | "refusal" => 403,
        "not_found" | "not_found_error" => 404,
        "payload_too_large" | "request_too_large" => 413,
        "unprocessable" => 422,
        "rate_limit_exceeded" | "rate_limit_error" => 429,
        "provider_overloaded" | "overloaded_error" => 503,
        "timeout" | "timeout_error" => 504,
        "server" => 500,
        _ => 502,
    }
}

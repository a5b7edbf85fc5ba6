//! Errors as clients see them: OpenAI's shape, Anthropic's on `/messages`, and a status that is true.
//!
//! Never says which key or account was involved.

use crate::domain::dialect::Dialect;
use crate::domain::ids::RequestId;
use crate::domain::time::Timestamp;
use crate::listener::Fault;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use serde_json::{Value, json};
use std::time::Duration;

/// SDKs wait for a `Retry-After` up to this long; beyond it they would retry at once, so we tell them
/// not to (`openrouter-api.md` section 10).
const RETRY_WORTH_WAITING: Duration = Duration::from_secs(120);

/// The kind of an error, as `error.type` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be served as it is.
    InvalidRequest,
    /// No credential, or a wrong one.
    Authentication,
    /// A credential that does not allow this.
    Permission,
    /// No such route or model.
    NotFound,
    /// A limit was reached.
    RateLimit,
    /// The upstream failed.
    Upstream,
    /// We have too much to do, or nothing to do it with.
    Overloaded,
    /// The upstream was too slow.
    Timeout,
    /// We failed.
    Internal,
}

impl Kind {
    /// The word in `error.type`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::InvalidRequest => "invalid_request_error",
            Kind::Authentication => "authentication_error",
            Kind::Permission => "permission_error",
            Kind::NotFound => "not_found_error",
            Kind::RateLimit => "rate_limit_error",
            Kind::Upstream => "upstream_error",
            Kind::Overloaded => "overloaded_error",
            Kind::Timeout => "timeout_error",
            Kind::Internal => "internal_error",
        }
    }

    /// The word that Anthropic's SDKs know.
    pub fn anthropic(self) -> &'static str {
        match self {
            Kind::Upstream | Kind::Internal => "api_error",
            other => other.word(),
        }
    }

    /// The kind that a status stands for.
    pub fn of_status(status: u16) -> Kind {
        match status {
            401 => Kind::Authentication,
            403 => Kind::Permission,
            404 => Kind::NotFound,
            408 | 504 | 524 => Kind::Timeout,
            429 => Kind::RateLimit,
            503 | 529 => Kind::Overloaded,
            400..=499 => Kind::InvalidRequest,
            _ => Kind::Upstream,
        }
    }
}

/// An error on its way to a client.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// What kind it is.
    pub kind: Kind,
    /// The machine-readable word, or the upstream's own code.
    pub code: Value,
    /// For people: what was wrong and what to do.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The upstream's own metadata.
    pub metadata: Option<Box<Value>>,
    /// When it is worth trying again, counted from now.
    pub retry_after: Option<Duration>,
    /// Whether the upstream said so, rather than we.
    pub from_upstream: bool,
}

/// Words a fault below every route as all errors of this plane are worded.
pub fn below_every_route(fault: &Fault, _: RequestId) -> (String, String) {
    let error = json!({"message": fault.message, "type": fault.kind, "param": null, "code": fault.code});
    ("content-type: application/json\r\n".to_owned(), json!({ "error": error }).to_string())
}

/// The most bytes of a word in a row.
const LONGEST_WORD: usize = 128;

impl ApiError {
    /// An error of ours.
    pub fn new(status: u16, kind: Kind, code: &str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            kind,
            code: Value::String(code.to_owned()),
            message: message.into(),
            param: None,
            metadata: None,
            retry_after: None,
            from_upstream: false,
        }
    }

    /// A bad request, naming the field.
    pub fn bad_request(code: &str, message: impl Into<String>, param: Option<String>) -> ApiError {
        ApiError { param, ..ApiError::new(400, Kind::InvalidRequest, code, message) }
    }

    /// With the moment from which a retry may succeed.
    pub fn retry_at(mut self, at: Option<Timestamp>, now: Timestamp) -> ApiError {
        self.retry_after = at.map(|at| at.since(now));
        self
    }

    /// The word for `error_kind` in the row: of what the upstream sent, no more than a word may take.
    pub fn row_word(&self) -> String {
        let mut word = match &self.code {
            Value::String(code) => code.clone(),
            other => format!("upstream_{other}"),
        };
        word.truncate(word.floor_char_boundary(LONGEST_WORD));
        word
    }

    /// The body in the dialect's shape.
    pub fn body(&self, dialect: Option<Dialect>, request_id: &str) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": self.kind.word(),
            "param": self.param,
            "code": self.code,
        });
        if let (Some(metadata), Some(object)) = (&self.metadata, error.as_object_mut()) {
            object.insert("metadata".to_owned(), Value::clone(metadata));
        }
        if dialect != Some(Dialect::Messages) {
            return json!({ "error": error });
        }
        if let Some(object) = error.as_object_mut() {
            object.insert("type".to_owned(), self.kind.anthropic().into());
        }
        json!({"type": "error", "error": error, "request_id": request_id})
    }

    /// The answer.
    pub fn response(&self, dialect: Option<Dialect>, request_id: &str) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        if let Some(wait) = self.retry_after {
            // Rounded up: a client that waits exactly this long must not come too early.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
            if wait > RETRY_WORTH_WAITING {
                response.insert_header(("x-should-retry", "false"));
            }
        }
        if self.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        response
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .body(self.body(dialect, request_id).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_have_what_their_sdks_read() {
        let error = ApiError::bad_request("invalid_value", "model: is missing", Some("model".to_owned()));
        let openai = error.body(Some(Dialect::Chat), "id");
        assert_eq!(openai["error"]["type"], "invalid_request_error");
        assert_eq!(openai["error"]["param"], "model");
        assert_eq!(openai["error"]["code"], "invalid_value");
        let anthropic = ApiError::new(502, Kind::Upstream, "x", "y").body(Some(Dialect::Messages), "id");
        assert_eq!(anthropic["type"], "error");
        assert_eq!(anthropic["error"]["type"], "api_error");
        assert_eq!(anthropic["request_id"], "id");
    }

    #[test]
    fn a_long_wait_is_not_worth_a_retry() {
        let now = Timestamp::from_millis(0);
        let header = |seconds: u64, name: &str| {
            let error = ApiError::new(429, Kind::RateLimit, "x", "y")
                .retry_at(Some(now.after(Duration::from_millis(seconds * 1000 - 1))), now);
            let response = error.response(None, "id");
            response.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(header(20, "retry-after").as_deref(), Some("20"));
        assert_eq!(header(20, "x-should-retry"), None);
        assert_eq!(header(3600, "x-should-retry").as_deref(), Some("false"));
    }
}

//! What OpenRouter says of a generation afterwards: `GET /generation` (`openrouter-api.md` section 2).
//! It costs no quota, and is known shortly after the generation has ended.

use super::client::Client;
use super::fault::TransportFault;
use super::look::Look;
use crate::domain::secret::Secret;
use crate::domain::usage::{Completion, TokenUsage};
use serde_json::Value;
use std::time::Duration;

const ANSWER_LIMIT: usize = 256 * 1024;

/// Why nothing was learned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerationFault {
    /// Not an id that OpenRouter gives: it is not put into a URL.
    #[error("this is not the id of a generation")]
    BadId,
    /// Another answer than was hoped for; 404: not known, or not known yet.
    #[error("the upstream answered with status {0}")]
    Status(u16),
    /// The answer is not of the documented form.
    #[error("the upstream's answer cannot be read")]
    Unreadable,
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportFault),
}

impl GenerationFault {
    /// Whether the same question may have an answer later.
    pub fn may_pass(&self) -> bool {
        match self {
            GenerationFault::Status(status) => matches!(status, 404 | 408 | 429 | 500..=599),
            GenerationFault::Transport(_) => true,
            GenerationFault::BadId | GenerationFault::Unreadable => false,
        }
    }
}

impl Client {
    /// Asks what the generation `id`, made with `key`, has used; for at most `timeout`.
    ///
    /// # Errors
    /// See [`GenerationFault`]; [`GenerationFault::may_pass`] says which are worth another try.
    pub async fn generation(
        &self,
        id: &str,
        key: &Secret,
        timeout: Duration,
    ) -> Result<Completion, GenerationFault> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(GenerationFault::BadId);
        }
        let look = Look { path: "/generation", query: format!("id={id}"), limit: ANSWER_LIMIT, timeout };
        let body = match self.look(look, Some(key)).await? {
            (200, body) => body,
            (status, _) => return Err(GenerationFault::Status(status)),
        };
        read(&body).ok_or(GenerationFault::Unreadable)
    }
}

/// The native counts are those that a stream's own usage statement would have had.
fn read(body: &[u8]) -> Option<Completion> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let data = answer.get("data").filter(|data| data.is_object())?;
    let count = |name: &str| data.get(name).and_then(Value::as_i64).filter(|count| *count >= 0);
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let prompt = count("native_tokens_prompt").or_else(|| count("tokens_prompt"));
    let completion = count("native_tokens_completion").or_else(|| count("tokens_completion"));
    Some(Completion {
        tokens: TokenUsage {
            prompt,
            completion,
            total: prompt.zip(completion).map(|(prompt, completion)| prompt.saturating_add(completion)),
            reasoning: count("native_tokens_reasoning"),
            cached: count("native_tokens_cached"),
            cost: data.get("total_cost").or_else(|| data.get("usage")).and_then(Value::as_f64),
        },
        model: text("model"),
        provider: text("provider_name"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_counts_come_first_and_what_is_missing_stays_unknown() {
        let body = br#"{"data":{"id":"gen-1","model":"a/b","provider_name":"Novita","tokens_prompt":9,
            "native_tokens_prompt":10,"tokens_completion":4,"total_cost":0.5,"native_tokens_reasoning":null}}"#;
        let read = read(body).expect("readable");
        assert_eq!(
            (read.tokens.prompt, read.tokens.completion, read.tokens.total),
            (Some(10), Some(4), Some(14))
        );
        assert_eq!((read.tokens.cost, read.tokens.reasoning), (Some(0.5), None));
        assert_eq!((read.model.as_deref(), read.provider.as_deref()), (Some("a/b"), Some("Novita")));
        assert_eq!(super::read(b"{}"), None);
        assert_eq!(super::read(b"<html>"), None);
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        assert!(GenerationFault::Status(404).may_pass() && GenerationFault::Status(503).may_pass());
        assert!(!GenerationFault::Status(401).may_pass() && !GenerationFault::BadId.may_pass());
    }
}

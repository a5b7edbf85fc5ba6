//! What OpenRouter says of a key: `GET /key` (`openrouter-api.md` 8.2). It costs no quota.

use super::client::Client;
use super::fault::TransportFault;
use super::look::Look;
use crate::domain::secret::Secret;
use serde_json::Value;
use std::time::Duration;

const ANSWER_LIMIT: usize = 256 * 1024;

/// What is read of the answer; everything may be missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyInfo {
    /// Whether the account never bought credits.
    pub is_free_tier: Option<bool>,
    /// The account: keys with the same one share quotas.
    pub user: Option<String>,
    /// Requests to free models today.
    pub free_used: Option<u64>,
    /// Requests to free models allowed a day.
    pub free_limit: Option<u64>,
    /// USD that the key may still spend; `None`: no limit.
    pub limit_remaining: Option<f64>,
    /// When the key ends, as the upstream wrote it.
    pub expires_at: Option<String>,
}

/// Why nothing was learned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyCheckFault {
    /// OpenRouter does not know the key: it is wrong, revoked or deleted.
    #[error("OpenRouter rejects this key")]
    Rejected,
    /// Another answer than was hoped for.
    #[error("the upstream answered with status {0}")]
    Status(u16),
    /// The answer is not of the documented form.
    #[error("the upstream's answer cannot be read")]
    Unreadable,
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportFault),
}

impl Client {
    /// Asks OpenRouter about `key`, for at most `timeout`.
    ///
    /// # Errors
    /// [`KeyCheckFault::Rejected`] means that the key is dead; all others say nothing about it.
    pub async fn key_info(&self, key: &Secret, timeout: Duration) -> Result<KeyInfo, KeyCheckFault> {
        let look = Look { path: "/key", query: String::new(), limit: ANSWER_LIMIT, timeout };
        let body = match self.look(look, Some(key)).await? {
            (200, body) => body,
            (401, _) => return Err(KeyCheckFault::Rejected),
            (status, _) => return Err(KeyCheckFault::Status(status)),
        };
        read(&body).ok_or(KeyCheckFault::Unreadable)
    }
}

fn read(body: &[u8]) -> Option<KeyInfo> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let data = answer.get("data").filter(|data| data.is_object())?;
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(KeyInfo {
        is_free_tier: data.get("is_free_tier").and_then(Value::as_bool),
        user: text("creator_user_id"),
        free_used: data.pointer("/free_model_daily_requests/used").and_then(Value::as_u64),
        free_limit: data.pointer("/free_model_daily_requests/limit").and_then(Value::as_u64),
        limit_remaining: data.get("limit_remaining").and_then(Value::as_f64),
        expires_at: text("expires_at"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stays_unknown() {
        let body = br#"{"data":{"is_free_tier":true,"creator_user_id":"user_a","free_model_daily_requests":{"used":12,"limit":50}}}"#;
        let info = read(body).expect("readable");
        assert_eq!(
            (info.free_used, info.free_limit, info.user.as_deref()),
            (Some(12), Some(50), Some("user_a"))
        );
        assert_eq!(read(br#"{"data":{}}"#), Some(KeyInfo::default()));
        assert_eq!(read(b"<html>"), None);
        assert_eq!(read(br#"{"data":[]}"#), None);
    }
}

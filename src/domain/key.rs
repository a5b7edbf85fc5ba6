//! Upstream keys: what is known of an OpenRouter API key of ours.

use super::ids::{AccountId, KeyId};
use super::secret::Secret;
use super::time::Timestamp;
use serde_json::{Map, Value, json};

/// One upstream key as it is stored, with its counts for the current day.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// Its id, never reused.
    pub id: KeyId,
    /// What the operator calls it; may be empty.
    pub label: String,
    /// The last characters of the key, all that is ever shown of it.
    pub hint: String,
    /// The account whose quotas it uses.
    pub account: AccountId,
    /// Whether the operator lets it be used.
    pub enabled: bool,
    /// Requests a UTC day through this key, whatever the model; `None`: no limit of its own.
    pub daily_limit: Option<u32>,
    /// Attempts sent with it since 00:00 UTC.
    pub used_today: u64,
    /// Attempts ever sent with it.
    pub used_total: u64,
    /// When an attempt was last sent with it.
    pub last_used: Option<Timestamp>,
    /// Why it was taken out of use until the operator acts (a revoked key); `None`: it was not.
    pub fault: Option<String>,
}

impl KeyRecord {
    /// What may be shown of it, as JSON: one shape for the command line and the admin API.
    pub fn shown(&self) -> Map<String, Value> {
        let members = [
            ("id", json!(self.id)),
            ("label", json!(self.label)),
            ("hint", json!(self.hint)),
            ("account_id", json!(self.account)),
            ("enabled", json!(self.enabled)),
            ("daily_limit", json!(self.daily_limit)),
            ("used_today", json!(self.used_today)),
            ("used_total", json!(self.used_total)),
            ("last_used", json!(self.last_used.map(Timestamp::rfc3339))),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// An upstream key with its secret: what the pool loads at start.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// What is known of it.
    pub record: KeyRecord,
    /// The key itself.
    pub secret: Secret,
}

/// A key to be added.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The key itself.
    pub secret: Secret,
    /// What to call it; may be empty.
    pub label: String,
    /// Requests a UTC day through this key; `None`: no limit of its own.
    pub daily_limit: Option<u32>,
}

/// What an attempt added to a key's counts; written in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// The UTC day it counts for.
    pub day: super::time::Day,
    /// How many attempts more.
    pub count: u32,
    /// When the latest of them was sent.
    pub last: Timestamp,
}

//! What a row of the earlier proxy's tables means in our words. Pure.
//!
//! Must never make a figure up: what a row does not say stays missing.

use crate::domain::ids::RequestId;
use crate::domain::key::NewKey;
use crate::domain::secret::Secret;
use crate::domain::time::{Day, Timestamp};
use crate::domain::usage::{Client, Outcome, TokenUsage, UsageRow};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Double, Nullable, Text};

/// The earlier proxy served this endpoint alone.
const ENDPOINT: &str = "chat/completions";
/// Marks the rows that it wrote.
const HINT: &str = "imported";

/// A row of the keys' table.
#[derive(QueryableByName)]
pub(super) struct KeyRow {
    #[diesel(sql_type = BigInt)]
    pub(super) row_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    secret: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    old_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    label: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    active: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    daily_limit: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    used_total: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    used_today: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    last_used: Option<String>,
}

/// A key of the earlier proxy.
pub(super) struct OldKey {
    /// What its usage rows call it.
    pub(super) old_id: String,
    pub(super) key: NewKey,
    pub(super) enabled: bool,
    pub(super) used_total: i64,
    /// Requests of the current UTC day.
    pub(super) used_today: i64,
    pub(super) last_used: Option<Timestamp>,
}

/// Why a row gives no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// There is none in it; it can be passed over.
    Empty,
    /// What is there cannot be used, so the import must not go on as if it were whole.
    Unusable(&'static str),
}

impl KeyRow {
    pub(super) fn read(self, today: Day) -> Result<OldKey, NoKey> {
        let text =
            self.secret.as_deref().map(str::trim).filter(|text| !text.is_empty()).ok_or(NoKey::Empty)?;
        if let Some(reason) = unusable(text) {
            return Err(NoKey::Unusable(reason));
        }
        let last_used = self.last_used.as_deref().and_then(moment);
        let counted_today = last_used.is_some_and(|last| last.day() == today);
        let key = NewKey {
            secret: Secret::new(text),
            label: self.label.as_deref().unwrap_or_default().trim().to_owned(),
            // -1 is its word for none.
            daily_limit: self
                .daily_limit
                .and_then(|limit| u32::try_from(limit).ok())
                .filter(|limit| *limit > 0),
        };
        Ok(OldKey {
            old_id: self.old_id.unwrap_or_else(|| self.row_id.to_string()),
            key,
            // A limit of no requests at all is a key that is switched off.
            enabled: is_on(self.active.as_deref()) && self.daily_limit != Some(0),
            used_total: self.used_total.unwrap_or(0).max(0),
            used_today: if counted_today { self.used_today.unwrap_or(0).max(0) } else { 0 },
            last_used,
        })
    }
}

/// Why `text` is no key that could be sent, if so.
fn unusable(text: &str) -> Option<&'static str> {
    if text.contains('*') || text.contains("...") || text.contains('…') {
        return Some("the key is masked");
    }
    if text.len() > 512 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("the key has spaces or other characters no key has");
    }
    if !text.starts_with("sk-") {
        return Some("the key does not begin with sk-, so it seems to be encrypted or hashed");
    }
    None
}

fn is_on(active: Option<&str>) -> bool {
    let word = active.unwrap_or("1").trim().to_ascii_lowercase();
    !["0", "0.0", "false", "f", "no", "n", "off", "inactive", "disabled"].contains(&word.as_str())
}

/// A row of the usage table.
#[derive(QueryableByName)]
pub(super) struct LogRow {
    #[diesel(sql_type = BigInt)]
    pub(super) row_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    time: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) old_key: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    prompt_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    completion_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    total_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<Double>)]
    cost: Option<f64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    status: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_ms: Option<i64>,
}

impl LogRow {
    /// The row as ours, still without its key; `None` when it does not say when it was.
    pub(super) fn read(self) -> Option<UsageRow> {
        let time = self.time.as_deref().and_then(moment)?;
        let status = self.status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
        let outcome = match status {
            200..=299 => Outcome::Completed,
            499 => Outcome::Cancelled,
            _ => Outcome::Failed,
        };
        // It wrote three zeros where it did not count: for streams and for refusals.
        let counts = [self.prompt_tokens, self.completion_tokens, self.total_tokens];
        let counted = counts.iter().any(|count| count.is_some_and(|count| count > 0));
        let [prompt, completion, total] = if counted { counts } else { [None; 3] };
        Some(UsageRow {
            client_kind: Client::AccessPassword.kind().to_owned(),
            client_hint: Some(HINT.to_owned()),
            model: self.model.clone().unwrap_or_default(),
            status,
            outcome: outcome.word().to_owned(),
            error_kind: None,
            tokens: TokenUsage { prompt, completion, total, cost: self.cost, ..TokenUsage::default() },
            attempts: 1,
            duration_ms: self.duration_ms.unwrap_or(0).max(0),
            ..UsageRow::begin(RequestId::derived(time, self.identity().as_bytes()), time, ENDPOINT)
        })
    }

    /// What makes this row itself and no other, wherever its database lies: all of it that never
    /// changes, so that a second import finds it again.
    fn identity(&self) -> String {
        let (row, model, time, key) = (self.row_id, &self.model, &self.time, &self.old_key);
        let counts = (self.prompt_tokens, self.completion_tokens, self.total_tokens, self.status);
        format!("{row} {model:?} {time:?} {key:?} {counts:?}")
    }
}

/// A moment as SQLite and Python write it: `2026-11-22 15:04:05`, with `T`, fractions or an offset,
/// or seconds or milliseconds since 1970. Without an offset it is UTC, as `CURRENT_TIMESTAMP` is.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        // As seconds, the bound lies in the year 5138; as milliseconds, in 1973.
        let millis = if number.abs() < 1e11 { number * 1000.0 } else { number };
        // A cast from a float saturates.
        return (number.is_finite() && number > 0.0).then_some(Timestamp::from_millis(millis as i64));
    }
    let full = text.replacen(' ', "T", 1);
    let clock = full.split_once('T').map_or("", |(_, clock)| clock);
    let has_offset = clock.contains(['Z', 'z', '+', '-']);
    Timestamp::parse(&if clock.is_empty() || has_offset { full } else { format!("{full}Z") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form_seen() {
        let wanted = Timestamp::parse("2026-11-22T15:04:05Z");
        for text in [
            "2026-11-22 15:04:05",
            "2026-11-22T15:04:05",
            "2026-11-22 15:04:05.000000",
            "2026-11-22 23:04:05+08:00",
            "1795359845",
            "1795359845.0",
            "1795359845000",
        ] {
            assert_eq!(moment(text), wanted, "{text}");
        }
        assert_eq!(moment("2026-11-22"), Timestamp::parse("2026-11-22"));
        for text in ["", "yesterday", "NaN", "-5", "2026-13-01 00:00:00"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_can_be_sent_is_a_key() {
        for text in ["sk-or-v1-0123456789abcdef", "sk-0123"] {
            assert_eq!(unusable(text), None, "{text}");
        }
        for text in [
            "sk-or-v1-***cdef",
            "sk-or-...cdef",
            "gAAAAABlxyz",
            "sk-or v1",
            "5f4dcc3b5aa765d61d8327deb882cf99",
        ] {
            assert!(unusable(text).is_some(), "{text}");
        }
    }

    #[test]
    fn words_of_being_on() {
        for word in [None, Some("1"), Some("TRUE"), Some("active")] {
            assert!(is_on(word), "{word:?}");
        }
        for word in ["0", "False", "disabled"] {
            assert!(!is_on(Some(word)), "{word}");
        }
    }
}

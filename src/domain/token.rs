//! Client tokens: what we issue to clients, and what each may do.
//!
//! The token itself is shown once and never kept; everywhere else it is its digest and its hint.

use super::ids::TokenId;
use super::time::{Day, Timestamp};
use serde_json::{Map, Value, json};

/// What every client token begins with.
pub const PREFIX: &str = "orp-";
/// Hex digits behind the prefix: 32 random bytes.
pub const DIGITS: usize = 64;
/// The most characters of a name.
const LONGEST_NAME: usize = 100;
/// The most entries of `allowed_models`, and the most characters of one.
const MOST_MODELS: usize = 200;
const LONGEST_MODEL: usize = 200;
/// The largest limit of requests a minute: each of them is remembered for a minute.
const MOST_A_MINUTE: u32 = 100_000;

/// A client token as it is stored, with its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id, never reused.
    pub id: TokenId,
    /// Its last characters, all that is ever shown of it again.
    pub hint: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked; `None`: it was not.
    pub revoked_at: Option<Timestamp>,
    /// What it is called and what it may do.
    pub terms: TokenTerms,
    /// Requests that reached the upstream since 00:00 UTC.
    pub used_today: u64,
    /// Such requests ever.
    pub used_total: u64,
    /// When such a request was last begun.
    pub last_used: Option<Timestamp>,
}

/// What the operator says about a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// What the operator calls its holder.
    pub name: String,
    /// The moment from which it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The models it may use, as exact ids or patterns (`*suffix`, `prefix*`, `*substring*`, `*`);
    /// `None`: every model.
    pub allowed_models: Option<Vec<String>>,
    /// Requests a UTC day; `None`: no limit.
    pub requests_per_day: Option<u32>,
    /// Requests within any minute; `None`: no limit.
    pub requests_per_minute: Option<u32>,
}

/// What to change about a token; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenEdit {
    /// The name.
    pub name: Option<String>,
    /// The moment it expires; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// The models it may use; `Some(None)`: every model.
    pub allowed_models: Option<Option<Vec<String>>>,
    /// Requests a UTC day; `Some(None)`: no limit.
    pub requests_per_day: Option<Option<u32>>,
    /// Requests within any minute; `Some(None)`: no limit.
    pub requests_per_minute: Option<Option<u32>>,
}

/// What is wrong with one of a token's terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct TokenFault {
    /// The term's name.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

/// Whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It opens the data plane.
    Active,
    /// Its time is over.
    Expired,
    /// The operator took it back.
    Revoked,
}

impl TokenState {
    /// The word in lists and answers.
    pub fn word(self) -> &'static str {
        match self {
            TokenState::Active => "active",
            TokenState::Expired => "expired",
            TokenState::Revoked => "revoked",
        }
    }
}

impl TokenTerms {
    /// Whether there is a limit on requests.
    pub fn limit_requests(&self) -> bool {
        self.requests_per_day.is_some() || self.requests_per_minute.is_some()
    }

    /// Everything that is wrong with these terms.
    pub fn faults(&self) -> Vec<TokenFault> {
        let mut faults = Vec::new();
        let mut fault = |field, detail: String| faults.push(TokenFault { field, detail });
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > LONGEST_NAME {
            fault("name", format!("must be 1 to {LONGEST_NAME} characters"));
        } else if self.name.chars().any(is_unshowable) {
            fault("name", "must not hold control characters or marks that turn the direction of text".into());
        }
        for (field, limit, most) in [
            ("requests_per_day", self.requests_per_day, u32::MAX),
            ("requests_per_minute", self.requests_per_minute, MOST_A_MINUTE),
        ] {
            if limit.is_some_and(|limit| limit == 0 || limit > most) {
                fault(field, format!("must be 1 to {most}, or nothing for no limit"));
            }
        }
        match self.allowed_models.as_deref() {
            Some([]) => {
                fault("allowed_models", "must name at least one model, or be left out to allow all".into());
            }
            Some(models) if models.len() > MOST_MODELS => {
                fault("allowed_models", format!("must name at most {MOST_MODELS} models"));
            }
            Some(models) => {
                if let Some(bad) = models.iter().find(|model| !is_model_pattern(model)) {
                    let shown: String = bad.chars().filter(|c| !is_unshowable(*c)).take(60).collect();
                    let forms = "an id, or one of *suffix, prefix*, *substring*, *";
                    fault("allowed_models", format!("`{shown}` is no model: write {forms}"));
                }
            }
            None => {}
        }
        faults
    }

    /// These terms, changed.
    pub fn edited(self, edit: TokenEdit) -> TokenTerms {
        TokenTerms {
            name: edit.name.unwrap_or(self.name),
            expires_at: edit.expires_at.unwrap_or(self.expires_at),
            allowed_models: edit.allowed_models.unwrap_or(self.allowed_models),
            requests_per_day: edit.requests_per_day.unwrap_or(self.requests_per_day),
            requests_per_minute: edit.requests_per_minute.unwrap_or(self.requests_per_minute),
        }
    }
}

/// Control characters, and those that turn the direction of the text around them (Unicode UAX 9).
fn is_unshowable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The forms of the provider mapping's patterns: stars at the ends alone.
fn is_model_pattern(text: &str) -> bool {
    let inner = text.strip_prefix('*').unwrap_or(text);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    let sound = inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    sound && !text.is_empty() && text != "**" && text.len() <= LONGEST_MODEL
}

impl TokenRecord {
    /// Whether it is good at `now`.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.terms.expires_at.is_some_and(|end| now >= end) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    /// What may be shown of it, as JSON: one shape for the command line and the admin API.
    pub fn shown(&self, now: Timestamp) -> Map<String, Value> {
        let moment = |moment: Option<Timestamp>| json!(moment.map(Timestamp::rfc3339));
        let members = [
            ("id", json!(self.id)),
            ("name", json!(self.terms.name)),
            ("hint", json!(self.hint)),
            ("created_at", json!(self.created_at.rfc3339())),
            ("expires_at", moment(self.terms.expires_at)),
            ("revoked_at", moment(self.revoked_at)),
            ("allowed_models", json!(self.terms.allowed_models)),
            ("requests_per_day", json!(self.terms.requests_per_day)),
            ("requests_per_minute", json!(self.terms.requests_per_minute)),
            ("used_today", json!(self.used_today)),
            ("used_total", json!(self.used_total)),
            ("last_used", moment(self.last_used)),
            ("state", json!(self.state(now).word())),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What requests added to a token's counts; written in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// The token.
    pub token: TokenId,
    /// The UTC day it counts for.
    pub day: Day,
    /// How many requests more; fewer, when some were given back after they were written.
    pub count: i64,
    /// When the latest of them began.
    pub last: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(name: &str) -> TokenTerms {
        TokenTerms { name: name.to_owned(), ..TokenTerms::default() }
    }

    #[test]
    fn every_fault_names_its_field() {
        let models = |models: &[&str]| Some(models.iter().map(|model| (*model).to_owned()).collect());
        let good = TokenTerms {
            allowed_models: models(&["a/b:free", "*:free", "a/*", "*llama*", "*"]),
            requests_per_day: Some(1),
            requests_per_minute: Some(100_000),
            ..terms("Ada 的笔记本")
        };
        assert_eq!(good.faults(), []);
        let bad = TokenTerms {
            allowed_models: models(&["a*b"]),
            requests_per_day: Some(0),
            requests_per_minute: Some(100_001),
            ..terms("a\u{202e}b")
        };
        let fields: Vec<&str> = bad.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["name", "requests_per_day", "requests_per_minute", "allowed_models"]);
        for name in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert_eq!(terms(name).faults().len(), 1, "{name:?}");
        }
        for list in [&[][..], &[""], &["**"], &["a b"], &["中"]] {
            let terms = TokenTerms { allowed_models: models(list), ..terms("x") };
            assert_eq!(terms.faults().len(), 1, "{list:?}");
        }
    }

    #[test]
    fn a_revoked_token_is_revoked_whether_it_has_expired_or_not() {
        let at = Timestamp::from_millis;
        let record = |expires: Option<i64>, revoked: Option<i64>| TokenRecord {
            id: TokenId(1),
            hint: "…abcd".to_owned(),
            created_at: at(0),
            revoked_at: revoked.map(at),
            terms: TokenTerms { expires_at: expires.map(at), ..terms("x") },
            used_today: 0,
            used_total: 0,
            last_used: None,
        };
        assert_eq!(record(None, None).state(at(5)), TokenState::Active);
        assert_eq!(record(Some(6), None).state(at(5)), TokenState::Active);
        assert_eq!(record(Some(5), None).state(at(5)), TokenState::Expired);
        assert_eq!(record(Some(5), Some(1)).state(at(9)), TokenState::Revoked);
        assert_eq!(record(None, None).shown(at(5)).len(), 13);
    }

    #[test]
    fn an_edit_changes_what_it_names() {
        let before = TokenTerms { requests_per_day: Some(5), requests_per_minute: Some(6), ..terms("x") };
        let edit = TokenEdit { requests_per_day: Some(None), ..TokenEdit::default() };
        assert_eq!(before.clone().edited(edit), TokenTerms { requests_per_day: None, ..before });
    }
}

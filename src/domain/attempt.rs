//! What became of each attempt of a request: which key, which model, what the upstream made of it.
//!
//! Bounded, however many keys were tried; never holds a secret, nor a word that the upstream chose.

use super::ids::{AccountId, KeyId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The most attempts of one request that are told of.
const MOST: usize = 32;

/// The verdict on an attempt that gave the client its whole answer.
pub const SUCCESS: &str = "success";

/// One attempt: one call upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Which of the request's attempts it was, from 1.
    pub number: u32,
    /// The key; none when it was the client's own.
    pub key_id: Option<KeyId>,
    /// That key's label when it was used.
    pub key_label: Option<String>,
    /// The account of that key.
    pub account_id: Option<AccountId>,
    /// The model that was tried.
    pub model: String,
    /// `success`, the cause of the refusal, or what broke it off.
    pub verdict: Cow<'static, str>,
    /// The HTTP status, or the one that an error inside a 200 stands for; none when nothing came.
    pub status: Option<u16>,
    /// From its sending to its end, in milliseconds.
    pub duration_ms: i64,
}

/// The attempts of one request, in order: the first ones and always the last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AttemptLog(Vec<Attempt>);

impl AttemptLog {
    /// Takes in the next attempt; where there are too many it takes the place of the one before.
    pub fn push(&mut self, attempt: Attempt) {
        if self.0.len() >= MOST {
            self.0.pop();
        }
        self.0.push(attempt);
    }

    /// The latest attempt.
    pub fn last_mut(&mut self) -> Option<&mut Attempt> {
        self.0.last_mut()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.0.iter()
    }

    /// Whether nothing is known of any attempt.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Attempt> for AttemptLog {
    fn from_iter<I: IntoIterator<Item = Attempt>>(attempts: I) -> AttemptLog {
        let mut log = AttemptLog::default();
        attempts.into_iter().for_each(|attempt| log.push(attempt));
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32) -> Attempt {
        Attempt {
            number,
            key_id: Some(KeyId(1)),
            key_label: None,
            account_id: Some(AccountId(1)),
            model: "a/b:free".to_owned(),
            verdict: "key_rejected".into(),
            status: Some(401),
            duration_ms: 5,
        }
    }

    #[test]
    fn the_first_and_the_last_are_kept() {
        let log: AttemptLog = (1..=200).map(attempt).collect();
        let numbers: Vec<u32> = log.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, (1..32).chain([200]).collect::<Vec<_>>());
        assert!(AttemptLog::default().is_empty() && !log.is_empty());
    }
}

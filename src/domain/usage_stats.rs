//! What usage adds up to: by hour and day, by model, key and token. Read from sums, never
//! from the rows, so it costs the same however many rows there are.

use super::buckets::Buckets;
use super::time::Timestamp;
use super::usage::TokenUsage;
use serde_json::{Map, Value, json};

/// No request has used more than this: whoever says so cannot spoil a sum.
const MOST_TOKENS: u64 = 1_000_000_000_000;
const MOST_COST: f64 = 1e9;

/// Requests by outcome, with their tokens and their cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// All of them, whatever their end.
    pub requests: u64,
    /// Sent a whole answer.
    pub completed: u64,
    /// The client left.
    pub cancelled: u64,
    /// Broke off.
    pub truncated: u64,
    /// Turned down by us.
    pub refused: u64,
    /// Turned down by the upstream.
    pub failed: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Both together, as the upstream counts; where it did not say, their sum.
    pub total_tokens: u64,
    /// Tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Tokens of prompts that came from a provider's cache.
    pub cached_tokens: u64,
    /// Cost in USD.
    pub cost: f64,
}

impl Sums {
    /// Counts `requests` more that ended so.
    pub fn count(&mut self, outcome: &str, requests: u64) {
        self.requests += requests;
        match outcome {
            "completed" => self.completed += requests,
            "cancelled" => self.cancelled += requests,
            "truncated" => self.truncated += requests,
            "refused" => self.refused += requests,
            _ => self.failed += requests,
        }
    }

    /// Adds the tokens of one request; missing figures and negative ones add nothing.
    pub fn spend(&mut self, tokens: &TokenUsage) {
        let figure = |value: Option<i64>| {
            value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0).min(MOST_TOKENS)
        };
        self.prompt_tokens = self.prompt_tokens.saturating_add(figure(tokens.prompt));
        self.completion_tokens = self.completion_tokens.saturating_add(figure(tokens.completion));
        // An answer that broke off has no total of the upstream's.
        let both = figure(tokens.prompt) + figure(tokens.completion);
        let total = tokens.total.map_or(both, |total| figure(Some(total)));
        self.total_tokens = self.total_tokens.saturating_add(total);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(figure(tokens.reasoning));
        self.cached_tokens = self.cached_tokens.saturating_add(figure(tokens.cached));
        self.cost +=
            tokens.cost.filter(|cost| cost.is_finite()).map_or(0.0, |cost| cost.clamp(-MOST_COST, MOST_COST));
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Sums) {
        self.requests += other.requests;
        self.completed += other.completed;
        self.cancelled += other.cancelled;
        self.truncated += other.truncated;
        self.refused += other.refused;
        self.failed += other.failed;
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cost += other.cost;
    }

    /// Of the requests that the upstream had to answer, the part that it did, 0 to 1. What we refused
    /// and what clients left count as nobody's failure. `None` when there was none.
    pub fn success_rate(&self) -> Option<f64> {
        let tried = self.completed + self.truncated + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "a ratio to be shown")]
        (tried > 0).then(|| self.completed as f64 / tried as f64)
    }

    /// As the members of a JSON object.
    pub fn shown(&self) -> Map<String, Value> {
        let members = [
            ("requests", json!(self.requests)),
            ("completed", json!(self.completed)),
            ("cancelled", json!(self.cancelled)),
            ("truncated", json!(self.truncated)),
            ("refused", json!(self.refused)),
            ("failed", json!(self.failed)),
            ("success_rate", json!(self.success_rate())),
            ("prompt_tokens", json!(self.prompt_tokens)),
            ("completion_tokens", json!(self.completion_tokens)),
            ("total_tokens", json!(self.total_tokens)),
            ("reasoning_tokens", json!(self.reasoning_tokens)),
            ("cached_tokens", json!(self.cached_tokens)),
            ("cost", json!(self.cost)),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// An hour or a day of usage.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    /// Its first moment.
    pub start: Timestamp,
    /// What was asked for in it.
    pub sums: Sums,
    /// How many models completed a request in it.
    pub models: u64,
    /// From arrival to the first content.
    pub first_content: Buckets,
    /// From arrival to the end.
    pub duration: Buckets,
}

impl Period {
    /// One in which nothing happened.
    pub fn empty(start: Timestamp) -> Period {
        Period {
            start,
            sums: Sums::default(),
            models: 0,
            first_content: Buckets::default(),
            duration: Buckets::default(),
        }
    }

    /// As the members of a JSON object: `start`, the sums, `models`, and milliseconds in
    /// `first_content_p50`, `first_content_p95`, `duration_p50` and `duration_p95`.
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = self.sums.shown();
        for (name, value) in [
            ("start", json!(self.start.rfc3339())),
            ("models", json!(self.models)),
            ("first_content_p50", json!(self.first_content.percentile(50))),
            ("first_content_p95", json!(self.first_content.percentile(95))),
            ("duration_p50", json!(self.duration.percentile(50))),
            ("duration_p95", json!(self.duration.percentile(95))),
        ] {
            shown.insert(name.to_owned(), value);
        }
        shown
    }
}

/// What one model, key or token has of the usage.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The model as clients named it, or the id of the key or token; an empty model: requests that
    /// never reached one.
    pub name: String,
    /// Its part.
    pub sums: Sums,
}

impl Share {
    /// As the members of a JSON object: `name` and the sums.
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = self.sums.shown();
        shown.insert("name".to_owned(), json!(self.name));
        shown
    }
}

/// The usage of the last days. Every list is whole: hours and days without a request are there too.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageStats {
    /// The last 24 hours, oldest first; the last one is under way.
    pub hours: Vec<Period>,
    /// The UTC days asked for, oldest first; the last one is today.
    pub days: Vec<Period>,
    /// By model over those days, most requests first.
    pub models: Vec<Share>,
    /// By upstream key over those days, most requests first.
    pub keys: Vec<Share>,
    /// By client token over those days, most requests first.
    pub tokens: Vec<Share>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_upstream_had_to_answer_counts_as_success_or_not() {
        let mut sums = Sums::default();
        assert_eq!(sums.success_rate(), None);
        for (outcome, requests) in
            [("completed", 3), ("failed", 1), ("refused", 50), ("cancelled", 7), ("truncated", 0)]
        {
            sums.count(outcome, requests);
        }
        assert_eq!((sums.requests, sums.success_rate()), (61, Some(0.75)));
        assert_eq!(sums.shown().get("success_rate"), Some(&json!(0.75)));
    }

    #[test]
    fn odd_figures_spoil_no_sum() {
        let mut sums = Sums::default();
        let odd = TokenUsage {
            prompt: Some(i64::MAX),
            total: Some(-5),
            cost: Some(f64::NAN),
            ..TokenUsage::default()
        };
        for _ in 0..3 {
            sums.spend(&odd);
        }
        assert_eq!((sums.prompt_tokens, sums.total_tokens, sums.cost), (3 * MOST_TOKENS, 0, 0.0));
    }
}

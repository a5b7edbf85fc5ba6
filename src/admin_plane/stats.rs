//! What usage adds up to, as it is sent.

use crate::domain::usage_stats::{self, UsageStats};
use schemars::JsonSchema;
use serde::Serialize;

/// Requests by outcome, with their tokens and their cost.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Sums {
    requests: u64,
    completed: u64,
    cancelled: u64,
    truncated: u64,
    refused: u64,
    failed: u64,
    /// Of the requests that the upstream had to answer, the part that it did; 0 to 1.
    success_rate: Option<f64>,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    reasoning_tokens: u64,
    cached_tokens: u64,
    /// In USD.
    cost: f64,
}

/// An hour or a day of usage.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Period {
    /// Its first moment.
    start: String,
    #[serde(flatten)]
    sums: Sums,
    /// How many models completed a request in it.
    models: u64,
    /// From arrival to the first content, in milliseconds.
    first_content_p50: Option<u64>,
    first_content_p95: Option<u64>,
    /// From arrival to the end, in milliseconds.
    duration_p50: Option<u64>,
    duration_p95: Option<u64>,
}

/// What one model, key or token has of the usage.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Share {
    /// The model as clients named it (empty: none was reached), or the id of the key or token.
    name: String,
    #[serde(flatten)]
    sums: Sums,
}

/// The usage of the last days; no hour and no day is left out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Stats {
    /// The last 24 hours, oldest first.
    pub hours: Vec<Period>,
    /// The UTC days asked for, oldest first.
    pub days: Vec<Period>,
    /// By model, most requests first.
    pub models: Vec<Share>,
    /// By upstream key, most requests first.
    pub keys: Vec<Share>,
    /// By client token, most requests first.
    pub tokens: Vec<Share>,
}

impl Stats {
    /// `stats` as it is sent.
    pub fn new(stats: &UsageStats) -> Stats {
        let shares = |list: &[usage_stats::Share]| list.iter().map(Share::new).collect();
        let periods = |list: &[usage_stats::Period]| list.iter().map(Period::new).collect();
        Stats {
            hours: periods(&stats.hours),
            days: periods(&stats.days),
            models: shares(&stats.models),
            keys: shares(&stats.keys),
            tokens: shares(&stats.tokens),
        }
    }
}

impl Sums {
    fn new(sums: &usage_stats::Sums) -> Sums {
        Sums {
            requests: sums.requests,
            completed: sums.completed,
            cancelled: sums.cancelled,
            truncated: sums.truncated,
            refused: sums.refused,
            failed: sums.failed,
            success_rate: sums.success_rate(),
            prompt_tokens: sums.prompt_tokens,
            completion_tokens: sums.completion_tokens,
            total_tokens: sums.total_tokens,
            reasoning_tokens: sums.reasoning_tokens,
            cached_tokens: sums.cached_tokens,
            cost: sums.cost,
        }
    }
}

impl Period {
    fn new(period: &usage_stats::Period) -> Period {
        Period {
            start: period.start.rfc3339(),
            sums: Sums::new(&period.sums),
            models: period.models,
            first_content_p50: period.first_content.percentile(50),
            first_content_p95: period.first_content.percentile(95),
            duration_p50: period.duration.percentile(50),
            duration_p95: period.duration.percentile(95),
        }
    }
}

impl Share {
    fn new(share: &usage_stats::Share) -> Share {
        Share { name: share.name.clone(), sums: Sums::new(&share.sums) }
    }
}

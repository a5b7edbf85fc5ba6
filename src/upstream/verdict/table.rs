//! The attribution table of `openrouter-api.md` 8.4, row by row. The first row that matches decides.
//!
//! Order matters: the provider's own text may contain words such as "rate limit" or "credits", so
//! `limit_source` is asked first, then the provider, then the start of the message.

use super::reset::Rest;
use super::{Cause, Next, Refusal, Scope};
use std::time::Duration;

/// What a row looks at.
pub(super) struct Facts<'a> {
    pub refusal: &'a Refusal,
    pub free: bool,
}

impl Facts<'_> {
    fn status(&self, status: u16) -> bool {
        self.refusal.status == status
    }

    fn limit(&self, source: &str) -> bool {
        self.refusal.metadata("limit_source") == Some(source)
    }

    fn has_limit(&self) -> bool {
        self.refusal.has_metadata("limit_source")
    }

    fn says(&self, words: &str) -> bool {
        contains(&self.refusal.message, words)
    }

    fn starts(&self, words: &str) -> bool {
        let start = self.refusal.message.get(..words.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(words))
    }

    fn by_provider(&self) -> bool {
        self.refusal.metadata("provider_name").is_some()
    }

    fn step(&self, words: &str) -> bool {
        self.refusal.metadata("failed_routing_step").is_some_and(|step| contains(step, words))
    }

    fn kind(&self, name: &str) -> bool {
        self.refusal.error_type() == Some(name)
    }
}

/// One row: a signal, and what follows from it.
pub(super) struct Row {
    pub cause: Cause,
    pub matches: fn(&Facts<'_>) -> bool,
    pub scope: Scope,
    pub rest: Rest,
    pub next: Next,
}

const fn secs(seconds: u64) -> Rest {
    Rest::Stated(Duration::from_secs(seconds))
}

const fn row(cause: Cause, matches: fn(&Facts<'_>) -> bool, scope: Scope, rest: Rest, next: Next) -> Row {
    Row { cause, matches, scope, rest, next }
}

/// What no row names: the request's own fault if a client error, else the upstream's.
pub(super) const UNKNOWN: Row = row("upstream_error", |_| true, Scope::Path, secs(5), Next::Again);

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    // 401
    row("missing_authorization", |f| f.status(401) && f.starts("missing authentication header"), Scope::Request, Rest::None, Next::GiveBack),
    row("key_rejected", |f| f.status(401) && (f.starts("user not found") || f.starts("no auth credentials found")), Scope::Key, Rest::Operator, Next::OtherKey),
    row("provider_rejected", |f| matches!(f.refusal.status, 401 | 402) && f.by_provider(), Scope::Model, secs(5), Next::Again),
    row("key_refused", |f| f.status(401) && !f.refusal.is_page, Scope::Key, secs(600), Next::OtherKey),
    // 402, and the key limit that comes as a 403
    row("key_limit", |f| f.limit("openrouter_key_limit") || (f.status(403) && f.starts("key limit exceeded")), Scope::Key, Rest::Interval, Next::OtherKey),
    row("in_flight_budget", |f| f.limit("openrouter_in_flight_budget"), Scope::Account, secs(5), Next::OtherAccount),
    row("negative_balance", |f| f.status(402) && f.free, Scope::Account, secs(3600), Next::OtherAccount),
    row("insufficient_credits", |f| f.status(402), Scope::AccountModel, secs(60), Next::OtherAccount),
    // 403
    row("workspace_budget", |f| f.status(403) && f.starts("workspace") && f.says("budget"), Scope::Account, Rest::Interval, Next::OtherAccount),
    row("key_cannot_infer", |f| f.status(403) && f.says("management key"), Scope::Key, Rest::Operator, Next::OtherKey),
    row("moderation", |f| f.status(403) && (f.refusal.has_metadata("reasons") || f.refusal.has_metadata("flagged_input") || f.says("requires moderation on")), Scope::Request, Rest::None, Next::GiveBack),
    row("content_policy", |f| f.status(403) && (f.kind("content_policy_violation") || f.kind("refusal") || f.refusal.has_metadata("patterns")), Scope::Request, Rest::None, Next::GiveBack),
    row("attestation_missing", |f| f.status(403) && (f.refusal.has_metadata("missing_attestation_types") || f.step("attestation")), Scope::AccountModel, secs(6 * 3600), Next::OtherAccount),
    row("model_gated", |f| f.status(403) && (f.says("agentic harness") || f.says("not available in your region")), Scope::Model, secs(6 * 3600), Next::OtherModel),
    row("forbidden", |f| f.status(403) && !f.refusal.is_page, Scope::Request, Rest::None, Next::GiveBack),
    // 404, and the model id that is none
    row("data_policy", |f| f.status(404) && (f.says("data policy") || f.says("guardrail restrictions") || f.step("guardrail") || f.refusal.has_metadata("ineligibility_reasons")), Scope::AccountModel, secs(6 * 3600), Next::OtherAccount),
    row("no_matching_endpoint", |f| f.status(404) && (f.starts("no endpoints found that") || f.starts("no allowed providers") || f.refusal.has_metadata("failed_routing_step")), Scope::Request, Rest::None, Next::GiveBack),
    row("model_gone", |f| (f.status(404) && !f.refusal.is_page) || (f.status(400) && f.says("is not a valid model id")), Scope::Model, secs(300), Next::OtherModel),
    // 400, 413, 422
    row("provider_rejected_request", |f| f.status(400) && f.by_provider() && f.starts("provider returned error"), Scope::Request, Rest::None, Next::GiveBack),
    row("request_rejected", |f| matches!(f.refusal.status, 400 | 405..=407 | 409..=423) && !f.refusal.is_page, Scope::Request, Rest::None, Next::GiveBack),
    // 429: by its source, then by the provider, then by its words
    row("free_daily_limit", |f| f.limit("openrouter_free_tier_daily"), Scope::Account, Rest::Day, Next::OtherAccount),
    row("free_minute_limit", |f| f.limit("openrouter_free_tier_per_minute"), Scope::Account, Rest::Minute, Next::OtherAccount),
    row("provider_capacity", |f| f.status(429) && (f.limit("upstream_provider_shared_pool") || (!f.has_limit() && (f.by_provider() || contains(&f.refusal.raw(), "temporarily rate-limited upstream") || f.refusal.error.get("availability").is_some()))), Scope::Model, secs(30), Next::OtherModel),
    row("free_daily_limit", |f| f.status(429) && f.says("free-models-per-day"), Scope::Account, Rest::Day, Next::OtherAccount),
    row("free_minute_limit", |f| f.status(429) && f.says("free-models-per-min"), Scope::Account, Rest::Minute, Next::OtherAccount),
    row("shut_out", |f| f.status(429) && (f.refusal.is_page || f.says("error code: 1015")), Scope::Everything, secs(30), Next::GiveBack),
    row("account_rate_limit", |f| f.status(429) && (f.refusal.reset.is_some() || f.refusal.error.pointer("/metadata/headers/X-RateLimit-Reset").is_some()), Scope::Account, Rest::Minute, Next::OtherAccount),
    row("rate_limited", |f| f.status(429), Scope::Key, secs(30), Next::OtherAccountOnce),
    // Failures of the upstream
    row("model_unavailable", |f| matches!(f.refusal.status, 502 | 503 | 529) && !f.refusal.is_page, Scope::Model, secs(5), Next::Again),
    row("upstream_failed", |f| matches!(f.refusal.status, 408 | 500..=599), Scope::Path, secs(5), Next::Again),
    row("upstream_redirected", |f| (300..400).contains(&f.refusal.status), Scope::Path, secs(5), Next::Again),
    row("request_rejected", |f| (400..500).contains(&f.refusal.status) && !f.refusal.is_page, Scope::Request, Rest::None, Next::GiveBack),
];

fn contains(text: &str, words: &str) -> bool {
    let (text, words) = (text.as_bytes(), words.as_bytes());
    text.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words))
}

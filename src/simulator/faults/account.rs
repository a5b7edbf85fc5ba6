//! Refusals that concern a key or its account: credentials, caps, credits, free-tier limits
//! (`openrouter-api.md` 8.2 and 8.4). No provider was asked; no free quota is spent.
//!
//! Free-tier refusals never carry Retry-After, as upstream.

use super::body::{detailed, error, owned, platform, retry_after, with_amount};
use super::{Case, Fault, Row};
use crate::domain::time::Timestamp;
use crate::simulator::reply::Reply;
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    platform(Fault::Revoked, |c| c.refuse(401, error(401, "User not found."))),
    platform(Fault::Unauthorized, |c| c.refuse(401, error(401, "No auth credentials found"))),
    platform(Fault::NoHeader, |c| c.refuse(401, error(401, "Missing Authentication header"))),
    platform(Fault::KeyLimit, |c| key_limit(c, "total")),
    platform(Fault::KeyLimitDaily, |c| key_limit(c, "daily")),
    platform(Fault::KeyLimitWeekly, |c| key_limit(c, "weekly")),
    platform(Fault::KeyLimitMonthly, |c| key_limit(c, "monthly")),
    platform(Fault::KeyBudget, key_budget),
    with_amount(5, platform(Fault::InFlight, in_flight)),
    platform(Fault::Weight, weight),
    platform(Fault::Broke, |c| c.refuse(402, error(402, NEVER_BOUGHT))),
    with_amount(398, platform(Fault::Afford, |c| afford(c, c.amount))),
    platform(Fault::Workspace, |c| {
        c.refuse(403, error(403, "Workspace monthly budget of $500.00 exceeded. Contact your org admin."))
    }),
    platform(Fault::Management, |c| {
        c.refuse(403, error(403, "Only management keys can perform this operation"))
    }),
    platform(Fault::Daily, |c| daily(c, 50, c.now.day().end())),
    platform(Fault::DailyHigh, |c| daily(c, 1000, c.now.day().end())),
    platform(Fault::DailyOld, |c| {
        let mut body = free_tier(c, DAILY, None, 50, c.now.day().end());
        if let Some(metadata) = body["error"]["metadata"].as_object_mut() {
            metadata.retain(|name, _| name == "headers");
        }
        c.refuse(429, body)
    }),
    platform(Fault::Minute, |c| minute(c, 20, c.now.next_minute())),
    platform(Fault::Limited, |c| limit_headers(c.refuse(429, bare()), 20, c.now.next_minute())),
    platform(Fault::Bare, |c| c.refuse(429, bare())),
];

const NEVER_BOUGHT: &str = "Insufficient credits. This account never purchased credits. Make sure your key is \
                            on the correct account or org, and if so, purchase more at \
                            https://openrouter.ai/settings/credits";

const DAILY: &str = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests \
                     per day";

fn bare() -> Value {
    detailed(429, "Rate limit exceeded", json!({"error_type": "rate_limit_exceeded"}))
}

fn limit_headers(reply: Reply, limit: u64, reset: Timestamp) -> Reply {
    reply
        .with("X-RateLimit-Limit", limit.to_string())
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", reset.millis().to_string())
}

fn free_tier(
    case: &Case<'_>,
    message: &str,
    source: Option<(&str, &str)>,
    limit: u64,
    reset: Timestamp,
) -> Value {
    let mut metadata = json!({"provider_name": null, "headers": {"X-RateLimit-Limit": limit.to_string(),
        "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset.millis().to_string()}});
    if let Some((source, hint)) = source {
        metadata["limit_source"] = Value::from(source);
        metadata["remedy_hint"] = Value::from(hint);
    }
    owned(case, detailed(429, message, metadata))
}

/// The day's free requests are spent. Free-tier 429s carry no Retry-After.
pub(in crate::simulator) fn daily(case: &Case<'_>, limit: u64, reset: Timestamp) -> Reply {
    let (message, hint) = if limit >= 1000 {
        (
            "Rate limit exceeded: free-models-per-day-high-balance. ",
            "Wait for the daily reset (see X-RateLimit-Reset)",
        )
    } else {
        (
            DAILY,
            "Wait for the daily reset (see X-RateLimit-Reset), or purchase credits to raise your free-model daily limit.",
        )
    };
    let body = free_tier(case, message, Some(("openrouter_free_tier_daily", hint)), limit, reset);
    limit_headers(case.refuse(429, body), limit, reset)
}

/// The minute's free requests are spent.
pub(in crate::simulator) fn minute(case: &Case<'_>, limit: u64, reset: Timestamp) -> Reply {
    let hint = "Slow down requests to free models, or retry after the per-minute window resets (see \
                X-RateLimit-Reset).";
    let source = Some(("openrouter_free_tier_per_minute", hint));
    let body = free_tier(case, "Rate limit exceeded: free-models-per-min. ", source, limit, reset);
    limit_headers(case.refuse(429, body), limit, reset)
}

fn key_limit(case: &Case<'_>, which: &str) -> Reply {
    let message = format!(
        "Key limit exceeded ({which} limit). Manage it using https://openrouter.ai/workspaces/default"
    );
    case.refuse(403, error(403, &message))
}

fn unaffordable(case: &Case<'_>, afford: u64, remedy: &str, source: &str, hint: &str) -> Reply {
    let message = format!(
        "This request requires more credits, or fewer max_tokens. You requested up to {} tokens, but can only \
         afford {afford}. To increase, visit {remedy}",
        case.max_tokens
    );
    let metadata = json!({"limit_source": source, "remedy_hint": hint, "provider_name": null});
    case.refuse(402, owned(case, detailed(402, &message, metadata)))
}

fn key_budget(case: &Case<'_>) -> Reply {
    let remedy = "https://openrouter.ai/settings/keys and create a key with a higher monthly limit";
    let hint = "Raise the key limit at https://openrouter.ai/settings/keys";
    unaffordable(case, 0, remedy, "openrouter_key_limit", hint)
}

/// A paid request beyond the balance.
pub(in crate::simulator) fn afford(case: &Case<'_>, tokens: u64) -> Reply {
    let remedy = "https://openrouter.ai/settings/credits and upgrade to a paid account";
    let hint = "Add credits at https://openrouter.ai/settings/credits, or lower max_tokens / prompt size to fit \
                your remaining balance.";
    unaffordable(case, tokens, remedy, "openrouter_credits", hint)
}

/// A paid request of an account that never bought credits.
pub(in crate::simulator) fn never_bought(case: &Case<'_>) -> Reply {
    case.refuse(402, error(402, NEVER_BOUGHT))
}

fn in_flight(case: &Case<'_>) -> Reply {
    let message = "This request would exceed your available credits given your current in-flight requests. Retry \
                   after in-flight requests settle, or add credits.";
    let hint = "Retry after your in-flight requests settle (see the Retry-After header). Adding credits at \
                https://openrouter.ai/settings/credits raises your in-flight budget, up to a capped ceiling.";
    let metadata = json!({"reason": "in_flight_budget_exhausted", "limit_source": "openrouter_in_flight_budget",
        "remedy_hint": hint});
    retry_after(case, case.refuse(402, detailed(402, message, metadata)))
}

fn weight(case: &Case<'_>) -> Reply {
    let message = "This request's estimated cost exceeds your available budget.";
    let hint = "Lower max_tokens, or add credits at https://openrouter.ai/settings/credits.";
    let metadata = json!({"reason": "weight_exceeds_budget", "limit_source": "openrouter_credits",
        "remedy_hint": hint});
    case.refuse(402, detailed(402, message, metadata))
}

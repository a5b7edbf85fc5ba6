//! Answers of the account endpoints: `/key`, `/credits`, `/generation`, `/providers`
//! (`openrouter-api.md` 2 and 8.2). Pure but for what they are handed.
//!
//! Never names another account than the caller's.

use super::accounts::Account;
use super::ask::digest;
use super::chat::money;
use super::compose::Usage;
use super::faults::Fault;
use super::keys;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};

/// What is remembered of a generation.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    /// Its id.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// Its provider's display name.
    pub provider: &'static str,
    /// When it began.
    pub at: Timestamp,
    /// Whether it was streamed.
    pub streamed: bool,
    /// Whether the client left before its end.
    pub cancelled: bool,
    /// What it took.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// `GET /key` (old name `/auth/key`).
pub(super) fn key(
    key: &str,
    account_name: &str,
    account: &Account,
    fault: Option<Fault>,
    enforce: bool,
) -> Value {
    let plan = account.plan;
    let limit = if enforce { plan.daily() } else { 1_000_000 };
    let spent_day = matches!(fault, Some(Fault::Daily | Fault::DailyHigh | Fault::DailyOld));
    let used = if spent_day { limit.max(account.used_today) + 2 } else { account.used_today };
    let (cap, reset) = match fault {
        Some(Fault::KeyLimit) => (json!(1), Value::Null),
        Some(Fault::KeyLimitDaily) => (json!(1), json!("daily")),
        Some(Fault::KeyLimitWeekly) => (json!(1), json!("weekly")),
        Some(Fault::KeyLimitMonthly | Fault::KeyBudget) => (json!(1), json!("monthly")),
        _ => (Value::Null, Value::Null),
    };
    let left = if cap.is_null() { Value::Null } else { json!(0) };
    let manages = fault == Some(Fault::Management);
    let usage = money(plan.spent + account.spent);
    let workspace = digest(account_name.as_bytes());
    json!({"data": {
        "label": keys::label(key), "limit": cap, "limit_remaining": left, "limit_reset": reset,
        "include_byok_in_limit": false,
        "usage": usage, "usage_daily": usage, "usage_weekly": usage, "usage_monthly": usage,
        "byok_usage": 0, "byok_usage_daily": 0, "byok_usage_weekly": 0, "byok_usage_monthly": 0,
        "is_free_tier": plan.bought <= 0.0, "is_management_key": manages, "is_provisioning_key": manages,
        "allowed_data_regions": ["global"],
        "creator_user_id": keys::user_id(account_name), "organization_id": null,
        "workspace_id": format!("{:08x}-0000-5000-8000-{:012x}", workspace >> 32, workspace & 0xffff_ffff),
        "expires_at": null,
        "free_model_daily_requests": {"used": used, "limit": limit, "remaining": limit.saturating_sub(used)},
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
    }})
}

/// `GET /credits`.
pub(super) fn credits(account: &Account) -> Value {
    let spent = account.plan.spent + account.spent;
    json!({"data": {"total_credits": money(account.plan.bought), "total_usage": money(spent)}})
}

/// Members of a generation that nothing here has a value for.
const UNKNOWN: [&str; 14] = [
    "app_id",
    "cache_discount",
    "external_user",
    "http_referer",
    "moderation_latency",
    "preset_id",
    "provider_responses",
    "request_id",
    "router",
    "service_tier",
    "session_id",
    "user_agent",
    "web_search_engine",
    "origin",
];

/// Members of a generation that count what text alone does not have.
const NONE: [&str; 7] = [
    "native_tokens_cached",
    "native_tokens_completion_images",
    "num_fetches",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_media_prompt",
    "num_search_results",
];

/// `GET /generation?id=`.
pub(super) fn generation(one: &Generation) -> Value {
    let usage = &one.usage;
    let finish = if one.cancelled { Value::Null } else { json!("stop") };
    let cost = money(usage.cost());
    let mut data = json!({
        "id": one.id, "model": one.model, "provider_name": one.provider, "created_at": one.at.rfc3339(),
        "api_type": "completions", "cancelled": one.cancelled, "data_region": "global",
        "finish_reason": finish, "native_finish_reason": finish, "generation_time": one.took_ms,
        "is_byok": false, "latency": one.took_ms.min(50), "streamed": one.streamed,
        "native_tokens_completion": usage.completion, "native_tokens_prompt": usage.prompt,
        "native_tokens_reasoning": usage.reasoning, "tokens_completion": usage.completion,
        "tokens_prompt": usage.prompt, "total_cost": cost, "upstream_inference_cost": cost, "usage": cost,
        "upstream_id": format!("chatcmpl-{:016x}", digest(one.id.as_bytes())),
    });
    for name in UNKNOWN {
        data[name] = Value::Null;
    }
    for name in NONE {
        data[name] = json!(0);
    }
    json!({"data": data})
}

/// `GET /providers`: display name and slug of every provider that serves a model here.
pub(super) fn providers<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let all: std::collections::BTreeSet<&str> = names.collect();
    let data: Vec<Value> = all
        .into_iter()
        .map(|name| {
            let slug = name.to_lowercase().replace([' ', '.'], "-");
            json!({"name": name, "slug": slug, "headquarters": null, "datacenters": null,
                "privacy_policy_url": format!("https://example.com/{slug}/privacy"),
                "terms_of_service_url": format!("https://example.com/{slug}/terms"), "status_page_url": null})
        })
        .collect();
    json!({"data": data})
}

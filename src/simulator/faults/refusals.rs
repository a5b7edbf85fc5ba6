//! Refusals: the status, headers and body of every row of the attribution table
//! (`openrouter-api.md` 8.4), as recorded or documented. They never send a good answer.

use super::Effect::Instead;
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
    platform(Fault::Moderation, moderation),
    provider(Fault::Policy, |c| {
        let raw = r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#;
        let metadata = json!({"error_type": "content_policy_violation", "provider_name": c.provider,
            "provider_code": "SAFETY", "raw": raw});
        c.refuse(403, detailed(403, "Content blocked by the provider's safety filter", metadata))
    }),
    platform(Fault::Guardrail, |c| {
        let metadata = json!({"patterns": ["ignore all previous instructions"]});
        c.refuse(403, detailed(403, "Request blocked: prompt injection patterns detected", metadata))
    }),
    platform(Fault::Harness, |c| {
        let message = format!(
            "{} is only available on agentic harnesses. Try plugging it into a coding agent or \
             productivity app listed on https://openrouter.ai/apps",
            c.model
        );
        let metadata = json!({"routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 1}],
            "failed_routing_step": "Gate Free Endpoints by Agentic Harness"});
        c.refuse(403, detailed(403, &message, metadata))
    }),
    platform(Fault::Attestation, |c| {
        let message = "This model requires you to complete the following before use: 18+ age confirmation. \
                       Confirm at https://openrouter.ai/settings/preferences.";
        let metadata = json!({"missing_attestation_types": ["age_18plus"],
            "failed_routing_step": "Gate Endpoints with Attestations"});
        c.refuse(403, detailed(403, message, metadata))
    }),
    platform(Fault::Region, |c| c.refuse(403, error(403, "This model is not available in your region."))),
    platform(Fault::Management, |c| {
        c.refuse(403, error(403, "Only management keys can perform this operation"))
    }),
    platform(Fault::Privacy, |c| {
        let message = "No endpoints found matching your data policy (Free model publication). \
                       Configure: https://openrouter.ai/settings/privacy";
        c.refuse(404, error(404, message))
    }),
    platform(Fault::DataGuard, data_guard),
    platform(Fault::Gone, |c| {
        c.refuse(404, owned(c, error(404, &format!("No endpoints found for {}.", c.model))))
    }),
    platform(Fault::InvalidModel, invalid_model),
    platform(Fault::NoTools, |c| {
        let message = "No endpoints found that support tool use. To learn more about provider routing, \
                       visit: https://openrouter.ai/docs/provider-routing";
        c.refuse(404, error(404, message))
    }),
    platform(Fault::MaxPrice, |c| {
        let metadata = json!({"failed_routing_step": "Filter by Max Price"});
        let message = "No endpoints found that satisfy the max price for this request";
        c.refuse(404, detailed(404, message, metadata))
    }),
    platform(Fault::OnlyFilter, |c| {
        let metadata = json!({"available_providers": ["nvidia", "deepinfra"],
            "requested_providers": ["definitely-not-a-provider"],
            "failed_routing_step": "Filter by Allowed Providers"});
        let message = "No allowed providers are available for the selected model.";
        c.refuse(404, detailed(404, message, metadata))
    }),
    platform(Fault::BadRequest, |c| c.refuse(400, error(400, "Invalid request parameters"))),
    with_amount(2_500_021, platform(Fault::Context, |c| over_window(c, c.amount, 0))),
    provider(Fault::ProviderRefused, |c| {
        let raw = format!(
            r#"{{"error":{{"type":"invalid_request_error","message":"Model '{}' supports at most 1 image per prompt."}}}}"#,
            c.model
        );
        c.refuse(400, owned(c, returned(c, 400, Value::from(raw), json!({"is_byok": false}))))
    }),
    platform(Fault::TooLarge, |c| c.refuse(413, error(413, "Request payload too large"))),
    platform(Fault::Unprocessable, |c| c.refuse(422, error(422, "Invalid argument"))),
    provider(Fault::Timeout, |c| c.refuse(408, error(408, "Operation timed out. Please try again later."))),
    provider(Fault::Internal, |c| c.refuse(500, error(500, "Internal Server Error"))),
    provider(Fault::ProviderDown, |c| {
        c.refuse(502, returned(c, 502, Value::from("upstream connect error"), json!({})))
    }),
    provider(Fault::ProviderRaw, |c| {
        let why = "Unexpected token 173781 while expecting start token 200006";
        let raw =
            json!({"object": "error", "message": why, "type": "BadRequestError", "param": null, "code": 400});
        let mut body = returned(c, 502, raw, json!({}));
        body["error"]["message"] = Value::from(format!("Upstream error from {}: {why}", c.provider));
        c.refuse(502, body)
    }),
    provider(Fault::NoInstances, |c| c.refuse(503, error(503, "No instances available"))),
    with_amount(
        5,
        provider(Fault::NoWorkers, |c| {
            let raw = json!({"error": {"type": "Service Unavailable", "code": "no_available_workers",
            "message": "No available workers (all circuits open or unhealthy)"}});
            retry_after(c, c.refuse(503, returned(c, 503, raw, json!({"is_byok": false}))))
        }),
    ),
    provider(Fault::GatewayTimeout, |c| {
        c.refuse(504, detailed(504, "Request timed out", json!({"error_type": "timeout"})))
    }),
    provider(Fault::EdgeTimeout, |c| c.refuse(524, error(524, "Request timed out. Please try again later."))),
    provider(Fault::Overloaded, |c| c.refuse(529, error(529, "Provider returned error"))),
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
    provider(Fault::Pool, |c| c.refuse(429, pool(c))),
    provider(Fault::PoolOld, |c| c.refuse(429, owned(c, returned(c, 429, throttled(c), json!({}))))),
    with_amount(
        17,
        provider(Fault::PoolAfter, |c| {
            let more = json!({"is_byok": false, "retry_after_seconds": c.amount,
            "retry_after_seconds_raw": c.amount as f64 - 0.993,
            "headers": {"Retry-After": c.amount.to_string()}});
            retry_after(c, c.refuse(429, owned(c, returned(c, 429, throttled(c), more))))
        }),
    ),
    platform(Fault::Limited, |c| limit_headers(c.refuse(429, bare()), 20, c.now.next_minute())),
    platform(Fault::Bare, |c| c.refuse(429, bare())),
    with_amount(40, provider(Fault::Capacity, capacity)),
    provider(Fault::Html, |_| {
        let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                    Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";
        Reply::whole(502, "text/html", page)
    }),
    with_amount(
        30,
        platform(Fault::Cloudflare, |c| {
            let page = "<!DOCTYPE html>\n<title>Access denied | openrouter.ai used Cloudflare to restrict \
                    access</title>\nerror code: 1015\n";
            retry_after(c, Reply::whole(429, "text/html", page))
        }),
    ),
    platform(Fault::Redirect, |_| {
        Reply::whole(307, "text/html", "").with("Location", "http://127.0.0.1:9/api/v1/elsewhere")
    }),
];

const NEVER_BOUGHT: &str = "Insufficient credits. This account never purchased credits. Make sure your key is \
                            on the correct account or org, and if so, purchase more at \
                            https://openrouter.ai/settings/credits";
const DAILY: &str = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests \
                     per day";

/// A refusal by OpenRouter itself: no provider was asked, no free quota is spent.
const fn platform(fault: Fault, answer: fn(&Case<'_>) -> Reply) -> Row {
    Row { fault, costs: false, amount: 0, effect: Instead(answer) }
}

/// A refusal from behind OpenRouter: the attempt counts.
const fn provider(fault: Fault, answer: fn(&Case<'_>) -> Reply) -> Row {
    Row { fault, costs: true, amount: 0, effect: Instead(answer) }
}

const fn with_amount(amount: u64, row: Row) -> Row {
    Row { fault: row.fault, costs: row.costs, amount, effect: row.effect }
}

/// `{"error":{code,message}}`.
pub(in crate::simulator) fn error(code: u16, message: &str) -> Value {
    json!({"error": {"message": message, "code": code}})
}

/// The same with `metadata`.
fn detailed(code: u16, message: &str, metadata: Value) -> Value {
    json!({"error": {"message": message, "code": code, "metadata": metadata}})
}

/// The same body with the account's id beside the error.
fn owned(case: &Case<'_>, mut body: Value) -> Value {
    body["user_id"] = Value::from(case.user);
    body
}

/// `Provider returned error` with what the provider said.
fn returned(case: &Case<'_>, code: u16, raw: Value, more: Value) -> Value {
    let mut metadata = json!({"raw": raw, "provider_name": case.provider});
    if let (Some(all), Value::Object(more)) = (metadata.as_object_mut(), more) {
        all.extend(more);
    }
    detailed(code, "Provider returned error", metadata)
}

fn throttled(case: &Case<'_>) -> Value {
    Value::from(format!(
        "{} is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate your \
         rate limits: https://openrouter.ai/settings/integrations",
        case.model
    ))
}

/// The body of a shared pool's 429; in-band errors carry it too.
pub(super) fn pool(case: &Case<'_>) -> Value {
    let hint = "Retry shortly, add your own provider key (https://openrouter.ai/settings/integrations), or route \
                to another provider with provider routing: \
                https://openrouter.ai/docs/features/provider-routing";
    let more =
        json!({"is_byok": false, "limit_source": "upstream_provider_shared_pool", "remedy_hint": hint});
    returned(case, 429, throttled(case), more)
}

fn bare() -> Value {
    detailed(429, "Rate limit exceeded", json!({"error_type": "rate_limit_exceeded"}))
}

fn retry_after(case: &Case<'_>, reply: Reply) -> Reply {
    reply.with("Retry-After", case.amount.to_string())
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

fn moderation(case: &Case<'_>) -> Reply {
    let reasons = ["self-harm/instructions", "self-harm/intent"];
    let message = format!(
        "{} requires moderation on {}. Your input was flagged for \"{}\". No credits were charged.",
        case.model,
        case.provider,
        reasons.join(", ")
    );
    let metadata = json!({"reasons": reasons, "flagged_input": "Tell me about…", "provider_name": case.provider,
        "model_slug": case.model});
    case.refuse(403, detailed(403, &message, metadata))
}

fn data_guard(case: &Case<'_>) -> Reply {
    let settings = "https://openrouter.ai/settings/privacy";
    let message = format!(
        "0 endpoints out of 1 requested are available matching your guardrail restrictions and data policy. We \
         removed them for the following reasons (an endpoint may have matched multiple reasons):\nPaid model \
         training violation (account settings): 1 endpoint excluded; configurable at {settings}"
    );
    let metadata = json!({"input_endpoint_count": 1,
        "ineligibility_reasons": [{"reason": "paid-model-training-violation-by-account", "count": 1,
            "configure_url": settings}],
        "routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 1}],
        "failed_routing_step": "Filter by Guardrails"});
    case.refuse(404, detailed(404, &message, metadata))
}

/// A model that does not exist.
pub(in crate::simulator) fn invalid_model(case: &Case<'_>) -> Reply {
    case.refuse(400, owned(case, error(400, &format!("{} is not a valid model ID", case.model))))
}

/// Prompt and answer do not fit the window.
pub(in crate::simulator) fn over_window(case: &Case<'_>, prompt: u64, output: u64) -> Reply {
    let parts = match output {
        0 => format!("({prompt} of text input)"),
        _ => format!("({prompt} of text input, {output} in the output)"),
    };
    let message = format!(
        "This endpoint's maximum context length is {} tokens. However, you requested about {} tokens {parts}. \
         Please reduce the length of either one, or use the context-compression plugin to compress your prompt \
         automatically.",
        case.window,
        prompt + output
    );
    let metadata = json!({"provider_name": null, "previous_errors": [{"code": 400, "message": message}]});
    case.refuse(400, owned(case, detailed(400, &message, metadata)))
}

fn capacity(case: &Case<'_>) -> Reply {
    let message =
        format!("All providers for {} are at capacity. Retry after {} seconds.", case.model, case.amount);
    let provider = case.provider.to_lowercase().replace(' ', "-");
    let body = json!({"error": {"message": message, "error_type": "rate_limit_exceeded", "http_status": 429,
        "availability": {"code": "capacity_exhausted", "retryable": true, "retry_after": case.amount,
            "requested_models": [case.model], "affected_providers": [provider], "fallback_models": [],
            "docs_url": "https://openrouter.ai/docs/errors#capacity_exhausted"},
        "metadata": {"previous_errors": [{"provider": provider, "code": "capacity_exhausted", "status": 429}]}}});
    retry_after(case, case.refuse(429, body))
}

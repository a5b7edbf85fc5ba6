//! Refusals from behind OpenRouter: providers, shared pools, the edge (`openrouter-api.md` 8.4).
//! Other keys meet the same.
//!
//! Never a key's or an account's fault, even where the body names the account.

use super::body::{detailed, error, owned, platform, provider, retry_after, returned, with_amount};
use super::{Case, Fault, Row};
use crate::simulator::reply::Reply;
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    provider(Fault::ProviderRefused, |c| {
        let raw = format!(
            r#"{{"error":{{"type":"invalid_request_error","message":"Model '{}' supports at most 1 image per prompt."}}}}"#,
            c.model
        );
        c.refuse(400, owned(c, returned(c, 400, Value::from(raw), json!({"is_byok": false}))))
    }),
    with_amount(
        400,
        platform(Fault::Says, |c| {
            let status =
                u16::try_from(c.amount).ok().filter(|status| (400..600).contains(status)).unwrap_or(400);
            let metadata = json!({"raw": c.words, "provider_name": c.words});
            let error = json!({"message": c.words, "code": c.words, "metadata": metadata});
            c.refuse(status, owned(c, json!({ "error": error })))
        }),
    ),
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

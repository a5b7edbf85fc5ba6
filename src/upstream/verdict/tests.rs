//! Every row of the table, by bodies of our own; and, where they lie, the recorded ones by the fault
//! that each states.

use super::*;
use serde_json::{Value, json};
use std::collections::HashMap;

const NOW: &str = "2026-10-10T12:00:30Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW).expect("a valid time")
}

fn refusal(status: u16, headers: &[(&str, &str)], body: &Value) -> Refusal {
    let headers: HashMap<_, _> = headers.iter().copied().collect();
    let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    Refusal::read(status, |name| headers.get(name).map(|value| (*value).to_owned()), text.as_bytes())
}

fn error(message: &str, metadata: Value) -> Value {
    json!({"error": {"message": message, "metadata": metadata}, "user_id": "user_a"})
}

fn until(text: &str) -> Pause {
    Pause::Until(Timestamp::parse(text).expect("a valid time"))
}

fn seconds(seconds: u64) -> Pause {
    Pause::For(Duration::from_secs(seconds))
}

#[test]
fn each_row_has_its_signal() {
    let limit = |source: &str| json!({ "limit_source": source });
    let none = || json!({});
    let table: Vec<(u16, Value, &str, Scope, Pause, Next)> = vec![
        (401, error("User not found.", none()), "key_rejected", Scope::Key, Pause::Operator, Next::OtherKey),
        (
            401,
            error("No auth credentials found", none()),
            "key_rejected",
            Scope::Key,
            Pause::Operator,
            Next::OtherKey,
        ),
        (
            401,
            error("Missing Authentication header", none()),
            "missing_authorization",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (
            403,
            error("Key limit exceeded (daily limit). Manage it", none()),
            "key_limit",
            Scope::Key,
            until("2026-10-11T00:00:01Z"),
            Next::OtherKey,
        ),
        (
            403,
            error("Key limit exceeded (weekly limit)", none()),
            "key_limit",
            Scope::Key,
            until("2026-10-12T00:00:01Z"),
            Next::OtherKey,
        ),
        (
            403,
            error("Key limit exceeded (monthly limit)", none()),
            "key_limit",
            Scope::Key,
            until("2026-11-01T00:00:01Z"),
            Next::OtherKey,
        ),
        (
            403,
            error("Key limit exceeded (total limit)", none()),
            "key_limit",
            Scope::Key,
            Pause::Operator,
            Next::OtherKey,
        ),
        (
            402,
            error("more credits", limit("openrouter_key_limit")),
            "key_limit",
            Scope::Key,
            seconds(3600),
            Next::OtherKey,
        ),
        (
            402,
            error("in-flight", limit("openrouter_in_flight_budget")),
            "in_flight_budget",
            Scope::Account,
            seconds(5),
            Next::OtherAccount,
        ),
        (
            402,
            error("Insufficient credits", none()),
            "negative_balance",
            Scope::Account,
            seconds(3600),
            Next::OtherAccount,
        ),
        (
            403,
            error("Workspace daily budget of $5 exceeded", none()),
            "workspace_budget",
            Scope::Account,
            until("2026-10-11T00:00:01Z"),
            Next::OtherAccount,
        ),
        (
            403,
            error("flagged", json!({"reasons": ["x"]})),
            "moderation",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (
            403,
            error("blocked", json!({"error_type": "refusal"})),
            "content_policy",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (
            403,
            error("only available on agentic harnesses", none()),
            "model_gated",
            Scope::Model,
            seconds(21600),
            Next::OtherModel,
        ),
        (
            403,
            error("confirm", json!({"missing_attestation_types": ["a"]})),
            "attestation_missing",
            Scope::AccountModel,
            seconds(21600),
            Next::OtherAccount,
        ),
        (
            403,
            error("Only management keys can", none()),
            "key_cannot_infer",
            Scope::Key,
            Pause::Operator,
            Next::OtherKey,
        ),
        (403, error("no", none()), "forbidden", Scope::Request, Pause::None, Next::GiveBack),
        (
            404,
            error("No endpoints found matching your data policy", none()),
            "data_policy",
            Scope::AccountModel,
            seconds(21600),
            Next::OtherAccount,
        ),
        (
            404,
            error("No endpoints found that support tool use.", none()),
            "no_matching_endpoint",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (
            404,
            error("No endpoints found for a/b.", none()),
            "model_gone",
            Scope::Model,
            seconds(300),
            Next::OtherModel,
        ),
        (
            400,
            error("a/b is not a valid model ID", none()),
            "model_gone",
            Scope::Model,
            seconds(300),
            Next::OtherModel,
        ),
        (
            400,
            error("Provider returned error", json!({"provider_name": "X"})),
            "provider_rejected_request",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (
            400,
            error("rate limit of credits", none()),
            "request_rejected",
            Scope::Request,
            Pause::None,
            Next::GiveBack,
        ),
        (413, error("large", none()), "request_rejected", Scope::Request, Pause::None, Next::GiveBack),
        (422, error("bad", none()), "request_rejected", Scope::Request, Pause::None, Next::GiveBack),
        (
            429,
            error("x", limit("openrouter_free_tier_daily")),
            "free_daily_limit",
            Scope::Account,
            until("2026-10-11T00:00:01Z"),
            Next::OtherAccount,
        ),
        (
            429,
            error("free-models-per-day-high-balance.", none()),
            "free_daily_limit",
            Scope::Account,
            until("2026-10-11T00:00:01Z"),
            Next::OtherAccount,
        ),
        (
            429,
            error("Rate limit exceeded: free-models-per-min. ", none()),
            "free_minute_limit",
            Scope::Account,
            until("2026-10-10T12:01:01Z"),
            Next::OtherAccount,
        ),
        (
            429,
            error(
                "Provider returned error",
                json!({"raw": "free-models-per-day of ours", "provider_name": "P"}),
            ),
            "provider_capacity",
            Scope::Model,
            seconds(30),
            Next::OtherModel,
        ),
        (
            429,
            json!({"error": {"message": "x", "metadata": {"headers": {"X-RateLimit-Reset": "1791633720000"}}}}),
            "account_rate_limit",
            Scope::Account,
            until("2026-10-10T12:02:01Z"),
            Next::OtherAccount,
        ),
        (
            429,
            error("Rate limit exceeded", none()),
            "rate_limited",
            Scope::Key,
            seconds(30),
            Next::OtherAccountOnce,
        ),
        (
            429,
            json!("<html>error code: 1015</html>"),
            "shut_out",
            Scope::Everything,
            seconds(30),
            Next::GiveBack,
        ),
        (
            500,
            error("Internal Server Error", none()),
            "upstream_failed",
            Scope::Path,
            seconds(5),
            Next::Again,
        ),
        (
            502,
            error("Provider returned error", none()),
            "model_unavailable",
            Scope::Model,
            seconds(5),
            Next::Again,
        ),
        (502, json!("<html>502</html>"), "upstream_failed", Scope::Path, seconds(5), Next::Again),
        (307, json!(""), "upstream_redirected", Scope::Path, seconds(5), Next::Again),
        (
            529,
            error("Provider returned error", none()),
            "model_unavailable",
            Scope::Model,
            seconds(5),
            Next::Again,
        ),
    ];
    for (status, body, cause, scope, pause, next) in table {
        let verdict = judge(&refusal(status, &[], &body), true, now());
        let expected = (cause, scope, pause, next);
        assert_eq!((verdict.cause, verdict.scope, verdict.pause, verdict.next), expected, "{status} {body}");
    }
}

#[test]
fn only_openrouters_own_word_ends_a_key() {
    let by_provider = error("Provider returned error", json!({"provider_name": "P"}));
    let page = json!("<html>401</html>");
    let other = error("Invalid API key", json!({}));
    for (status, body, cause, pause) in [
        (401, &by_provider, "provider_rejected", seconds(5)),
        (402, &by_provider, "provider_rejected", seconds(5)),
        (401, &page, "upstream_error", seconds(5)),
        (401, &other, "key_refused", seconds(600)),
    ] {
        let verdict = judge(&refusal(status, &[], body), true, now());
        assert_eq!((verdict.cause, verdict.pause), (cause, pause), "{status} {body}");
    }
}

#[test]
fn a_402_for_a_paid_model_does_not_rest_the_account() {
    let body = error("This request requires more credits, or fewer max_tokens.", json!({}));
    assert_eq!(judge(&refusal(402, &[], &body), false, now()).scope, Scope::AccountModel);
}

#[test]
fn stated_ends_win_and_are_held_within_reason() {
    let body = error("Provider returned error", json!({"provider_name": "P"}));
    let with = |headers: &[(&str, &str)]| judge(&refusal(503, headers, &body), true, now()).pause;
    assert_eq!(with(&[("retry-after", "17")]), until("2026-10-10T12:00:47Z"));
    assert_eq!(with(&[("retry-after", "Sat, 10 Oct 2026 12:05:00 GMT")]), until("2026-10-10T12:05:00Z"));
    assert_eq!(with(&[("retry-after", "1e300")]), until("2026-10-11T13:00:30Z"));
    assert_eq!(with(&[("retry-after", "-5")]), seconds(5));
    assert_eq!(with(&[("retry-after", "soon")]), seconds(5));

    let daily = error("x", json!({"limit_source": "openrouter_free_tier_daily"}));
    let reset = |text: &str| judge(&refusal(429, &[("x-ratelimit-reset", text)], &daily), true, now()).pause;
    let midnight = until("2026-10-11T00:00:01Z");
    for text in ["1791676800000", "1791676800", "2026-10-11T00:00:00Z", "rubbish", "-1", "1", "1600000000000"]
    {
        let expected = if text == "1" { until("2026-10-10T12:00:32Z") } else { midnight };
        assert_eq!(reset(text), expected, "{text}");
    }
    assert_eq!(reset("9999999999999"), until("2026-10-11T13:00:31Z"));
}

#[test]
fn an_error_inside_a_200_is_judged_by_its_code() {
    let cases = [
        (
            json!({"error": {"code": 429, "message": "free-models-per-day"}, "user_id": "u"}),
            "free_daily_limit",
        ),
        (json!({"error": {"code": "server_error", "message": "x"}}), "model_unavailable"),
        (json!({"error": {"message": "x", "http_status": 429, "availability": {}}}), "provider_capacity"),
        (json!({"error": {"type": "overloaded_error", "message": "x"}}), "model_unavailable"),
        (json!({"error": "plain words"}), "model_unavailable"),
        (json!({"error": {"code": "400", "message": "Token limit reached"}}), "request_rejected"),
    ];
    for (body, cause) in cases {
        assert_eq!(judge(&Refusal::in_band(body.clone()), true, now()).cause, cause, "{body}");
    }
}

#[test]
fn the_account_is_learned_from_the_body() {
    let verdict = judge(&refusal(429, &[], &error("free-models-per-min", json!({}))), true, now());
    assert_eq!(verdict.upstream_user.as_deref(), Some("user_a"));
    assert!(verdict.names_a_key());
}

#[test]
fn rubbish_is_judged_too() {
    for body in ["", "{", "[]", "null", "{\"error\":[]}", "\u{0}", "{\"error\":{\"metadata\":7}}"] {
        for status in [200, 302, 400, 401, 402, 403, 404, 429, 500, 503, 599] {
            judge(&Refusal::read(status, |_| Some(body.to_owned()), body.as_bytes()), true, now());
        }
    }
}

/// The recorded refusals state whose fault each is; the verdict's scope must agree.
#[test]
fn recorded_refusals_get_the_fault_they_state() {
    let Ok(folder) = std::fs::read_dir("../shared/fixtures/openrouter/errors") else {
        eprintln!("SKIPPED: the recorded refusals are not beside this checkout");
        return;
    };
    let mut checked = 0;
    for entry in folder {
        let path = entry.expect("a readable folder").path();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let case: Value = serde_json::from_str(&text).expect("a JSON file");
        let status = case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        let headers: Vec<(&str, &str)> = case["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
            .collect();
        let judged = if status == 200 {
            let body = case["body"].to_string();
            let (_, error) =
                crate::upstream::watch::whole(crate::domain::dialect::Dialect::Chat, body.as_bytes())
                    .expect("a JSON body");
            Refusal::in_band(error.expect("an error inside the 200"))
        } else {
            refusal(status, &headers, &case["body"])
        };
        let scope = judge(&judged, true, now()).scope;
        let fault = case["fault"].as_str().expect("a fault");
        let allowed: &[Scope] = match fault {
            "key" | "key type (management endpoints)" => &[Scope::Key],
            "proxy bug / key" => &[Scope::Request],
            "proxy IP" => &[Scope::Everything],
            "model" | "model/provider" | "model x client app" | "proxy location x model" => &[Scope::Model],
            "upstream" | "upstream, transient" | "edge" => &[Scope::Path],
            "account setting x model" | "account privacy setting x model" => &[Scope::AccountModel],
            "ambiguous" => &[Scope::Key, Scope::Account],
            fault if fault.starts_with("request") => &[Scope::Request, Scope::Model],
            fault if fault.starts_with("account") || fault.starts_with("workspace") => &[Scope::Account],
            other => panic!("{}: a fault this test does not know: {other}", path.display()),
        };
        assert!(allowed.contains(&scope), "{}: {scope:?} for {fault:?}", path.display());
        checked += 1;
    }
    assert!(checked > 40, "only {checked} recorded refusals");
}

#[test]
fn every_cause_has_its_words_on_the_pages() {
    let pages = [include_str!("../../../static/i18n/en.js"), include_str!("../../../static/i18n/zh.js")];
    let causes = table::ROWS.iter().chain([&table::UNKNOWN]).map(|row| row.cause);
    for cause in causes.chain(OWN_CAUSES.iter().copied()) {
        assert!(pages.iter().all(|page| page.contains(&format!("\"cause.{cause}\": "))), "{cause}");
    }
}

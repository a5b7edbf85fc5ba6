//! Refusals that concern the request, its model or its content (`openrouter-api.md` 8.4). Another
//! key changes nothing, but for an account's privacy settings.
//!
//! No free quota is spent, but where a provider had to judge the content.

use super::body::{detailed, error, owned, platform, provider, with_amount};
use super::{Case, Fault, Row};
use crate::simulator::reply::Reply;
use serde_json::json;

pub(super) const ROWS: &[Row] = &[
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
    platform(Fault::TooLarge, |c| c.refuse(413, error(413, "Request payload too large"))),
    platform(Fault::Unprocessable, |c| c.refuse(422, error(422, "Invalid argument"))),
];

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

//! What a client is told when nothing could answer it: the last setback, or what keeps the keys.
//!
//! Never names a key or an account, and never a status that would blame the client for our credentials.

use super::errors::{ApiError, Kind};
use super::failover::{Failure, Last};
use super::scrub;
use crate::domain::time::Timestamp;
use crate::keypool::NoKey;
use crate::upstream::fault::TransportFault;
use crate::upstream::verdict::{Next, Pause, Refusal, Scope, Verdict, retry_after};

/// What the client is told when no key is left: the last refusal if it was the model's or the
/// request's, else what keeps the keys.
pub fn nothing_left(none: &NoKey, last: Option<Last>, now: Timestamp) -> Failure {
    let about_keys = match &last {
        Some(Last::Refused(refusal, verdict)) => {
            verdict.names_a_key() || matches!(refusal.status, 401 | 402 | 429) || is_key_limit(refusal)
        }
        Some(Last::Broken(_)) => false,
        None => true,
    };
    if !about_keys || *none == NoKey::AllTried {
        return told(last, now);
    }
    // What was sent in vain has failed upstream, even where the words are ours.
    let in_vain = |error| ApiError { from_upstream: last.is_some(), ..error };
    match none {
        NoKey::ModelResting { until, cause } => Failure::Model(in_vain(resting_model(cause, *until, now))),
        NoKey::AllResting { until, cause } => Failure::Final(in_vain(resting_keys(cause, *until, now))),
        NoKey::NoneConfigured | NoKey::AllTried => {
            let message = "no upstream key is in use; the operator of this proxy must add one";
            Failure::Final(in_vain(ApiError::new(503, Kind::Overloaded, "no_keys", message)))
        }
    }
}

fn resting_model(cause: &str, until: Option<Timestamp>, now: Timestamp) -> ApiError {
    if cause == "model_gone" {
        let message = "the upstream has no endpoint for this model at present; choose another";
        return ApiError::new(404, Kind::NotFound, cause, message);
    }
    if cause == "model_gated" {
        let message = "the upstream does not offer this model to this proxy; choose another";
        return ApiError::new(403, Kind::Permission, cause, message);
    }
    if cause == "probing" {
        let message = "the model failed a moment ago and is being tried again; try again shortly";
        return ApiError::new(429, Kind::RateLimit, cause, message).retry_at(until, now);
    }
    if cause == "provider_capacity" {
        let message = "the model's providers are at capacity; try again later or use another model";
        return ApiError::new(429, Kind::RateLimit, cause, message).retry_at(until, now);
    }
    let message = "the model cannot be reached just now; try again later or use another model";
    ApiError::new(503, Kind::Overloaded, cause, message).retry_at(until, now)
}

fn resting_keys(cause: &str, until: Option<Timestamp>, now: Timestamp) -> ApiError {
    if until.is_some() && is_limit(cause) {
        let message = "all upstream quota is used up for now; try again when it resets";
        return ApiError::new(429, Kind::RateLimit, cause, message).retry_at(until, now);
    }
    if matches!(cause, "data_policy" | "attestation_missing") {
        let message = "no account of this proxy may use this model; choose another, or ask its operator";
        return ApiError::new(404, Kind::NotFound, cause, message);
    }
    let message = "no upstream key can be used just now; the operator of this proxy can see why";
    ApiError::new(503, Kind::Overloaded, cause, message).retry_at(until, now)
}

fn is_key_limit(refusal: &Refusal) -> bool {
    refusal.status == 403 && refusal.message.starts_with("Key limit")
}

/// Causes that are a limit that resets, rather than something broken.
fn is_limit(cause: &str) -> bool {
    matches!(
        cause,
        "free_daily_limit"
            | "free_minute_limit"
            | "key_daily_limit"
            | "key_limit"
            | "account_rate_limit"
            | "rate_limited"
            | "in_flight_budget"
            | "probing"
    )
}

/// The setback as the client sees it.
pub fn told(last: Option<Last>, now: Timestamp) -> Failure {
    match last {
        Some(Last::Refused(refusal, verdict)) => {
            let of_model = matches!(verdict.scope, Scope::Model | Scope::AccountModel)
                || matches!(verdict.next, Next::Again | Next::OtherModel);
            let error = refused(refusal, &verdict, now);
            if of_model { Failure::Model(error) } else { Failure::Final(error) }
        }
        Some(Last::Broken(fault)) => Failure::Model(broken(fault)),
        None => {
            let message = "no upstream key can be used just now";
            Failure::Final(ApiError::new(503, Kind::Overloaded, "no_keys", message))
        }
    }
}

/// An attempt that came to nothing, as the client sees it.
pub fn broken(fault: TransportFault) -> ApiError {
    let (status, kind) = if fault.is_timeout() { (504, Kind::Timeout) } else { (502, Kind::Upstream) };
    ApiError { from_upstream: true, ..ApiError::new(status, kind, fault.word(), fault.to_string()) }
}

/// The upstream's refusal in its own words, less what names an account; a status that would say that
/// the client's credential was wrong becomes one that says the upstream's was.
pub fn refused(refusal: Refusal, verdict: &Verdict, now: Timestamp) -> ApiError {
    let status = match refusal.status {
        _ if verdict.cause == "shut_out" => 503,
        400 | 403..=405 | 408..=451 | 500..=599 => refusal.status,
        402 => 503,
        _ => 502,
    };
    let stated = retry_after(&refusal, now);
    let until = match verdict.pause {
        Pause::Until(until) => Some(until),
        Pause::For(pause) if matches!(status, 429 | 503 | 529) => Some(now.after(pause)),
        _ => stated,
    };
    let member = |name: &str| {
        let mut value = refusal.error.get(name).filter(|value| !value.is_null()).cloned();
        value.iter_mut().for_each(scrub::value);
        value
    };
    let (code, metadata) = (member("code"), member("metadata"));
    let message = if refusal.is_page || refusal.message.is_empty() {
        format!("the upstream answered with status {}", refusal.status)
    } else {
        scrub::text(&refusal.message)
    };
    ApiError {
        status,
        kind: Kind::of_status(status),
        code: code.unwrap_or_else(|| verdict.cause.into()),
        message,
        param: None,
        metadata: metadata.map(Box::new),
        retry_after: None,
        from_upstream: true,
    }
    .retry_at(until.filter(|_| status >= 429), now)
}

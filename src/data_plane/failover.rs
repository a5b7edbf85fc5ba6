//! From lease to an answer that has begun: picks a key, sends, and after a setback decides whether
//! another try could do better. Nothing has been sent to the client while this goes on.

use super::Plane;
use super::attempt::{self, Begun, Deadlines, Setback};
use super::errors::{ApiError, Kind};
use super::record::Record;
use super::scrub;
use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::keypool::{Ask, Ending, Lease, NoKey};
use crate::upstream::client::{Call, Via};
use crate::upstream::fault::TransportFault;
use crate::upstream::verdict::{Next, Pause, Refusal, Verdict, judge, retry_after};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What is to be sent, and for which model.
pub struct Errand {
    /// The request as it goes upstream.
    pub call: Call,
    /// How to read the answer.
    pub dialect: Dialect,
    /// The model it is for.
    pub model: String,
    /// Whether that model is free.
    pub free: bool,
}

/// An answer, and the lease it came by.
pub struct Served {
    /// To be settled when the answer has ended.
    pub lease: Lease,
    /// The answer.
    pub begun: Begun,
}

/// The setback that a client would be told of if nothing better comes.
enum Last {
    Refused(Refusal, Verdict),
    Broken(TransportFault),
}

/// Tries until an answer has begun, or nothing is left to try.
pub async fn serve(plane: &Plane, errand: &mut Errand, record: &mut Record) -> Result<Served, ApiError> {
    let options = &plane.options;
    let until = Instant::now() + options.request_timeout;
    let mut ask = Ask { model: errand.model.clone(), ..Ask::default() };
    let mut counted = 0;
    let mut last: Option<Last> = None;
    loop {
        let lease = match plane.pool.lease(ask.clone()).await {
            Ok(lease) => lease,
            Err(NoKey::AllTried) if may_go_round(&last, counted, options.max_attempts, until) => {
                // Every key was tried and none is at fault: once more, a little later.
                pause_before_again().await;
                ask = Ask { model: ask.model, refused: ask.refused, ..Ask::default() };
                continue;
            }
            Err(NoKey::AllTried | NoKey::AllResting { .. }) if ask.only.take().is_some() => continue,
            Err(none) => return Err(nothing_left(&none, last, plane.clock.now())),
        };
        let via = if ask.only.take() == Some(lease.key) { Via::Fresh } else { Via::Kept };
        record.attempt(&lease);
        let left = until.saturating_duration_since(Instant::now());
        errand.call.head_timeout = options.first_byte_timeout.min(left);
        let deadlines = Deadlines { idle: options.idle_timeout, answer: until };
        let sent =
            attempt::send(&plane.upstream, &errand.call, &lease.secret, via, errand.dialect, deadlines).await;
        let key = lease.key;
        match sent {
            Ok(begun) => return Ok(Served { lease, begun }),
            Err(Setback::Broken(TransportFault::NoHead)) if via == Via::Kept => {
                // The kept connection was dead, which says nothing about the key: a fresh one, once.
                lease.settle(Ending::Abandoned);
                ask.only = Some(key);
                last = Some(Last::Broken(TransportFault::NoHead));
                continue;
            }
            Err(Setback::Broken(fault)) => {
                let unsent = matches!(
                    fault,
                    TransportFault::Connect | TransportFault::ConnectTimeout | TransportFault::Tls
                );
                lease.settle(if unsent { Ending::NeverSent } else { Ending::Broken });
                ask.tried.push(key);
                counted += 1;
                last = Some(Last::Broken(fault));
            }
            Err(Setback::Refused(refusal)) => {
                let verdict = judge(&refusal, errand.free, plane.clock.now());
                log::debug!("an attempt for {} was refused: {}", errand.model, verdict.cause);
                if verdict.next == Next::OtherAccount || verdict.next == Next::OtherAccountOnce {
                    ask.refused.push(lease.account);
                }
                ask.tried.push(key);
                counted += u32::from(!verdict.names_a_key());
                lease.settle(Ending::Refused(verdict.clone()));
                let given_back = matches!(verdict.next, Next::GiveBack | Next::OtherModel);
                last = Some(Last::Refused(refusal, verdict));
                if given_back {
                    return Err(told(last, plane.clock.now()));
                }
            }
        }
        if counted >= options.max_attempts || Instant::now() >= until {
            return Err(told(last, plane.clock.now()));
        }
    }
}

/// Whether the same keys may be tried again: the setback was no key's fault and there is time.
fn may_go_round(last: &Option<Last>, counted: u32, max_attempts: u32, until: Instant) -> bool {
    let no_keys_fault = match last {
        Some(Last::Refused(_, verdict)) => verdict.next == Next::Again,
        Some(Last::Broken(_)) => true,
        None => false,
    };
    no_keys_fault && counted < max_attempts && Instant::now() < until
}

/// Short, and by chance different for each, so that retries do not come in step.
async fn pause_before_again() {
    sleep(Duration::from_millis(fastrand::u64(50..250))).await;
}

/// What the client is told when no key is left: the last refusal if it was the model's or the
/// request's, else what keeps the keys.
fn nothing_left(none: &NoKey, last: Option<Last>, now: Timestamp) -> ApiError {
    let about_keys = match &last {
        Some(Last::Refused(_, verdict)) => {
            verdict.names_a_key() || matches!(verdict.next, Next::OtherAccount)
        }
        Some(Last::Broken(_)) => false,
        None => true,
    };
    let own_words = matches!(&last, Some(Last::Refused(refusal, _)) if !matches!(refusal.status, 401 | 402 | 429) && !is_key_limit(refusal));
    if !about_keys || own_words {
        return told(last, now);
    }
    match none {
        NoKey::NoneConfigured => {
            let message = "no upstream key is in use; the operator of this proxy must add one";
            ApiError::new(503, Kind::Overloaded, "no_keys", message)
        }
        NoKey::ModelResting { until, cause: cause @ ("provider_capacity" | "probing") } => {
            let message = "the model's providers are at capacity; try again later or use another model";
            ApiError::new(429, Kind::RateLimit, cause, message).retry_at(*until, now)
        }
        NoKey::ModelResting { until, cause } => {
            let message = "the model cannot be reached just now; try again later or use another model";
            ApiError::new(503, Kind::Overloaded, cause, message).retry_at(*until, now)
        }
        NoKey::AllResting { until: until @ Some(_), cause } if is_limit(cause) => {
            let message = "all upstream quota is used up for now; try again when it resets";
            ApiError::new(429, Kind::RateLimit, cause, message).retry_at(*until, now)
        }
        NoKey::AllResting { until, cause } => {
            let message = "no upstream key can be used just now; the operator of this proxy can see why";
            ApiError::new(503, Kind::Overloaded, cause, message).retry_at(*until, now)
        }
        NoKey::AllTried => told(last, now),
    }
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
fn told(last: Option<Last>, now: Timestamp) -> ApiError {
    match last {
        Some(Last::Refused(refusal, verdict)) => refused(refusal, &verdict, now),
        Some(Last::Broken(fault)) => {
            let (status, kind) =
                if fault.is_timeout() { (504, Kind::Timeout) } else { (502, Kind::Upstream) };
            ApiError { from_upstream: true, ..ApiError::new(status, kind, fault.word(), fault.to_string()) }
        }
        None => ApiError::new(503, Kind::Overloaded, "no_keys", "no upstream key can be used just now"),
    }
}

/// The upstream's refusal in its own words, less what names an account; a status that would say that
/// the client's credential was wrong becomes one that says the upstream's was.
fn refused(refusal: Refusal, verdict: &Verdict, now: Timestamp) -> ApiError {
    let status = match refusal.status {
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
    let code = refusal.error.get("code").filter(|code| !code.is_null()).cloned();
    let mut metadata = refusal.error.get("metadata").filter(|value| !value.is_null()).cloned();
    metadata.iter_mut().for_each(scrub::value);
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
        metadata,
        retry_after: None,
        from_upstream: true,
    }
    .retry_at(until.filter(|_| status >= 429), now)
}

//! From lease to an answer that has begun: picks a key, sends, and after a setback decides whether
//! another try could do better. Nothing has been sent to the client while this goes on.

use super::Plane;
use super::attempt::{self, Begun, Deadlines, Setback};
use super::errors::{ApiError, Kind};
use super::record::Record;
use super::scrub;
use crate::domain::dialect::Dialect;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::keypool::{Ask, Conversation, Ending, Lease, NoKey};
use crate::shape::overflow::{self, Overflow};
use crate::upstream::client::{Call, Via};
use crate::upstream::fault::TransportFault;
use crate::upstream::verdict::{Next, Pause, Refusal, Scope, Verdict, judge, retry_after};
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
    /// The conversation it belongs to.
    pub conversation: Option<Conversation>,
    /// When there must be an answer.
    pub until: Instant,
    /// Until when it may wait for a key.
    pub wait_until: Timestamp,
    /// Whether a body that is too large for the upstream can be shaped anew.
    pub can_be_corrected: bool,
    /// The most attempts that may count, for this errand.
    pub max_attempts: u32,
    /// Attempts of it that counted.
    pub counted: u32,
}

/// An answer, and the lease it came by.
pub struct Served {
    /// To be settled when the answer has ended; `None`: the client's own key was used.
    pub lease: Option<Lease>,
    /// The answer.
    pub begun: Begun,
}

/// Why an errand came to nothing.
pub enum Failure {
    /// The body was too large by the upstream's own figures; shaped anew it may fit.
    TooLarge(Overflow),
    /// The model is at fault: another may answer.
    Model(ApiError),
    /// Nothing helps.
    Final(ApiError),
}

/// The setback that a client would be told of if nothing better comes.
enum Last {
    Refused(Refusal, Verdict),
    Broken(TransportFault),
}

/// One errand on its way through the keys.
struct Search {
    ask: Ask,
    last: Option<Last>,
    /// Kept connections have turned out dead: only fresh ones from here on.
    only_fresh: bool,
}

/// Tries until an answer has begun, or nothing is left to try.
pub async fn serve(plane: &Plane, errand: &mut Errand, record: &mut Record) -> Result<Served, Failure> {
    let ask = Ask {
        model: lane(&errand.model, errand.dialect),
        free: errand.free,
        conversation: errand.conversation,
        wait_until: Some(errand.wait_until),
        ..Ask::default()
    };
    let mut search = Search { ask, last: None, only_fresh: false };
    loop {
        let mut lease = match plane.pool.lease(search.ask.clone()).await {
            Ok(lease) => lease,
            Err(NoKey::AllTried) if search.may_go_round(errand) => {
                // Every key was tried and none is at fault: once more, a little later.
                pause_before_again().await;
                search.ask = Ask { tried: Vec::new(), only: None, ..search.ask };
                continue;
            }
            Err(NoKey::AllTried | NoKey::AllResting { .. }) if search.ask.only.take().is_some() => continue,
            Err(none) => return Err(nothing_left(&none, search.last, plane.clock.now())),
        };
        search.ask.only = None;
        let via = if search.only_fresh { Via::Fresh } else { Via::Kept };
        record.attempt(&lease, &errand.model);
        match send(plane, errand, &lease.secret, via).await {
            Ok(begun) => {
                record.answered();
                lease.began();
                return Ok(Served { lease: Some(lease), begun });
            }
            Err(setback) => search.learn(setback, lease, via, plane, errand, record)?,
        }
        if errand.counted >= errand.max_attempts || Instant::now() >= errand.until {
            return Err(told(search.last, plane.clock.now()));
        }
    }
}

/// What rests when the upstream has no endpoint for the model: at the endpoints for chat the model
/// itself. A model that cannot be embedded with, or completed with, rests there alone.
fn lane(model: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Messages => model.to_owned(),
        Dialect::Completions | Dialect::Embeddings => format!("{model} on {}", dialect.path()),
    }
}

/// Tries with the client's own key, which is nobody's to rest or replace.
pub async fn serve_with(
    plane: &Plane,
    errand: &mut Errand,
    key: &Secret,
    record: &mut Record,
) -> Result<Served, ApiError> {
    let mut via = Via::Kept;
    loop {
        record.own_attempt(key, &errand.model);
        match send(plane, errand, key, via).await {
            Ok(begun) => {
                record.answered();
                return Ok(Served { lease: None, begun });
            }
            Err(Setback::Broken(fault)) => {
                record.setback(fault.word(), None);
                if fault != TransportFault::NoHead || via != Via::Kept {
                    return Err(broken(fault));
                }
                via = Via::Fresh;
            }
            Err(Setback::Refused(refusal)) => {
                let now = plane.clock.now();
                let verdict = judge(&refusal, errand.free, now);
                record.setback(verdict.cause, Some(refusal.status));
                // It is the client's own key: the upstream's word on it is true for the client.
                let status = if refusal.status >= 400 { refusal.status } else { 502 };
                let kind = Kind::of_status(status);
                return Err(ApiError { status, kind, ..refused(refusal, &verdict, now) });
            }
        }
    }
}

async fn send(plane: &Plane, errand: &mut Errand, key: &Secret, via: Via) -> Result<Begun, Setback> {
    let left = errand.until.saturating_duration_since(Instant::now());
    let options = plane.options.get();
    errand.call.head_timeout = options.first_byte_timeout.min(left);
    let deadlines = Deadlines { idle: options.idle_timeout, answer: errand.until };
    attempt::send(&plane.upstream, &errand.call, key, via, errand.dialect, deadlines).await
}

impl Search {
    /// Settles the lease and decides who may be asked next. Errors: nobody.
    fn learn(
        &mut self,
        setback: Setback,
        lease: Lease,
        via: Via,
        plane: &Plane,
        errand: &mut Errand,
        record: &mut Record,
    ) -> Result<(), Failure> {
        let key = lease.key;
        if let Setback::Broken(fault) = &setback {
            record.setback(fault.word(), None);
        }
        let refusal = match setback {
            Setback::Broken(TransportFault::NoHead) if via == Via::Kept => {
                // The kept connection was dead, which says nothing about the key: a fresh one, once.
                lease.settle(Ending::Abandoned);
                self.ask.only = Some(key);
                self.only_fresh = true;
                self.last = Some(Last::Broken(TransportFault::NoHead));
                return Ok(());
            }
            Setback::Broken(fault) => {
                lease.settle(if fault.was_never_sent() { Ending::NeverSent } else { Ending::Broken });
                self.ask.tried.push(key);
                errand.counted += 1;
                self.last = Some(Last::Broken(fault));
                return Ok(());
            }
            Setback::Refused(refusal) => refusal,
        };
        let verdict = judge(&refusal, errand.free, plane.clock.now());
        record.setback(verdict.cause, Some(refusal.status));
        if errand.can_be_corrected
            && matches!(refusal.status, 400 | 402)
            && let Some(overflow) = overflow::parse(&refusal.message)
            // On a free model it means a negative balance: another account is the answer to that.
            && !(errand.free && matches!(overflow, Overflow::Credits { .. }))
        {
            lease.settle(Ending::Abandoned);
            return Err(Failure::TooLarge(overflow));
        }
        log::debug!("an attempt for {} was refused: {}", errand.model, verdict.cause);
        if matches!(verdict.next, Next::OtherAccount | Next::OtherAccountOnce) {
            self.ask.refused.push(lease.account);
        }
        self.ask.tried.push(key);
        errand.counted += u32::from(!verdict.names_a_key());
        lease.settle(Ending::Refused(verdict.clone()));
        let given_back = matches!(verdict.next, Next::GiveBack | Next::OtherModel);
        self.last = Some(Last::Refused(refusal, verdict));
        if given_back { Err(told(self.last.take(), plane.clock.now())) } else { Ok(()) }
    }

    /// Whether the same keys may be tried again: the setback was no key's fault and there is time.
    fn may_go_round(&self, errand: &Errand) -> bool {
        let no_keys_fault = match &self.last {
            Some(Last::Refused(_, verdict)) => verdict.next == Next::Again,
            Some(Last::Broken(_)) => true,
            None => false,
        };
        no_keys_fault && errand.counted < errand.max_attempts && Instant::now() < errand.until
    }
}

/// Short, and by chance different for each, so that retries do not come in step.
async fn pause_before_again() {
    sleep(Duration::from_millis(fastrand::u64(50..250))).await;
}

/// What the client is told when no key is left: the last refusal if it was the model's or the
/// request's, else what keeps the keys.
fn nothing_left(none: &NoKey, last: Option<Last>, now: Timestamp) -> Failure {
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
    match none {
        NoKey::ModelResting { until, cause } => Failure::Model(resting_model(cause, *until, now)),
        NoKey::AllResting { until, cause } => Failure::Final(resting_keys(cause, *until, now)),
        NoKey::NoneConfigured | NoKey::AllTried => {
            let message = "no upstream key is in use; the operator of this proxy must add one";
            Failure::Final(ApiError::new(503, Kind::Overloaded, "no_keys", message))
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
    if matches!(cause, "provider_capacity" | "probing") {
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
fn told(last: Option<Last>, now: Timestamp) -> Failure {
    match last {
        Some(Last::Refused(refusal, verdict)) => {
            let of_model =
                matches!(verdict.scope, Scope::Model | Scope::AccountModel) || verdict.next == Next::Again;
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

fn broken(fault: TransportFault) -> ApiError {
    let (status, kind) = if fault.is_timeout() { (504, Kind::Timeout) } else { (502, Kind::Upstream) };
    ApiError { from_upstream: true, ..ApiError::new(status, kind, fault.word(), fault.to_string()) }
}

/// The upstream's refusal in its own words, less what names an account; a status that would say that
/// the client's credential was wrong becomes one that says the upstream's was.
fn refused(refusal: Refusal, verdict: &Verdict, now: Timestamp) -> ApiError {
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

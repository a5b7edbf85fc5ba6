//! From lease to an answer that has begun: picks a key, sends, and after a setback decides whether
//! another try could do better. Nothing has been sent to the client while this goes on.

use super::Plane;
use super::attempt::{self, Begun, Deadlines, Setback};
use super::errors::{ApiError, Kind};
use super::record::Record;
use super::telling::{broken, nothing_left, refused, told};
use crate::domain::dialect::Dialect;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::keypool::{Ask, Conversation, Ending, Lease, NoKey};
use crate::shape::overflow::{self, Overflow};
use crate::upstream::client::{Call, Via};
use crate::upstream::fault::TransportFault;
use crate::upstream::verdict::{Next, Refusal, Verdict, judge};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What is to be sent, and for which model.
pub struct Errand {
    /// The request as it goes upstream.
    pub call: Call,
    /// How to read the answer.
    pub dialect: Dialect,
    /// The model it is for.
    pub model: Arc<str>,
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
    /// Whether the operator's rules chose its providers: without them others may answer.
    pub maps_providers: bool,
    /// Whether the client narrowed the choice of endpoints: what they refuse says nothing of others.
    pub is_narrowed: bool,
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
    /// The body as we shaped it does not fit; shaped anew it may. If not, this is what the client is told.
    Unfit(Unfit, Box<ApiError>),
    /// The model is at fault: another may answer.
    Model(ApiError),
    /// Nothing helps.
    Final(ApiError),
}

/// Why a body does not fit.
pub enum Unfit {
    /// It is too large by the upstream's own figures.
    TooLarge(Overflow),
    /// None of the providers that the operator's rules chose serves it.
    Providers,
}

/// The setback that a client would be told of if nothing better comes.
pub enum Last {
    /// The upstream said no.
    Refused(Refusal, Verdict),
    /// It said nothing, or broke off.
    Broken(TransportFault),
}

/// One errand on its way through the keys.
struct Search {
    ask: Ask,
    last: Option<Last>,
    /// Kept connections have turned out dead: only fresh ones from here on.
    only_fresh: bool,
    /// A refusal that says nothing of whose fault it is came before: a second one is given back.
    in_doubt: bool,
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
    let mut search = Search { ask, last: None, only_fresh: false, in_doubt: false };
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
fn lane(model: &Arc<str>, dialect: Dialect) -> Arc<str> {
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Messages => Arc::clone(model),
        Dialect::Completions | Dialect::Embeddings => format!("{model} on {}", dialect.path()).into(),
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
                // The kept connection was dead, which says nothing about the key: a fresh one, once. The
                // upstream may have read the request, so it counts, but never takes the last attempt.
                lease.settle(Ending::Abandoned);
                errand.counted = (errand.counted + 1).min(errand.max_attempts.saturating_sub(1));
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
        let verdict = if errand.is_narrowed { verdict.of_this_request_alone() } else { verdict };
        record.setback(verdict.cause, Some(refusal.status));
        if let Some(unfit) = unfit(&refusal, &verdict, errand) {
            lease.settle(Ending::Abandoned);
            let told = Box::new(refused(refusal, &verdict, plane.clock.now()));
            return Err(Failure::Unfit(unfit, told));
        }
        log::debug!("an attempt for {} was refused: {}", errand.model, verdict.cause);
        if matches!(verdict.next, Next::OtherAccount | Next::OtherAccountOnce) {
            self.ask.refused.push(lease.account);
        }
        self.ask.tried.push(key);
        errand.counted += u32::from(!verdict.names_a_key());
        lease.settle(Ending::Refused(verdict.clone()));
        let given_back = match verdict.next {
            Next::GiveBack | Next::OtherModel => true,
            Next::OtherAccountOnce => std::mem::replace(&mut self.in_doubt, true),
            Next::OtherAccount | Next::OtherKey | Next::Again => false,
        };
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

/// Whether a refusal is of how we shaped the body, which can be shaped otherwise.
fn unfit(refusal: &Refusal, verdict: &Verdict, errand: &Errand) -> Option<Unfit> {
    if errand.maps_providers && verdict.cause == "no_matching_endpoint" {
        return Some(Unfit::Providers);
    }
    let overflow = match refusal.status {
        400 | 402 if errand.can_be_corrected => overflow::parse(&refusal.message)?,
        _ => return None,
    };
    let can_fit = match overflow {
        // On a free model it means a negative balance: another account is the answer to that.
        Overflow::Credits { .. } => !errand.free,
        // No output limit makes room for a prompt that fills the window alone.
        Overflow::Context { window, prompt, .. } => prompt.is_none_or(|prompt| prompt < window),
    };
    can_fit.then_some(Unfit::TooLarge(overflow))
}

/// Short, and by chance different for each, so that retries do not come in step.
async fn pause_before_again() {
    sleep(Duration::from_millis(fastrand::u64(50..250))).await;
}

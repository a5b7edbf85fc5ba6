//! The record of one request on its way to becoming a row: written exactly once, whatever ends it.

use super::errors::ApiError;
use crate::domain::attempt::{Attempt, SUCCESS};
use crate::domain::dialect::Dialect;
use crate::domain::ids::RequestId;
use crate::domain::secret::Secret;
use crate::domain::time::Clock;
use crate::domain::usage::{Client, Outcome, UsageRow};
use crate::keypool::Lease;
use crate::tokens::Reservation;
use crate::upstream::watch::Seen;
use crate::usage::{Cancelled, UsageHandle, Written};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The status of a request whose client left before it was sent any.
const CLIENT_LEFT: u16 = 499;

/// Holds the row until the request ends. Dropped before it was finished, it says that the client left.
pub struct Record {
    row: Option<UsageRow>,
    reservation: Option<Reservation>,
    key: Option<Secret>,
    head: HeadSent,
    is_kept: bool,
    /// When the attempt under way was sent; `None`: it has its verdict.
    sent: Option<Duration>,
    began: Duration,
    clock: Clock,
    usage: UsageHandle,
}

/// Tells a record, wherever it is, that the head of a stream has left before its content.
#[derive(Debug, Clone, Default)]
pub struct HeadSent(Rc<Cell<bool>>);

impl HeadSent {
    /// It has left, with status 200.
    pub fn tell(&self) {
        self.0.set(true);
    }
}

impl Record {
    /// For a request that arrives now.
    /// On the heap, since it goes from step to step.
    pub fn begin(id: RequestId, dialect: Dialect, clock: &Clock, usage: &UsageHandle) -> Box<Record> {
        let endpoint = dialect.path().trim_start_matches('/');
        Box::new(Record {
            row: Some(UsageRow::begin(id, clock.now(), endpoint)),
            reservation: None,
            key: None,
            head: HeadSent::default(),
            is_kept: true,
            sent: None,
            began: clock.elapsed(),
            clock: clock.clone(),
            usage: usage.clone(),
        })
    }

    /// For whoever sends the head of a stream while the record is out of reach.
    pub fn head_sent(&self) -> HeadSent {
        self.head.clone()
    }

    fn note(&mut self, change: impl FnOnce(&mut UsageRow)) {
        if let Some(row) = &mut self.row {
            change(row);
        }
    }

    /// By what right the client came in.
    pub fn client(&mut self, client: &Client) {
        self.note(|row| {
            row.client_kind = client.kind().to_owned();
            row.client_hint = client.hint().map(str::to_owned);
            row.token_id = client.token_id();
        });
    }

    /// One request was taken from the limits of its token: given back unless an attempt is sent.
    pub fn reserved(&mut self, reservation: Reservation) {
        self.reservation = Some(reservation);
    }

    /// What it asks for.
    pub fn asked(&mut self, model: &str, stream: bool) {
        self.note(|row| {
            row.model = model.to_owned();
            row.stream = stream;
        });
    }

    /// An attempt for `model` is sent with this key.
    pub fn attempt(&mut self, lease: &Lease, model: &str) {
        self.note(|row| {
            row.key_id = Some(lease.key);
            row.key_label = Some(lease.label.clone());
            row.account_id = Some(lease.account);
        });
        self.send_with(&lease.secret, model);
    }

    /// An attempt for `model` is sent with the client's own key.
    pub fn own_attempt(&mut self, key: &Secret, model: &str) {
        self.send_with(key, model);
    }

    fn send_with(&mut self, key: &Secret, model: &str) {
        if let Some(reservation) = self.reservation.take() {
            reservation.spend();
        }
        self.key = Some(key.clone());
        self.sent = Some(self.clock.elapsed());
        self.note(|row| {
            row.attempts += 1;
            row.attempt_log.push(Attempt {
                number: row.attempts,
                key_id: row.key_id,
                key_label: row.key_label.clone(),
                account_id: row.account_id,
                model: model.to_owned(),
                verdict: "".into(),
                status: None,
                duration_ms: 0,
            });
        });
    }

    /// The attempt under way has been answered: how well, its end will tell.
    pub fn answered(&mut self) {
        self.note(|row| {
            if let Some(attempt) = row.attempt_log.last_mut() {
                attempt.status = Some(200);
            }
        });
    }

    /// The attempt under way came to nothing; `status` is the upstream's, if it sent one.
    pub fn setback(&mut self, verdict: &'static str, status: Option<u16>) {
        self.judged(verdict.into(), status, self.clock.elapsed());
    }

    /// The attempt under way has its verdict, unless it had one before.
    fn judged(&mut self, verdict: Cow<'static, str>, status: Option<u16>, now: Duration) {
        let Some(sent) = self.sent.take() else { return };
        let took = millis(now.saturating_sub(sent));
        self.note(|row| {
            if let Some(attempt) = row.attempt_log.last_mut() {
                attempt.verdict = verdict;
                attempt.status = status.or(attempt.status);
                attempt.duration_ms = took;
            }
        });
    }

    /// Attempts sent so far.
    pub fn attempts(&self) -> u32 {
        self.row.as_ref().map_or(0, |row| row.attempts)
    }

    /// The client is sent this status, and its first content now.
    pub fn first_content(&mut self, status: u16) {
        let elapsed = self.elapsed();
        self.note(|row| {
            row.status = status;
            row.first_content_ms.get_or_insert(elapsed);
        });
    }

    /// What the answer said of itself.
    pub fn seen(&mut self, seen: &Seen) {
        self.note(|row| {
            row.model_served.clone_from(&seen.model);
            row.provider.clone_from(&seen.provider);
            row.generation_id.clone_from(&seen.generation_id);
            row.tokens = seen.tokens;
        });
    }

    /// The answer broke off before its count came: each event with content held about one token.
    pub fn at_least(&mut self, content_events: u64) {
        self.note(|row| {
            let events = i64::try_from(content_events).unwrap_or(i64::MAX);
            row.tokens.completion.get_or_insert(events);
        });
    }

    /// The request ended; `error_kind` says why, when it did not end well. The last bytes of the answer
    /// wait for [`Written`].
    pub fn finish(mut self: Box<Self>, outcome: Outcome, error_kind: Option<&str>) -> Written {
        self.send(outcome, error_kind)
    }

    /// The client is sent this error instead of an answer, once it is [`Written`].
    pub fn refuse(mut self: Box<Self>, error: &ApiError) -> Written {
        self.note(|row| row.status = error.status);
        let outcome = if error.from_upstream { Outcome::Failed } else { Outcome::Refused };
        self.send(outcome, Some(&error.row_word()))
    }

    /// No row can be kept just now: this request, which is turned away for it, gets none either.
    pub fn cannot_be_kept(&mut self) {
        self.is_kept = false;
    }

    fn elapsed(&self) -> i64 {
        millis(self.clock.elapsed().saturating_sub(self.began))
    }

    fn send(&mut self, outcome: Outcome, error_kind: Option<&str>) -> Written {
        let now = self.clock.elapsed();
        self.judged(error_kind.map_or(SUCCESS.into(), |word| word.to_owned().into()), None, now);
        let Some(mut row) = self.row.take() else { return Written::default() };
        row.outcome = outcome.word().to_owned();
        row.error_kind = error_kind.map(str::to_owned);
        row.duration_ms = millis(now.saturating_sub(self.began));
        if self.head.0.get() {
            row.status = 200;
        }
        if !self.is_kept {
            self.usage.turned_away(&row);
            return Written::default();
        }
        let cancelled = (outcome == Outcome::Cancelled).then(|| self.cancelled(&row)).flatten();
        let written = self.usage.record(row);
        if let Some(cancelled) = cancelled {
            self.usage.complete(cancelled);
        }
        written
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Record {
    /// What the upstream can be asked about later, if it named the generation.
    fn cancelled(&self, row: &UsageRow) -> Option<Cancelled> {
        Some(Cancelled {
            request_id: row.request_id.clone(),
            generation_id: row.generation_id.clone()?,
            key: self.key.clone()?,
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.note(|row| {
            if row.status == 0 {
                row.status = CLIENT_LEFT;
            }
        });
        // Nobody is left who could wait for it.
        drop(self.send(Outcome::Cancelled, Some("client_left")));
    }
}

//! Passes an answer on to the client: bytes as they come, whole events only, and an honest end.
//!
//! Pulls from the upstream only when the client takes (backpressure holds); when the client leaves,
//! actix drops the body, and with it the upstream connection, at once (stack facts A6, B1).

use super::admission::Place;
use super::attempt::{Begun, Opening};
use super::errors::{ApiError, Kind};
use super::failover::Served;
use super::outbox::Outbox;
use super::patience::{Broken, Patience};
use super::record::Record;
use super::whole::Whole;
use super::{Plane, ending, headers, scrub};
use crate::domain::dialect::Dialect;
use crate::domain::usage::Outcome;
use crate::keypool::{Ending, Lease};
use crate::upstream::answer::AnswerBody;
use crate::upstream::fault::TransportFault;
use crate::upstream::sse::{self, Splitter};
use crate::upstream::watch::{Sight, Watch};
use crate::usage::Written;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// After the end marker, or an error event, the upstream gets this long to close its answer, so
/// that its connection can be used again.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// An answer on its way to the client.
pub struct Answer {
    /// The answer and the lease it came by.
    pub served: Served,
    /// How to read it.
    pub dialect: Dialect,
    /// The model that was sent.
    pub model: Arc<str>,
    /// This request's place; free when the answer has ended.
    pub place: Place,
}

/// The response for `answer`, once its record is written if it is whole; a stream's body settles the lease and
/// finishes the record.
pub async fn respond(answer: Answer, mut record: Box<Record>, plane: &Plane) -> HttpResponse {
    let Answer { served: Served { lease, begun }, dialect, model, place } = answer;
    record.first_content(200);
    let mut response = HttpResponse::Ok();
    response.insert_header((ATTEMPTS, HeaderValue::from(record.attempts())));
    if let Ok(model) = HeaderValue::from_str(&model) {
        response.insert_header((MODEL, model));
    }
    match begun {
        Begun::Whole { headers, body, seen } => {
            copy_headers(&headers, &mut response);
            record.seen(&seen);
            record.finish(Outcome::Completed, None).await;
            // Only now: the pool's thread, once woken, may take this one's processor before the answer leaves.
            if let Some(lease) = lease {
                lease.settle(Ending::Success);
            }
            let body = Whole::new(body, place);
            let kind = HeaderValue::from_static("application/json");
            response.insert_header((header::CONTENT_TYPE, kind)).body(body)
        }
        Begun::Stream(opening) => {
            copy_headers(&opening.headers, &mut response);
            as_stream(&mut response).body(Relay::new(*opening, dialect, lease, record, place, plane))
        }
    }
}

/// The body alone, for a client that has the head of a stream already.
///
/// Errors: the upstream answered without a stream, which such a client could not read; its record
/// is finished, and what tells it waits until that is written.
pub fn follow(
    answer: Answer,
    mut record: Box<Record>,
    plane: &Plane,
) -> Result<Relay, (Written, Box<ApiError>)> {
    let Answer { served: Served { lease, begun }, dialect, place, .. } = answer;
    match begun {
        Begun::Stream(opening) => {
            record.first_content(200);
            Ok(Relay::new(*opening, dialect, lease, record, place, plane))
        }
        Begun::Whole { seen, .. } => {
            record.seen(&seen);
            if let Some(lease) = lease {
                lease.settle(Ending::Success);
            }
            let message = "the upstream answered without a stream; ask again without \"stream\": true";
            let error = ApiError::new(502, Kind::Upstream, "not_a_stream", message);
            let error = ApiError { from_upstream: true, ..error };
            Err((record.refuse(&error), Box::new(error)))
        }
    }
}

/// The head of a stream of events.
pub fn stream_head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    as_stream(&mut response);
    response
}

fn as_stream(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("x-accel-buffering", "no"))
}

const MODEL: HeaderName = HeaderName::from_static("x-proxy-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-proxy-attempts");

/// Says how many attempts were sent upstream, also where none of them succeeded.
pub fn tell_attempts(attempts: u32, headers: &mut HeaderMap) {
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
}

fn copy_headers(upstream: &HeaderMap, response: &mut HttpResponseBuilder) {
    for (name, value) in headers::to_client(upstream) {
        response.insert_header((name, value));
    }
}

/// How far a stream has come.
#[derive(Debug, PartialEq)]
enum Phase {
    /// Events pass.
    Open,
    /// An error event has passed; only the end marker is still owed.
    Failed,
    /// The end marker has passed; the upstream may close.
    Done,
    /// Everything has been said.
    Over,
}

/// A stream of events on its way to the client; settles the lease and finishes the record.
pub struct Relay {
    upstream: Option<AnswerBody>,
    splitter: Splitter,
    watch: Watch,
    dialect: Dialect,
    outbox: Outbox,
    phase: Phase,
    patience: Patience,
    lease: Option<Lease>,
    record: Option<Box<Record>>,
    /// What is ready waits for it: the last bytes are among them.
    written: Written,
    _place: Place,
}

impl Relay {
    fn new(
        opening: Opening,
        dialect: Dialect,
        lease: Option<Lease>,
        record: Box<Record>,
        place: Place,
        plane: &Plane,
    ) -> Relay {
        let Plane { shared, .. } = plane;
        let options = shared.options.get();
        let end = shared.gate.coming_end();
        let mut relay = Relay {
            upstream: Some(opening.body),
            splitter: opening.splitter,
            watch: opening.watch,
            dialect,
            outbox: Outbox::new(opening.events),
            phase: Phase::Open,
            patience: Patience::new(options.idle_timeout, options.stream_timeout, end),
            lease,
            record: Some(record),
            written: Written::default(),
            _place: place,
        };
        if opening.done {
            relay.complete();
        }
        relay.pass(opening.unseen);
        relay
    }

    /// Takes in what the upstream sent.
    fn take(&mut self, chunk: Bytes) {
        if let Err(late) = self.patience.sign() {
            return self.break_off(late);
        }
        let mut events = Vec::new();
        match self.splitter.feed(chunk, &mut events) {
            Ok(()) => self.pass(events),
            Err(sse::EventTooLarge) => self.break_off(Broken::Upstream(TransportFault::TooLarge)),
        }
    }

    /// Passes whole events on.
    fn pass(&mut self, events: Vec<Bytes>) {
        for event in events {
            match self.phase {
                Phase::Open => match self.watch.event(&event) {
                    Sight::Quiet | Sight::Content => self.outbox.put(event),
                    Sight::Done => {
                        self.outbox.put(event);
                        self.complete();
                    }
                    Sight::Error(error) => self.fail(event, &error),
                },
                // What follows an error may still say what was used.
                Phase::Failed => match self.watch.event(&event) {
                    Sight::Done => self.over(),
                    _ => continue,
                },
                // `/responses` has a marker of its own behind its last event.
                Phase::Done => self.outbox.put(event),
                Phase::Over => {}
            }
        }
    }

    /// The end marker has come: the answer is complete, and recorded before its last bytes leave.
    fn complete(&mut self) {
        self.phase = Phase::Done;
        self.patience.shorten(CLOSING_TIME);
        self.settle(Ending::Success);
        self.finish(Outcome::Completed, None);
    }

    /// An error came after content: it is passed on, once, without what names an account.
    fn fail(&mut self, event: Bytes, error: &Value) {
        let wordless = sse::data(&event)
            .and_then(|data| serde_json::from_slice::<Value>(&data).ok())
            .is_none_or(|data| data.get("error").is_none_or(Value::is_null) && self.dialect == Dialect::Chat);
        let passed = if wordless {
            let why = error.pointer("/error/message").and_then(Value::as_str);
            let why = scrub::text(why.unwrap_or("the provider ended with an error"));
            let mut broken = ending::broken(self.dialect, self.watch.seen(), 502, &why);
            let marker = ending::after_error(self.dialect).len();
            broken.truncate(broken.len() - marker);
            broken
        } else if scrub::may_name_someone(&event) {
            scrubbed(&event)
        } else {
            event
        };
        self.outbox.put(passed);
        self.phase = Phase::Failed;
        self.patience.shorten(CLOSING_TIME);
        self.settle(Ending::Broken);
    }

    /// The upstream ended. Whether that was the end of the answer, only its content tells (A1).
    fn upstream_ended(&mut self) {
        match self.phase {
            Phase::Open => self.break_off(Broken::Upstream(TransportFault::Cut)),
            Phase::Failed => self.over(),
            Phase::Done | Phase::Over => {
                self.phase = Phase::Over;
                self.upstream = None;
            }
        }
    }

    /// Ends the stream honestly where it broke off; the half event that was held is never sent.
    fn break_off(&mut self, why: Broken) {
        match self.phase {
            Phase::Open => {
                let rest = std::mem::take(&mut self.splitter).into_rest();
                // Broken off behind the marker's own line, the stream was whole.
                if self.dialect != Dialect::Messages && is_end_marker(&rest) {
                    self.outbox.put(Bytes::from_static(ending::DONE));
                    self.complete();
                    self.phase = Phase::Over;
                    self.upstream = None;
                    return;
                }
                let (code, message) = (why.code(), why.message());
                self.outbox.put(ending::broken(self.dialect, self.watch.seen(), code, &message));
                self.settle(why.ending());
                self.finish(Outcome::Truncated, Some(why.word()));
                self.phase = Phase::Over;
                self.upstream = None;
            }
            _ => self.upstream_ended(),
        }
    }

    /// Sends the marker that is still owed after an error event.
    fn over(&mut self) {
        self.finish(Outcome::Truncated, Some("upstream_error"));
        let marker = ending::after_error(self.dialect);
        if !marker.is_empty() {
            self.outbox.put(marker);
        }
        self.phase = Phase::Over;
        self.upstream = None;
    }

    fn settle(&mut self, ending: Ending) {
        if let Some(lease) = self.lease.take() {
            lease.settle(ending);
        }
    }

    fn finish(&mut self, outcome: Outcome, error_kind: Option<&str>) {
        if let Some(mut record) = self.record.take() {
            record.seen(self.watch.seen());
            if outcome != Outcome::Completed {
                record.at_least(self.watch.seen().content_events);
            }
            self.written = record.finish(outcome, error_kind);
        }
    }
}

impl MessageBody for Relay {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        loop {
            ready!(self.written.poll_done(context));
            if self.outbox.yields() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(portion) = self.outbox.take() {
                return Poll::Ready(Some(Ok(portion)));
            }
            let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
            match upstream.poll_chunk(context) {
                Poll::Ready(Some(Ok(chunk))) => self.take(chunk),
                Poll::Ready(Some(Err(fault))) => self.break_off(Broken::Upstream(fault)),
                Poll::Ready(None) => self.upstream_ended(),
                Poll::Pending => match self.patience.poll(context) {
                    Poll::Ready(why) => self.break_off(why),
                    Poll::Pending => {
                        self.outbox.rested();
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

impl Drop for Relay {
    /// Reached before the end only when the client left: nobody's failure, and its tokens count.
    fn drop(&mut self) {
        self.settle(Ending::Abandoned);
        if self.phase == Phase::Failed {
            self.finish(Outcome::Truncated, Some("upstream_error"));
        }
        self.finish(Outcome::Cancelled, Some("client_left"));
    }
}

fn is_end_marker(rest: &[u8]) -> bool {
    let line_ended = rest.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r'));
    line_ended && sse::data(rest).is_some_and(|data| data.trim_ascii() == b"[DONE]")
}

/// The event with ids and keys taken out of its data.
fn scrubbed(event: &[u8]) -> Bytes {
    let name = event.strip_prefix(b"event: error").map_or("", |_| "event: error\n");
    let data = sse::data(event).and_then(|data| serde_json::from_slice::<Value>(&data).ok());
    let mut data = data.unwrap_or(Value::Null);
    scrub::value(&mut data);
    Bytes::from(format!("{name}data: {data}\n\n"))
}

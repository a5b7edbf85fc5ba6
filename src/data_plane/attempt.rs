//! One attempt: send, and read until it is certain that an answer has begun.
//!
//! A plain answer is certain when it is whole and free of errors; a stream at its first content.
//! Everything before is held back, so that what failed can be tried again unseen.

use crate::domain::dialect::Dialect;
use crate::domain::secret::Secret;
use crate::upstream::answer::{Answer, AnswerBody};
use crate::upstream::client::{Call, Client, Via};
use crate::upstream::fault::TransportFault;
use crate::upstream::sse::{self, Splitter};
use crate::upstream::verdict::Refusal;
use crate::upstream::watch::{self, Seen, Sight, Watch};
use actix_web::http::header::{self, HeaderMap};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The largest plain answer we hold: base64 images fit.
const WHOLE_LIMIT: usize = 64 * 1024 * 1024;
/// The most of a refusal that is read, and how long that may take.
const REFUSAL_LIMIT: usize = 1024 * 1024;
const REFUSAL_TIME: Duration = Duration::from_secs(10);
/// A stream that has sent this much without content is taken as begun: what is held is bounded.
const HELD_LIMIT: usize = 1024 * 1024;

/// How long the parts of an attempt may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Between two chunks.
    pub idle: Duration,
    /// To the first content of a stream, or the whole of a plain answer.
    pub answer: Instant,
}

/// An answer that has begun and can go to the client.
pub enum Begun {
    /// A plain answer, whole.
    Whole {
        /// The upstream's headers.
        headers: HeaderMap,
        /// Its bytes.
        body: Bytes,
        /// What it says of itself.
        seen: Box<Seen>,
    },
    /// A stream whose first content is there.
    Stream(Box<Opening>),
}

/// The beginning of a stream.
pub struct Opening {
    /// The upstream's headers.
    pub headers: HeaderMap,
    /// Whole events that were held back and looked at, in order.
    pub events: Vec<Bytes>,
    /// Whether the last of them is the end marker.
    pub done: bool,
    /// Whole events behind these that nobody has looked at yet.
    pub unseen: Vec<Bytes>,
    /// Where the next bytes are cut into events.
    pub splitter: Splitter,
    /// What was seen so far.
    pub watch: Watch,
    /// What is still to come.
    pub body: AnswerBody,
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub enum Setback {
    /// The upstream said no.
    Refused(Refusal),
    /// It said nothing, or broke off.
    Broken(TransportFault),
}

impl From<TransportFault> for Setback {
    fn from(fault: TransportFault) -> Setback {
        Setback::Broken(fault)
    }
}

/// Sends `call` with `key` and waits until an answer has begun.
pub async fn send(
    upstream: &Client,
    call: &Call,
    key: &Secret,
    via: Via,
    dialect: Dialect,
    deadlines: Deadlines,
) -> Result<Begun, Setback> {
    let answer = upstream.send(call, Some(key), via).await?;
    if !(200..300).contains(&answer.status) {
        return Err(Setback::Refused(Box::pin(refusal(answer, deadlines)).await));
    }
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Each by itself on the heap: inside this future they would make every request's a third larger, and it
    // is moved more than once.
    if kind.is_some_and(is_stream) {
        let opening = Box::pin(opening(answer, dialect, deadlines)).await?;
        return Ok(Begun::Stream(Box::new(opening)));
    }
    Box::pin(whole(answer, dialect, deadlines)).await
}

fn is_stream(kind: &str) -> bool {
    const STREAM: &str = "text/event-stream";
    kind.trim_start().get(..STREAM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(STREAM))
}

async fn refusal(answer: Answer, deadlines: Deadlines) -> Refusal {
    let (status, headers) = (answer.status, answer.headers.clone());
    let deadline = deadlines.answer.min(Instant::now() + REFUSAL_TIME);
    let declared = answer.declared_length();
    // A refusal whose text broke off is still a refusal: its status speaks.
    let body = answer.body.whole(declared, REFUSAL_LIMIT, deadlines.idle, deadline).await.unwrap_or_default();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Refusal::read(status, header, &body)
}

async fn whole(answer: Answer, dialect: Dialect, deadlines: Deadlines) -> Result<Begun, Setback> {
    let declared = answer.declared_length();
    let body = answer.body.whole(declared, WHOLE_LIMIT, deadlines.idle, deadlines.answer).await?;
    // A cut body ends like a whole one: only what parses is whole.
    match watch::whole(dialect, &body)? {
        (_, Some(error)) => Err(Setback::Refused(Refusal::in_band(error))),
        (seen, None) if seen.is_empty_finish() => Err(empty()),
        (seen, None) => {
            let headers = answer.headers;
            Ok(Begun::Whole { headers, body, seen: Box::new(seen) })
        }
    }
}

async fn opening(answer: Answer, dialect: Dialect, deadlines: Deadlines) -> Result<Opening, Setback> {
    let mut body = answer.body;
    let mut splitter = Splitter::default();
    let mut watch = Watch::new(dialect);
    if let Some(id) = answer.headers.get("x-generation-id").and_then(|id| id.to_str().ok()) {
        watch.named(id);
    }
    let (mut events, mut held): (Vec<Bytes>, usize) = (Vec::new(), 0);
    let mut ended = TransportFault::NoAnswer;
    loop {
        let Some(chunk) = body.chunk(deadlines.idle, deadlines.answer).await? else {
            return Err(Setback::Broken(ended));
        };
        ended = TransportFault::Cut;
        let mut fresh = Vec::new();
        splitter.feed(chunk, &mut fresh).map_err(|_| TransportFault::TooLarge)?;
        let mut fresh = fresh.into_iter();
        let mut done = None;
        for event in fresh.by_ref() {
            let sight = watch.event(&event);
            // Comments before the first content keep nobody waiting: they are dropped.
            if sight == Sight::Quiet && sse::data(&event).is_none() {
                continue;
            }
            held += event.len();
            events.push(event);
            match sight {
                Sight::Quiet if held <= HELD_LIMIT => {}
                Sight::Error(error) => return Err(Setback::Refused(Refusal::in_band(error))),
                Sight::Done if watch.seen().is_empty_finish() => return Err(empty()),
                sight => done = Some(sight == Sight::Done),
            }
            if done.is_some() {
                break;
            }
        }
        if let Some(done) = done {
            let unseen = fresh.collect();
            return Ok(Opening { headers: answer.headers, events, done, unseen, splitter, watch, body });
        }
    }
}

/// An answer that ended without a word: often a cold start, and never billed
/// (`openrouter-api.md` section 6).
fn empty() -> Setback {
    let error = json!({"error": {"code": 502, "message": "the model ended without an answer"}});
    Setback::Refused(Refusal::in_band(error))
}

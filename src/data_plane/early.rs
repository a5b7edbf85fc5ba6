//! `proxy.early_headers`: the head of a stream goes out although no attempt has answered yet, and
//! our own comments keep the connection alive while attempts go on unseen (DESIGN section 4, Relay).
//!
//! What comes then is the stream, or exactly one error event and the end marker of the dialect.
//! Never says how many attempts there were or which model answers: that is not known yet.

use super::relay::{self, Relay};
use super::request::Sought;
use super::{Plane, ending};
use crate::domain::dialect::Dialect;
use crate::usage::Written;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Data;
use bytes::Bytes;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// A comment, which clients skip (the event stream format of the HTML standard, section 9.2.6).
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The search for an answer, under way.
pub type Search = Pin<Box<dyn Future<Output = Sought>>>;

/// The response to a request whose search has taken too long to hold its head back any longer. A
/// comment goes out at once and then every `interval` until the search ends.
pub fn respond(search: Search, dialect: Dialect, interval: Duration, plane: Data<Plane>) -> HttpResponse {
    let timer = Box::pin(sleep(Duration::ZERO));
    relay::stream_head().body(Early { state: State::Waiting { search, timer, interval }, dialect, plane })
}

/// The body of such a response. Dropping it ends the search, and with it the attempt under way.
struct Early {
    state: State,
    dialect: Dialect,
    plane: Data<Plane>,
}

enum State {
    /// Attempts go on.
    Waiting { search: Search, timer: Pin<Box<Sleep>>, interval: Duration },
    /// One of them has answered.
    Relaying(Box<Relay>),
    /// None of them has: the last bytes, once the row is written.
    Last(Written, Option<Bytes>),
}

impl Early {
    /// What follows from the end of the search.
    fn after(&self, Sought { found, record }: Sought) -> State {
        let relayed = match found {
            Ok(answer) => relay::follow(answer, record, &self.plane),
            Err(error) => Err((record.refuse(&error), Box::new(error))),
        };
        match relayed {
            Ok(relay) => State::Relaying(Box::new(relay)),
            Err((written, error)) => State::Last(written, Some(ending::refused(self.dialect, &error))),
        }
    }
}

impl MessageBody for Early {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        loop {
            match &mut self.state {
                State::Waiting { search, timer, interval } => {
                    if let Poll::Ready(sought) = search.as_mut().poll(context) {
                        self.state = self.after(sought);
                        continue;
                    }
                    if timer.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    let next = Instant::now() + *interval;
                    timer.as_mut().reset(next);
                    return Poll::Ready(Some(Ok(Bytes::from_static(KEEP_ALIVE))));
                }
                State::Relaying(relay) => return Pin::new(relay.as_mut()).poll_next(context),
                State::Last(written, bytes) => {
                    return written.poll_done(context).map(|()| bytes.take().map(Ok));
                }
            }
        }
    }
}

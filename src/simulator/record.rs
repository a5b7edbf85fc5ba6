//! What the simulator saw: a bounded ring of requests, how each ended, and who left early.
//! Credentials are masked to their last four characters before anything is kept.
//!
//! Never grows without bound, in requests or in bytes.

use super::http::Request;
use crate::domain::time::Timestamp;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Its number, from 1, over the simulator's life.
    pub number: u64,
    /// When, by the simulator's clock.
    pub at: Timestamp,
    /// When, by the machine's clock, since the simulator started.
    pub since_start: Duration,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What followed the `?`.
    pub query: String,
    /// The headers in their order; credentials masked to their last four characters.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The last four characters of the key.
    pub key_hint: String,
    /// The connection it came on, numbered from 1.
    pub connection: u64,
    /// How it ended; `None` while it is being answered.
    pub end: Option<Ended>,
}

/// How the answer to a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The status sent; 0 when no head was sent.
    pub status: u16,
    /// Bytes of the body sent, without framing.
    pub sent: u64,
    /// [`super::digest`] of those bytes.
    pub digest: u64,
    /// Whether the client left before the end.
    pub closed_early: bool,
    /// When, since the simulator started.
    pub since_start: Duration,
}

/// A client that left before its answer was whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedEarly {
    /// The number of the request.
    pub number: u64,
    /// The connection it came on.
    pub connection: u64,
    /// When the client was seen to be gone, since the simulator started.
    pub since_start: Duration,
    /// From the end of its request until then.
    pub after: Duration,
    /// Bytes of the body sent until then.
    pub sent: u64,
}

/// The most early closes that are kept.
const MAX_CLOSED: usize = 10_000;
/// The most bytes of bodies that are kept.
const MAX_BYTES: usize = 64 << 20;

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Record {
    ring: VecDeque<Received>,
    closed: VecDeque<ClosedEarly>,
    bytes: usize,
    next: u64,
}

impl Record {
    /// Keeps a request, drops the oldest beyond `keep`, and gives its number.
    pub(super) fn add(&mut self, keep: usize, seen: Seen<'_>) -> u64 {
        self.next += 1;
        if keep == 0 {
            return self.next;
        }
        self.bytes += seen.request.body.len();
        self.ring.push_back(seen.received(self.next));
        while self.ring.len() > keep || (self.bytes > MAX_BYTES && self.ring.len() > 1) {
            if let Some(old) = self.ring.pop_front() {
                self.bytes -= old.body.len();
            }
        }
        self.next
    }

    /// Says how a request ended.
    pub(super) fn end(&mut self, number: u64, connection: u64, began: Duration, ended: Ended) {
        if ended.closed_early {
            if self.closed.len() == MAX_CLOSED {
                self.closed.pop_front();
            }
            self.closed.push_back(ClosedEarly {
                number,
                connection,
                since_start: ended.since_start,
                after: ended.since_start.saturating_sub(began),
                sent: ended.sent,
            });
        }
        let first = self.ring.front().map_or(0, |received| received.number);
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(received) = at.and_then(|at| self.ring.get_mut(at)) {
            received.end = Some(ended);
        }
    }

    /// All requests kept, oldest first.
    pub(super) fn received(&self) -> Vec<Received> {
        self.ring.iter().cloned().collect()
    }

    /// All early closes kept, oldest first.
    pub(super) fn closed_early(&self) -> Vec<ClosedEarly> {
        self.closed.iter().cloned().collect()
    }

    /// Forgets all; numbers go on.
    pub(super) fn clear(&mut self) {
        *self = Record { next: self.next, ..Record::default() };
    }
}

/// A request on its way into the ring.
pub(super) struct Seen<'a> {
    /// The request.
    pub request: &'a Request,
    /// When, by the simulator's clock.
    pub at: Timestamp,
    /// When, since the simulator started.
    pub since_start: Duration,
    /// The connection.
    pub connection: u64,
}

impl Seen<'_> {
    fn received(&self, number: u64) -> Received {
        let request = self.request;
        let headers = request.headers.iter().map(|(name, value)| {
            let secret = ["authorization", "x-api-key", "cookie", "proxy-authorization"]
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret));
            (name.clone(), if secret { format!("…{}", tail(value)) } else { value.clone() })
        });
        Received {
            number,
            at: self.at,
            since_start: self.since_start,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: headers.collect(),
            body: request.body.clone(),
            key_hint: request.credential().map(tail).unwrap_or_default(),
            connection: self.connection,
            end: None,
        }
    }
}

fn tail(text: &str) -> String {
    text.chars().skip(text.chars().count().saturating_sub(4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_masks() {
        let head = b"GET /x HTTP/1.1\r\nAuthorization: Bearer sk-or-v1-sim-good-0001\r\n\r\n";
        let request = super::super::http::read_head(head).expect("readable").expect("whole").request;
        let mut record = Record::default();
        for _ in 0..5 {
            let seen = Seen {
                request: &request,
                at: Timestamp::from_millis(1),
                since_start: Duration::ZERO,
                connection: 1,
            };
            record.add(3, seen);
        }
        let ended = Ended {
            status: 200,
            sent: 1,
            digest: 0,
            closed_early: true,
            since_start: Duration::from_secs(2),
        };
        for number in [1, 4] {
            record.end(number, 1, Duration::from_secs(1), ended.clone());
        }
        let kept = record.received();
        assert_eq!(kept.iter().map(|r| r.number).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(kept.iter().filter(|r| r.end.is_some()).count(), 1);
        assert!(!format!("{kept:?}").contains("sk-or"));
        assert_eq!(kept[0].key_hint, "0001");
        assert_eq!(record.closed_early()[0].after, Duration::from_secs(1));
    }
}

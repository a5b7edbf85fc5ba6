//! An answer of the upstream: its head, and its bytes as they come.
//!
//! Holds no more than what was read at once: a stream whose client hardly reads costs next to nothing.
//! Never takes the end of the connection for the end of the answer; that only its content tells.

use super::fault::TransportFault;
use super::links::{Link, Links};
use actix_http::h1::ClientPayloadCodec;
use actix_web::http::header::{self, HeaderMap};
use bytes::{BufMut, Bytes, BytesMut};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Decoder;

/// The fewest bytes that are asked for at once.
const SIP: usize = 2 * 1024;
/// The most, where each is passed on before the next is read.
const DRAUGHT: usize = 8 * 1024;
/// The most, where the whole is gathered here anyway.
const GULP: usize = 64 * 1024;
/// With less room than this behind what it reads, the codec makes it 32 KiB.
const SPARE: usize = 2 * 1024;

/// The head of an answer, and its bytes to come.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers, all of them: what may cross is the caller's to choose.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

impl Answer {
    /// The `Content-Length`, if it states one.
    pub fn declared_length(&self) -> Option<u64> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

/// The bytes of an answer as they come. Dropping it closes the connection at once (A6).
///
/// Its end proves nothing: a cut body ends like a whole one (A1), so whoever reads must know by the
/// content whether it was whole.
pub struct AnswerBody {
    /// `None`: nothing more comes.
    link: Option<Link>,
    codec: ClientPayloadCodec,
    inbox: BytesMut,
    /// How much is asked for next; grows while the upstream has as much.
    sip: usize,
    most: usize,
    /// Where the connection goes when the answer has ended properly; `None`: it is closed.
    home: Option<Links>,
}

impl AnswerBody {
    /// What comes over `link`, beginning with what is in `inbox`. Without a link it is empty.
    pub(super) fn new(
        link: Option<Link>,
        codec: ClientPayloadCodec,
        inbox: BytesMut,
        home: Option<Links>,
    ) -> AnswerBody {
        AnswerBody { link, codec, inbox, sip: SIP, most: DRAUGHT, home }
    }

    /// The next bytes, or `None` at the end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFault>>> {
        loop {
            let Some(link) = &mut self.link else { return Poll::Ready(None) };
            match self.codec.decode(&mut self.inbox) {
                Ok(Some(Some(chunk))) => {
                    self.forget_emptied();
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Ok(Some(None)) => self.give_back(),
                Ok(None) => {
                    let (inbox, sip) = (&mut self.inbox, self.sip);
                    inbox.reserve(sip + SPARE);
                    let read = pin!(link.io.read_buf(&mut inbox.limit(sip))).poll(context);
                    match read {
                        Poll::Ready(Ok(count @ 1..)) => self.adapt(count),
                        Poll::Ready(Ok(0)) => self.link = None,
                        Poll::Ready(Err(_)) => return self.broken(),
                        Poll::Pending => {
                            self.forget_emptied();
                            return Poll::Pending;
                        }
                    }
                }
                Err(_) => return self.broken(),
            }
        }
    }

    /// No memory is held for what has not come yet.
    fn forget_emptied(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
    }

    fn adapt(&mut self, count: usize) {
        if count == self.sip {
            self.sip = (self.sip * 2).min(self.most);
        } else if count < self.sip / 2 {
            self.sip = (self.sip / 2).max(SIP);
        }
    }

    fn broken(&mut self) -> Poll<Option<Result<Bytes, TransportFault>>> {
        self.link = None;
        Poll::Ready(Some(Err(TransportFault::Cut)))
    }

    fn give_back(&mut self) {
        let (link, home) = (self.link.take(), self.home.take());
        if let (true, Some(link), Some(home)) = (self.inbox.is_empty(), link, home) {
            home.keep(link);
        }
    }

    /// The next bytes, waiting at most until `deadline` and for at most `idle`.
    pub async fn chunk(
        &mut self,
        idle: Duration,
        deadline: Instant,
    ) -> Result<Option<Bytes>, TransportFault> {
        // What is there already needs no clock.
        if let Poll::Ready(next) = poll_fn(|context| Poll::Ready(self.poll_chunk(context))).await {
            return next.transpose();
        }
        let idle_end = Instant::now() + idle;
        let next = poll_fn(|context| self.poll_chunk(context));
        match timeout_at(idle_end.min(deadline), next).await {
            Ok(next) => next.transpose(),
            Err(_) if idle_end < deadline => Err(TransportFault::Idle),
            Err(_) => Err(TransportFault::Deadline),
        }
    }

    /// All of it, up to `limit` bytes; what a `declared` Content-Length promised must be there.
    pub async fn whole(
        mut self,
        declared: Option<u64>,
        limit: usize,
        idle: Duration,
        deadline: Instant,
    ) -> Result<Bytes, TransportFault> {
        self.most = GULP;
        let Some(first) = self.chunk(idle, deadline).await? else {
            return if declared.unwrap_or(0) == 0 { Ok(Bytes::new()) } else { Err(TransportFault::Cut) };
        };
        let mut rest = BytesMut::new();
        while let Some(chunk) = self.chunk(idle, deadline).await? {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            if rest.len() + chunk.len() > limit {
                return Err(TransportFault::TooLarge);
            }
            rest.extend_from_slice(&chunk);
        }
        let whole = if rest.is_empty() { first } else { rest.freeze() };
        match declared {
            Some(length) if length != whole.len() as u64 => Err(TransportFault::Cut),
            _ => Ok(whole),
        }
    }
}

//! The connections of one thread to the upstream: new ones, and those kept from earlier answers.
//!
//! awc makes them: names, sockets, TLS, and a deadline for each. Which kept one is still good is decided
//! here; what goes over it is not looked at.

use super::connect::Connect;
use super::fault::TransportFault;
use futures_util::task::noop_waker_ref;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Idle connections are closed before a CDN would do it under our feet (stack facts A5).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A connection is not used for new attempts after this long.
const LIFETIME: Duration = Duration::from_secs(60);

/// The bytes of a connection, whatever carries them.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier for T {}

/// One connection, for one answer at a time. Dropping it closes it.
pub(super) struct Link {
    /// Its bytes.
    pub io: Box<dyn Carrier>,
    made: Instant,
}

impl Link {
    /// Whether nothing has come since its last answer, not even its end.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(noop_waker_ref());
        Pin::new(&mut self.io).poll_read(&mut context, &mut buffer).is_pending()
    }
}

/// All connections of one thread.
#[derive(Clone)]
pub(super) struct Links {
    connect: Connect,
    kept: Rc<RefCell<VecDeque<(Link, Instant)>>>,
}

impl Links {
    /// None yet; made by `connect`.
    pub(super) fn new(connect: Connect) -> Links {
        Links { connect, kept: Rc::default() }
    }

    /// A new one.
    pub(super) async fn fresh(&self) -> Result<Link, TransportFault> {
        let io = (self.connect)().await?;
        Ok(Link { io, made: Instant::now() })
    }

    /// The one that was used last, of those that are still good; `None`: there is none.
    pub(super) fn kept(&self) -> Option<Link> {
        let now = Instant::now();
        let mut kept = self.kept.borrow_mut();
        while let Some((mut link, since)) = kept.pop_back() {
            if is_young(&link, since, now) && link.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps `link`, whose answer has ended, for later ones.
    pub(super) fn keep(&self, link: Link) {
        let now = Instant::now();
        let mut kept = self.kept.borrow_mut();
        while kept.pop_front_if(|(link, since)| !is_young(link, *since, now)).is_some() {}
        kept.push_back((link, now));
    }
}

fn is_young(link: &Link, since: Instant, now: Instant) -> bool {
    now.duration_since(since) <= KEEP_ALIVE && now.duration_since(link.made) <= LIFETIME
}

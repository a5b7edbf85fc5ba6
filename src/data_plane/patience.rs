//! How long a stream may go on: until it falls silent, its time is over, or the program ends.

use super::admission::End;
use crate::keypool::Ending;
use crate::upstream::fault::TransportFault;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Why a stream does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The upstream failed.
    Upstream(TransportFault),
    /// The program ends.
    Stopping,
}

impl Broken {
    /// The code of the error event.
    pub fn code(self) -> u16 {
        match self {
            Broken::Upstream(fault) if fault.is_timeout() => 504,
            Broken::Upstream(_) => 502,
            Broken::Stopping => 503,
        }
    }

    /// The word in the row.
    pub fn word(self) -> &'static str {
        match self {
            Broken::Upstream(fault) => fault.word(),
            Broken::Stopping => "stopping",
        }
    }

    /// What the client is told.
    pub fn message(self) -> String {
        match self {
            Broken::Upstream(fault) => fault.to_string(),
            Broken::Stopping => "this proxy is stopping; try again shortly".to_owned(),
        }
    }

    /// How the lease is settled.
    pub fn ending(self) -> Ending {
        match self {
            Broken::Upstream(_) => Ending::Broken,
            Broken::Stopping => Ending::Abandoned,
        }
    }
}

/// The patience with one stream.
pub struct Patience {
    idle: Duration,
    last_sign: Instant,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
    end: End,
    /// Whom the timer and the end wake.
    waker: Option<Waker>,
}

impl Patience {
    /// For a stream that may be silent for `idle` and take `whole` from now on. It ends early when
    /// the `end` comes.
    pub fn new(idle: Duration, whole: Duration, end: End) -> Patience {
        let now = Instant::now();
        Patience {
            idle,
            last_sign: now,
            deadline: now + whole,
            timer: Box::pin(sleep_until(now + idle.min(whole))),
            end,
            waker: None,
        }
    }

    /// The upstream sent something. Errors: too late.
    pub fn sign(&mut self) -> Result<(), Broken> {
        self.last_sign = Instant::now();
        if self.last_sign < self.deadline { Ok(()) } else { Err(Broken::Upstream(TransportFault::Deadline)) }
    }

    /// From now on no more than `time` is left.
    pub fn shorten(&mut self, time: Duration) {
        self.deadline = self.deadline.min(Instant::now() + time);
        self.timer.as_mut().reset(self.deadline);
        // It has to be asked once before it wakes anybody.
        self.waker = None;
    }

    /// Ready when it is over. The timer is only set anew when it fires, not at each sign.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        if self.goes_on(context.waker()) {
            return Poll::Pending;
        }
        self.waker = Some(context.waker().clone());
        if self.end.poll(context).is_ready() {
            return Poll::Ready(Broken::Stopping);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let idle_end = self.last_sign + self.idle;
            if now >= self.deadline {
                return Poll::Ready(Broken::Upstream(TransportFault::Deadline));
            }
            if now >= idle_end {
                return Poll::Ready(Broken::Upstream(TransportFault::Idle));
            }
            self.timer.as_mut().reset(idle_end.min(self.deadline));
        }
        Poll::Pending
    }

    /// Whether neither the timer nor the end can have come, and both know whom to wake: so it is for nearly
    /// every chunk, and asking both would cost more than passing it on. The time is taken now: since the last
    /// sign the timer may have fired while the client read nothing, and nobody listened.
    fn goes_on(&self, waker: &Waker) -> bool {
        let is_known = self.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        is_known && Instant::now() < self.timer.deadline() && !self.end.may_have_come()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_plane::admission::Gate;
    use futures_util::task::noop_waker_ref;
    use std::future::poll_fn;

    fn over(patience: &mut Patience) -> Poll<Broken> {
        patience.poll(&mut Context::from_waker(noop_waker_ref()))
    }

    #[actix_web::test]
    async fn a_timer_that_fired_while_nobody_listened_is_heard() {
        let (hour, gate) = (Duration::from_secs(3600), Gate::new(1, 1));
        let mut patience = Patience::new(Duration::ZERO, hour, gate.coming_end());
        let end = Instant::now() + Duration::from_millis(5);
        patience.timer.as_mut().reset(end);
        let mut listened = false;
        let mut fired = Box::pin(sleep_until(end));
        let heard = poll_fn(move |context| {
            if !std::mem::replace(&mut listened, true) {
                assert!(patience.poll(context).is_pending());
                assert_eq!(patience.sign(), Ok(()));
            }
            // Until then whatever wakes this task is not passed on.
            fired.as_mut().poll(context).map(|()| patience.poll(context))
        });
        // A task of its own, as each connection has: what wakes it is told from others.
        let heard = actix_web::rt::spawn(heard).await.expect("no panic");
        assert_eq!(heard, Poll::Ready(Broken::Upstream(TransportFault::Idle)));
    }

    #[actix_web::test]
    async fn the_end_is_heard_between_signs_and_a_shorter_time_is_kept() {
        let (hour, gate) = (Duration::from_secs(3600), Gate::new(1, 1));
        let mut patience = Patience::new(hour, hour, gate.coming_end());
        for _ in 0..3 {
            assert_eq!(patience.sign(), Ok(()));
            assert!(over(&mut patience).is_pending());
        }
        gate.end();
        assert_eq!(over(&mut patience), Poll::Ready(Broken::Stopping));
        let gate = Gate::new(1, 1);
        let mut patience = Patience::new(hour, hour, gate.coming_end());
        let mut is_first = true;
        let over = poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                assert!(patience.poll(context).is_pending());
                patience.shorten(Duration::from_millis(5));
            }
            patience.poll(context)
        });
        assert_eq!(over.await, Broken::Upstream(TransportFault::Deadline));
    }
}

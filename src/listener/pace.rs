//! Whether a connection keeps pace: what it may be waited for, and until when.
//!
//! actix times only the first head of a connection; a later one could dribble for ever (stack facts
//! B5). Here it is known whether a request is being served, from its head to the last byte of its
//! answer, and since when the connection is idle or has begun a head. Reads and closes nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How long clients may take (DESIGN section 8). Fields, so that tests can shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the head of a request, the first and each later one.
    pub head: Duration,
    /// For the body of a request; longer by the time that its bytes take at the lowest rate.
    pub body: Duration,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// How long a client may read nothing of what waits for it.
    pub unread: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        let seconds = Duration::from_secs;
        Deadlines { head: seconds(10), body: seconds(30), idle: seconds(75), unread: seconds(60) }
    }
}

/// What a connection is at while no request is served on it.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Its first head has not come yet: actix times that.
    Fresh,
    /// Nothing has come since its last answer, or since the client last read of it.
    Idle(Instant),
    /// The first byte of a further head came then.
    Head(Instant),
}

/// The pace of one connection. It lives on one worker thread.
#[derive(Debug)]
pub struct Pace {
    deadlines: Deadlines,
    phase: Cell<Phase>,
    serving: Cell<usize>,
}

impl Pace {
    /// Of a new connection.
    pub fn new(deadlines: Deadlines) -> Rc<Pace> {
        Rc::new(Pace { deadlines, phase: Cell::new(Phase::Fresh), serving: Cell::new(0) })
    }

    /// A request is being served until what this returns is dropped.
    pub fn serve(self: &Rc<Pace>) -> Serving {
        self.serving.set(self.serving.get() + 1);
        Serving(Rc::clone(self))
    }

    /// Bytes have come.
    pub fn received(&self, now: Instant) {
        if let (0, Phase::Idle(_)) = (self.serving.get(), self.phase.get()) {
            self.phase.set(Phase::Head(now));
        }
    }

    /// Bytes have gone out: whoever takes the rest of an answer is not idle.
    pub fn sent(&self, now: Instant) {
        if let Phase::Idle(_) = self.phase.get() {
            self.phase.set(Phase::Idle(now));
        }
    }

    /// When the connection must be closed unless something happens; `None` while others keep the time.
    pub fn due(&self) -> Option<Instant> {
        match (self.serving.get(), self.phase.get()) {
            (0, Phase::Idle(since)) => Some(since + self.deadlines.idle),
            (0, Phase::Head(since)) => Some(since + self.deadlines.head),
            _ => None,
        }
    }

    /// How long it is at least until anything can be due that is not due yet: time to look again.
    pub fn look_again(&self) -> Duration {
        self.deadlines.idle
    }
}

/// A request is being served.
#[derive(Debug)]
pub struct Serving(Rc<Pace>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get().saturating_sub(1));
        self.0.phase.set(Phase::Idle(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_own_deadline() {
        let deadlines = Deadlines::default();
        let second = Duration::from_secs(1);
        let pace = Pace::new(deadlines);
        pace.received(Instant::now());
        assert_eq!(pace.due(), None, "the first head is not ours to time");
        let serving = pace.serve();
        pace.received(Instant::now());
        assert_eq!(pace.due(), None, "a request is being served");
        drop(serving);
        assert!(pace.due().is_some_and(|due| due <= Instant::now() + deadlines.idle));

        let later = Instant::now() + 5 * second;
        pace.sent(later);
        assert_eq!(pace.due(), Some(later + deadlines.idle), "it still reads");

        for seconds in 6..12 {
            pace.received(later + seconds * second);
            pace.sent(later + seconds * second);
        }
        assert_eq!(pace.due(), Some(later + 6 * second + deadlines.head), "dribbling buys no time");
        let _serving = pace.serve();
        assert_eq!(pace.due(), None);
    }
}

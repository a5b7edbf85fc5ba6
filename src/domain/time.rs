//! Time. The only room that reads the system's clocks; everyone else is handed a [`Clock`].
//!
//! Wall time is milliseconds since 1970-01-01 UTC. A day is a UTC day: OpenRouter's daily limits
//! reset at 00:00 UTC (`openrouter-api.md` 8.2). Durations are measured on the monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;
/// Nobody else's clock is followed.
const UNTOLD: i64 = i64::MIN;

/// A moment of wall time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The UTC day this moment lies in.
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(DAY_MILLIS)).unwrap_or(i32::MAX))
    }

    /// The UTC minute this moment lies in, counted from 1970-01-01.
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(MINUTE_MILLIS)
    }

    /// The next whole UTC minute after this moment.
    pub const fn next_minute(self) -> Timestamp {
        Timestamp((self.0.div_euclid(MINUTE_MILLIS) + 1) * MINUTE_MILLIS)
    }

    /// This moment and `duration` more, held at the largest time there is.
    pub fn after(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }

    /// How long from `earlier` until this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment `duration` before this one.
    pub fn before(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }

    /// `2026-11-22T15:04:05.678Z` (RFC 3339, UTC).
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_else(|| self.0.to_string())
    }

    /// Reads RFC 3339, or a bare `YYYY-MM-DD` as the first moment of that UTC day.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let moment = OffsetDateTime::parse(&full, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp)
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// The first moment of this day.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0) * DAY_MILLIS)
    }

    /// The first moment of the next day: when daily limits reset.
    pub fn end(self) -> Timestamp {
        Timestamp((i64::from(self.0) + 1) * DAY_MILLIS)
    }
}

/// Where time comes from: the system, or in tests a hand that turns it.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System {
        started: Instant,
        /// The time at `started` by another's clock, in milliseconds; [`UNTOLD`]: by ours.
        begin: Arc<AtomicI64>,
    },
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own clocks.
    pub fn system() -> Clock {
        Clock(Source::System { started: Instant::now(), begin: Arc::new(AtomicI64::new(UNTOLD)) })
    }

    /// A clock that stands at `at` until it is turned with [`Clock::turn`]. For tests.
    pub fn manual(at: Timestamp) -> Clock {
        Clock(Source::Manual(Arc::new(AtomicI64::new(at.millis()))))
    }

    /// Wall time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { started, begin } => {
                let begin = begin.load(Ordering::SeqCst);
                if begin != UNTOLD {
                    return Timestamp(begin).after(started.elapsed());
                }
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }

    /// Time that never runs backwards, for durations; its zero is arbitrary.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started, .. } => started.elapsed(),
            Source::Manual(millis) => {
                Duration::from_millis(u64::try_from(millis.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Goes by another's clock from now on, which showed `time` when [`Clock::elapsed`] was `elapsed`:
    /// what is done to the machine's own clock changes nothing any more. A manual clock follows nobody.
    pub fn follow(&self, time: Timestamp, elapsed: Duration) {
        if let Source::System { begin, .. } = &self.0 {
            let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
            begin.store(time.millis().saturating_sub(elapsed).max(UNTOLD + 1), Ordering::SeqCst);
        }
    }

    /// Turns a manual clock forwards; does nothing to the system's.
    pub fn turn(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_turn_at_midnight_utc() {
        let last = Timestamp::parse("2026-10-10T23:59:59.999Z").expect("a valid time");
        assert_eq!(last.day().end().rfc3339(), "2026-10-11T00:00:00Z");
        assert_eq!(last.day().end().day().0, last.day().0 + 1);
        assert_eq!(Timestamp::from_millis(-1).day().0, -1);
    }

    #[test]
    fn times_are_read_and_written_alike() {
        for text in ["2026-11-22T15:04:05.678Z", "1970-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::rfc3339).as_deref(), Some(text));
        }
        assert_eq!(Timestamp::parse("2026-11-22"), Timestamp::parse("2026-11-22T00:00:00Z"));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_clock_that_follows_another_shows_its_time() {
        let clock = Clock::system();
        let follower = clock.clone();
        clock.follow(Timestamp::from_millis(5_000_000), clock.elapsed());
        let shown = follower.now();
        assert!(shown >= Timestamp::from_millis(5_000_000), "{shown:?}");
        assert!(shown < Timestamp::from_millis(5_060_000), "{shown:?}");
        let manual = Clock::manual(Timestamp::from_millis(7));
        manual.follow(Timestamp::from_millis(5_000_000), Duration::ZERO);
        assert_eq!(manual.now().millis(), 7);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::from_millis(59_999));
        assert_eq!(clock.now().next_minute().millis(), 60_000);
        clock.turn(Duration::from_millis(1));
        assert_eq!(clock.now().next_minute().millis(), 120_000);
    }
}

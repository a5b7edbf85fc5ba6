//! When rows go from the journal to the store. Pure: the time is an argument.
//!
//! One batch at a time, so that the order stays. One that could not be written is tried again, later
//! each time, but never so late that rows keep waiting once the database is back.

use std::time::Duration;

/// The most rows of one write: the more come together, the fewer pages of indexes and sums of keys and tokens are
/// written for each, and a writer who waits for it waits for no more than a tenth of a second.
pub const BATCH: usize = 10_000;
/// A row waits at most this long for company.
pub const WAIT: Duration = Duration::from_millis(200);
/// And this long while batches have so many rows as tell of a load of thousands a second.
const BUSY_WAIT: Duration = Duration::from_millis(500);
const BUSY: usize = 1000;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// A batch that takes so long does not tell yet, but the database does not serve.
const LATE: Duration = Duration::from_secs(1);

/// The pace of batches.
#[derive(Debug, Default)]
pub struct Batches {
    since: Option<Duration>,
    began: Duration,
    writing: bool,
    /// Whether the batch that began last had many rows.
    busy: bool,
    retry: Duration,
    not_before: Duration,
}

impl Batches {
    /// Whether a batch begins at `now`, on the monotonic clock, while so many rows wait; `flush` does
    /// not wait for company. The next one begins after [`Batches::written`] or [`Batches::failed`].
    pub fn begin(&mut self, waiting: usize, now: Duration, flush: bool) -> bool {
        if waiting == 0 {
            self.since = None;
        }
        if self.writing || waiting == 0 {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let wait = if self.busy { BUSY_WAIT } else { WAIT };
        let ripe = waiting >= BATCH || now >= since + wait;
        self.writing = flush || ripe && now >= self.not_before;
        if self.writing {
            (self.began, self.busy) = (now, waiting >= BUSY);
        }
        self.writing
    }

    /// The batch under way was written.
    pub fn written(&mut self, now: Duration) {
        *self = Batches { since: Some(now), busy: self.busy, ..Batches::default() };
    }

    /// The batch under way was not written.
    pub fn failed(&mut self, now: Duration) {
        self.writing = false;
        self.retry = (self.retry * 2).clamp(FIRST_RETRY, LONGEST_RETRY);
        self.not_before = now + self.retry;
    }

    /// Whether a batch is under way.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Whether the batch under way takes longer than any database that is well.
    pub fn is_late(&self, now: Duration) -> bool {
        self.writing && now >= self.began + LATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn rows_leave_by_deadline_or_size() {
        let mut batches = Batches::default();
        assert!(!batches.begin(0, millis(0), true), "there is nothing");
        assert!(!batches.begin(1, millis(10), false));
        assert!(!batches.begin(1, millis(209), false));
        assert!(batches.begin(1, millis(210), false));
        assert!(!batches.begin(BATCH, millis(900), true), "one batch at a time");
        assert!(!batches.is_late(millis(1209)) && batches.is_late(millis(1210)));
        batches.written(millis(900));
        assert!(batches.begin(BATCH, millis(900), false));
        batches.written(millis(900));
        assert!(!batches.begin(1, millis(1000), false), "the wait begins anew");
        assert!(batches.begin(1, millis(1000), true), "a flush does not wait");
    }

    #[test]
    fn rows_of_a_busy_time_wait_longer() {
        let mut batches = Batches::default();
        assert!(!batches.begin(BUSY, millis(0), false));
        assert!(batches.begin(BUSY, millis(200), false));
        batches.written(millis(220));
        assert!(!batches.begin(BUSY, millis(719), false) && batches.begin(BUSY - 1, millis(720), false));
        batches.written(millis(730));
        assert!(!batches.begin(1, millis(929), false) && batches.begin(1, millis(930), false));
    }

    #[test]
    fn a_batch_that_failed_waits_longer_but_not_long() {
        let mut batches = Batches::default();
        let mut now = millis(0);
        let mut waits = Vec::new();
        for _ in 0..6 {
            assert!(batches.begin(BATCH, now, false));
            batches.failed(now);
            let began = now;
            while !batches.begin(BATCH, now, false) {
                now += millis(50);
            }
            waits.push((now - began).as_millis());
            batches.writing = false;
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 2000, 2000]);
        assert!(batches.begin(1, now, true));
        batches.failed(now);
        assert!(batches.begin(1, now, true), "a flush does not wait");
        batches.written(now);
        assert!(batches.begin(BATCH, now, false), "what was written ends the wait");
    }
}

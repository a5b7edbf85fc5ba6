//! Which rows are written when. Pure: the time is an argument.
//!
//! Rows leave in the order they came. A batch that could not be written comes back to the front and
//! is tried again, later each time; rows are never dropped.

use crate::domain::usage::UsageRow;
use std::collections::VecDeque;
use std::time::Duration;

/// The most rows of one write: well below the bind limits of both databases (stack facts 0).
pub const BATCH: usize = 500;
/// A row waits at most this long for company.
pub const WAIT: Duration = Duration::from_millis(200);
/// With this many rows waiting, no new request is let in: memory is bounded, and refusing is honest
/// where losing rows is not.
pub const FULL: usize = 100_000;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Rows on their way to the store.
#[derive(Debug, Default)]
pub struct Batches {
    waiting: VecDeque<UsageRow>,
    oldest: Option<Duration>,
    writing: bool,
    retry: Duration,
    not_before: Duration,
}

impl Batches {
    /// Takes in a row at `now`, on the monotonic clock.
    pub fn push(&mut self, row: UsageRow, now: Duration) {
        self.oldest.get_or_insert(now);
        self.waiting.push_back(row);
    }

    /// The rows to write now, if it is time to; `flush` does not wait for company. While they are
    /// being written no other batch leaves, so that the order stays.
    pub fn take(&mut self, now: Duration, flush: bool) -> Option<Vec<UsageRow>> {
        let ripe = self.waiting.len() >= BATCH || self.oldest.is_some_and(|oldest| now >= oldest + WAIT);
        if self.writing || self.waiting.is_empty() || !(flush || ripe && now >= self.not_before) {
            return None;
        }
        let count = self.waiting.len().min(BATCH);
        self.writing = true;
        let rows = self.waiting.drain(..count).collect();
        self.oldest = (!self.waiting.is_empty()).then_some(now);
        Some(rows)
    }

    /// The batch under way was written.
    pub fn written(&mut self) {
        self.writing = false;
        self.retry = Duration::ZERO;
    }

    /// The batch under way was not written: its rows come back to the front.
    pub fn failed(&mut self, rows: Vec<UsageRow>, now: Duration) {
        self.writing = false;
        for row in rows.into_iter().rev() {
            self.waiting.push_front(row);
        }
        self.oldest = Some(now);
        self.retry = (self.retry * 2).clamp(FIRST_RETRY, LONGEST_RETRY);
        self.not_before = now + self.retry;
    }

    /// Rows that are not yet being written.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether everything has reached the store.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;

    fn row(endpoint: &str) -> UsageRow {
        let at = Timestamp::from_millis(0);
        UsageRow::begin(RequestId::new(at), at, endpoint)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn rows_leave_by_deadline_or_size() {
        let mut batches = Batches::default();
        batches.push(row("a"), millis(0));
        assert_eq!(batches.take(millis(199), false), None);
        assert_eq!(batches.take(millis(200), false).map(|rows| rows.len()), Some(1));
        batches.written();
        for _ in 0..BATCH + 1 {
            batches.push(row("b"), millis(300));
        }
        assert_eq!(batches.take(millis(300), false).map(|rows| rows.len()), Some(BATCH));
        assert_eq!(batches.take(millis(900), false), None, "one batch at a time");
        batches.written();
        assert_eq!(batches.take(millis(900), false).map(|rows| rows.len()), Some(1));
        assert!(!batches.is_idle());
        batches.written();
        assert!(batches.is_idle());
    }

    #[test]
    fn a_failed_batch_comes_back_first_and_waits_longer() {
        let mut batches = Batches::default();
        batches.push(row("first"), millis(0));
        let rows = batches.take(millis(200), false).expect("ripe");
        batches.push(row("second"), millis(201));
        batches.failed(rows, millis(210));
        assert_eq!(batches.take(millis(400), false), None);
        let rows = batches.take(millis(460), false).expect("after the wait");
        assert_eq!(rows.iter().map(|row| row.endpoint.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        batches.failed(rows, millis(460));
        assert_eq!(batches.take(millis(900), false), None, "the wait has doubled");
        assert!(batches.take(millis(900), true).is_some(), "a flush does not wait");
    }
}

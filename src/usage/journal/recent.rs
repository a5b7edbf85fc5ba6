//! The rows of a file that were appended last and need not be read back from it. Pure.
//!
//! Holds what follows the last stored row, without a gap, or nothing: while the database keeps up it is
//! all there is, and when it does not, memory stays bounded and the file is read again.

use crate::domain::usage::UsageRow;
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows are kept up to so many bytes of their frames, which is less than a file.
const MOST: usize = 7 << 20;

/// Rows that the database has not got, in order.
#[derive(Debug)]
pub struct Recent {
    rows: VecDeque<(Arc<UsageRow>, usize)>,
    bytes: usize,
    /// Whether nothing that the database has not got is in the file alone.
    is_whole: bool,
}

impl Recent {
    /// Of a file that is new, or of one that has rows already and is to be read.
    pub fn new(is_empty: bool) -> Recent {
        Recent { rows: VecDeque::new(), bytes: 0, is_whole: is_empty }
    }

    /// A frame of so many bytes was appended for `row`.
    pub fn push(&mut self, row: &Arc<UsageRow>, length: usize) {
        self.is_whole &= self.bytes + length <= MOST;
        if self.is_whole {
            self.rows.push_back((Arc::clone(row), length));
            self.bytes += length;
        }
    }

    /// At most `most` of the next rows and how many bytes they take in the file; `None`: the file tells.
    pub fn first(&self, most: usize) -> Option<(Vec<Arc<UsageRow>>, usize)> {
        if self.rows.is_empty() {
            return None;
        }
        let next = || self.rows.iter().take(most);
        Some((next().map(|(row, _)| Arc::clone(row)).collect(), next().map(|(_, length)| length).sum()))
    }

    /// The database has so many frames more; `has_all`: nothing else waits in the file.
    pub fn done(&mut self, frames: usize, has_all: bool) {
        let done = self.rows.drain(..frames.min(self.rows.len()));
        self.bytes -= done.map(|(_, length)| length).sum::<usize>();
        if has_all {
            *self = Recent::new(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;

    fn row(number: i64) -> Arc<UsageRow> {
        let at = Timestamp::from_millis(number);
        Arc::new(UsageRow::begin(RequestId::new(at), at, "chat/completions"))
    }

    fn first(recent: &Recent, most: usize) -> Option<(Vec<i64>, usize)> {
        let (rows, length) = recent.first(most)?;
        Some((rows.iter().map(|row| row.time.millis()).collect(), length))
    }

    #[test]
    fn the_next_rows_come_until_they_are_done() {
        let mut recent = Recent::new(true);
        (0..3).for_each(|number| recent.push(&row(number), 10));
        assert_eq!(first(&recent, 2), Some((vec![0, 1], 20)));
        assert_eq!(first(&recent, 2), Some((vec![0, 1], 20)));
        recent.done(2, false);
        recent.push(&row(3), 5);
        assert_eq!(first(&recent, 9), Some((vec![2, 3], 15)));
        recent.done(2, true);
        assert_eq!(first(&recent, 9), None);
    }

    #[test]
    fn behind_a_gap_the_file_tells_until_the_database_has_it_all() {
        let mut recent = Recent::new(true);
        recent.push(&row(0), 10);
        recent.push(&row(1), MOST);
        recent.push(&row(2), 10);
        assert_eq!(first(&recent, 9), Some((vec![0], 10)));
        recent.done(1, false);
        assert_eq!(first(&recent, 9), None, "1 and 2 are in the file alone");
        recent.push(&row(3), 10);
        assert_eq!(first(&recent, 9), None);
        recent.done(3, true);
        recent.push(&row(4), 10);
        assert_eq!(first(&recent, 9), Some((vec![4], 10)));
    }

    #[test]
    fn what_others_left_is_in_the_file() {
        let mut recent = Recent::new(false);
        recent.push(&row(0), 10);
        assert_eq!(first(&recent, 9), None);
    }
}

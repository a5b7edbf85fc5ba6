//! The rows that one thread has for the journal, written once a turn of its loop.
//!
//! A busy server ends several requests in a turn, and one write for all of them costs what one for each would:
//! their last bytes wait for the end of the turn, which is less than what the write takes. Where turns have one
//! each, it is written at once: to wait would only cost a turn.

use super::files::Inner;
use super::line;
use super::sync::Written;
use crate::domain::usage::UsageRow;
use crate::mail::at_end_of_turn;
use actix::Arbiter;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What most frames take, and more.
const ROOM: usize = 1024;

/// Rows, and the bytes of their frames in the same order.
#[derive(Default)]
pub(super) struct Lines {
    /// Each with the length of its frame.
    pub rows: Vec<(Arc<UsageRow>, usize)>,
    /// All frames.
    pub bytes: Vec<u8>,
}

impl Lines {
    /// Of `row` alone.
    pub fn of(row: &Arc<UsageRow>) -> Lines {
        let mut lines = Lines::default();
        lines.push(row);
        lines
    }

    fn push(&mut self, row: &Arc<UsageRow>) {
        let start = self.bytes.len();
        self.bytes.reserve(ROOM);
        let row = line::write(row, &mut self.bytes);
        self.rows.push((row, self.bytes.len() - start));
    }
}

/// What a turn's rows wait for.
#[derive(Default)]
pub(super) struct Turn(RefCell<State>);

enum State {
    /// The turn goes on; these want to know of its end.
    Open(Vec<Waker>),
    /// What there is to wait for now.
    Over { place: Option<u64>, journal: Arc<Inner> },
}

impl Default for State {
    fn default() -> State {
        State::Open(Vec::new())
    }
}

impl Turn {
    /// Ready when the rows are written, with what there is still to wait for.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Written> {
        match &mut *self.0.borrow_mut() {
            State::Open(wakers) => {
                // One that asks again is woken twice: to look for it among thousands would take longer.
                wakers.push(context.waker().clone());
                Poll::Pending
            }
            State::Over { place, journal } => Poll::Ready(journal.safe(*place)),
        }
    }
}

/// What this thread has for one journal.
struct Waiting {
    journal: Arc<Inner>,
    lines: Lines,
    turn: Rc<Turn>,
}

impl Waiting {
    fn write(self) {
        let Waiting { journal, lines, turn } = self;
        let place = journal.write(lines);
        if let State::Open(wakers) = turn.0.replace(State::Over { place, journal }) {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// What this thread has for all journals.
#[derive(Default)]
struct Thread {
    waiting: Vec<Waiting>,
    /// Rows of this turn, and of the last one that had any.
    rows: usize,
    rows_before: usize,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

/// Has `row` written at the end of this turn; at once if the last turn had no more, and on a thread that has no such
/// loop.
pub(super) fn append(journal: &Arc<Inner>, row: &Arc<UsageRow>) -> Written {
    if Arbiter::try_current().is_none() {
        return at_once(journal, row);
    }
    let (is_first, turn) = THREAD.with_borrow_mut(|thread| {
        thread.rows += 1;
        let is_first = thread.rows == 1;
        let is_alone = is_first && thread.rows_before <= 1;
        (is_first, (!is_alone).then(|| thread.push(journal, row)))
    });
    if is_first {
        at_end_of_turn(end_turn);
    }
    turn.map_or_else(|| at_once(journal, row), Written::after)
}

fn at_once(journal: &Arc<Inner>, row: &Arc<UsageRow>) -> Written {
    let place = journal.write(Lines::of(row));
    journal.safe(place)
}

impl Thread {
    fn push(&mut self, journal: &Arc<Inner>, row: &Arc<UsageRow>) -> Rc<Turn> {
        let mut all = self.waiting.iter_mut();
        if let Some(waiting) = all.find(|waiting| Arc::ptr_eq(&waiting.journal, journal)) {
            waiting.lines.push(row);
            return Rc::clone(&waiting.turn);
        }
        let turn = Rc::<Turn>::default();
        let (journal, lines) = (Arc::clone(journal), Lines::of(row));
        self.waiting.push(Waiting { journal, lines, turn: Rc::clone(&turn) });
        turn
    }

    /// What is to be written; the next turn begins.
    fn end_turn(&mut self) -> Vec<Waiting> {
        self.rows_before = std::mem::take(&mut self.rows);
        std::mem::take(&mut self.waiting)
    }
}

fn end_turn() {
    THREAD.with_borrow_mut(Thread::end_turn).into_iter().for_each(Waiting::write);
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, Options};
    use super::*;
    use crate::config::usage::Durability;
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;
    use futures_util::future::join_all;
    use std::ops::Range;
    use tempfile::TempDir;

    fn journal(folder: &TempDir, durability: Durability) -> Journal {
        let folder = folder.path().join("journal");
        Journal::open(Options { folder, most_bytes: 1 << 20, durability }).expect("a journal")
    }

    fn row(number: i64) -> Arc<UsageRow> {
        let at = Timestamp::from_millis(number);
        Arc::new(UsageRow::begin(RequestId::new(at), at, "messages"))
    }

    fn times(journal: &Journal) -> Vec<i64> {
        let taken = journal.take(100).expect("rows");
        taken.rows().iter().map(|row| row.time.millis()).collect()
    }

    #[actix_web::test]
    async fn rows_of_one_turn_are_written_at_its_end_in_order() {
        for durability in [Durability::Process, Durability::Disk] {
            let folder = TempDir::new().expect("a folder");
            let (one, other) = (journal(&folder, durability), journal(&folder, durability));
            let several = |numbers: Range<i64>| -> Vec<Written> {
                let journals = [&one, &other, &one, &one];
                journals
                    .into_iter()
                    .zip(numbers)
                    .map(|(journal, number)| journal.append(&row(number)))
                    .collect()
            };
            join_all(several(0..4)).await;
            assert_eq!((times(&one), times(&other)), (vec![0, 2, 3], vec![1]));
            let written = several(4..8);
            assert!(written.iter().all(|written| !written.is_done()));
            assert_eq!((one.depth().rows, other.depth().rows), (3, 1), "the turn goes on");
            join_all(written).await;
            assert_eq!((times(&one), times(&other)), (vec![0, 2, 3, 4, 6, 7], vec![1, 5]));
        }
    }

    #[actix_web::test]
    async fn a_row_that_turns_have_to_themselves_is_written_at_once() {
        let folder = TempDir::new().expect("a folder");
        let journal = journal(&folder, Durability::Process);
        for number in 0..3 {
            assert!(journal.append(&row(number)).is_done());
            assert_eq!(times(&journal).last(), Some(&number));
            tokio::task::yield_now().await;
        }
        assert!(journal.append(&row(3)).is_done());
        let second = journal.append(&row(4));
        assert!(!second.is_done());
        second.await;
        assert!(!journal.append(&row(5)).is_done(), "the last turn had two");
        tokio::task::yield_now().await;
        assert!(journal.append(&row(6)).is_done());
        assert_eq!(times(&journal), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn rows_outlive_the_loop_that_nobody_waited_in() {
        let folder = TempDir::new().expect("a folder");
        let journal = journal(&folder, Durability::Process);
        actix_web::rt::System::new().block_on(async {
            drop(journal.append(&row(7)));
        });
        assert_eq!(times(&journal), [7]);
    }

    #[actix_web::test]
    async fn rows_that_no_disk_takes_are_waited_for_no_longer() {
        let folder = TempDir::new().expect("a folder");
        let journal = journal(&folder, Durability::Process);
        journal.append(&row(0)).await;
        // More than its one file takes, and a folder that takes no other.
        let most = 1 << 20;
        let place = folder.path().join("journal");
        std::fs::remove_dir_all(&place).expect("it is ours");
        std::fs::write(&place, "in the way").expect("a file");
        let mut numbers = 1..;
        while !journal.is_failing() && journal.depth().bytes < most {
            let number = numbers.next().expect("endless");
            let long = UsageRow { model: "x".repeat(200_000), ..UsageRow::clone(&row(number)) };
            journal.append(&Arc::new(long)).await;
        }
        assert!(journal.is_failing());
        assert!(!journal.unwritten(10).is_empty());
    }
}

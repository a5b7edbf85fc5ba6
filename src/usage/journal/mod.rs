//! The journal: rows on the local disk before the last bytes of their answers go, until the database
//! has them. What it holds survives the death of this process, and with `disk` a loss of power.
//!
//! [`frame`] and [`mod@line`] say how rows lie in its files, [`segment`] is one file, [`recent`] what of it is in memory, [`files`] are all of them,
//! [`turn`] is what a thread has for it, [`sync`] the waiting. Appending never waits for the database; what reads back and
//! deletes runs on blocking threads. Never drops a row: what cannot be written stays in memory, and no
//! new request is let in.

mod files;
mod frame;
mod json;
mod line;
mod recent;
mod segment;
mod sync;
mod turn;

pub use sync::Written;

use crate::config::usage::Durability;
use crate::domain::usage::UsageRow;
use files::Inner;
use line::Read;
use segment::{NAME, SET_ASIDE, Segment};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fs, io};
use turn::Lines;

/// Where the journal lies, and its limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; it is created when it does not exist.
    pub folder: PathBuf,
    /// With so many bytes waiting for the database no new request is let in.
    pub most_bytes: u64,
    /// What rows survive.
    pub durability: Durability,
}

/// The journal cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal in {folder} cannot be written ({source}): give this user read and write permission on that folder and free space on its disk, or set database.data_dir to another one"
)]
pub struct JournalError {
    folder: PathBuf,
    source: io::Error,
}

/// What waits for the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Rows.
    pub rows: usize,
    /// Bytes.
    pub bytes: u64,
}

/// The journal of this process. Clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

/// Rows on their way to the database.
pub struct Taken {
    segment: Arc<Segment>,
    read: Read,
}

impl Taken {
    /// The rows.
    pub fn rows(&self) -> &[Arc<UsageRow>] {
        &self.read.rows
    }
}

impl Journal {
    /// Opens the journal with an empty file of this process's own. What others have left in its folder
    /// is taken over by [`Journal::adopt`].
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn open(options: Options) -> Result<Journal, JournalError> {
        let folder = options.folder.clone();
        let inner = Inner::open(options).map_err(|source| JournalError { folder, source })?;
        Ok(Journal(inner))
    }

    /// Appends a row at the end of this turn of the thread's loop. When [`Written`] resolves, the row survives the
    /// death of this process, and the last bytes of its answer may go.
    pub fn append(&self, row: &Arc<UsageRow>) -> Written {
        turn::append(&self.0, row)
    }

    /// What waits for the database.
    pub fn depth(&self) -> Depth {
        Depth { rows: self.0.rows.load(Ordering::Acquire), bytes: self.0.bytes.load(Ordering::Acquire) }
    }

    /// Whether no new request may be let in: too much waits, or nothing can be written.
    pub fn is_full(&self) -> bool {
        self.is_failing() || self.depth().bytes >= self.0.options.most_bytes
    }

    /// Whether nothing can be written.
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Acquire)
    }

    /// Files in its folder in which something could not be read.
    pub fn set_aside(&self) -> usize {
        self.0.set_aside.load(Ordering::Acquire)
    }

    /// Takes over the files of processes that are gone. Blocks.
    pub fn adopt(&self) {
        let entries = match fs::read_dir(&self.0.options.folder) {
            Ok(entries) => entries,
            Err(error) => return log::error!("the journal's folder cannot be read: {error}"),
        };
        let mut set_aside = 0;
        for path in entries.flatten().map(|entry| entry.path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(NAME) => self.0.take_over(path),
                Some(SET_ASIDE) => set_aside += 1,
                _ => {}
            }
        }
        self.0.set_aside.store(set_aside, Ordering::Release);
    }

    /// The next rows for the database, at most `most`; `None`: it has them all. One caller at a time;
    /// the same rows come again unless they are [`Journal::done`]. Blocks.
    pub fn take(&self, most: usize) -> Option<Taken> {
        loop {
            let segment = self.0.files().unread()?;
            let read = segment.read(most);
            let taken = Taken { segment, read };
            if !taken.read.rows.is_empty() {
                return Some(taken);
            }
            self.done(taken);
        }
    }

    /// The database has these rows. Blocks.
    pub fn done(&self, taken: Taken) {
        let Taken { segment, read } = taken;
        segment.done(&read);
        let mut files = self.0.files();
        // What a damaged stretch held will never come.
        let lost = if segment.unread() == 0 { segment.rows() } else { 0 };
        self.0.lower(read.frames as u64 + lost, read.length as u64);
        if segment.unread() == 0 {
            self.0.end(&mut files, &segment);
        }
    }

    /// Tries again what could not be written. Blocks.
    pub fn mend(&self) {
        if !self.is_failing() {
            return;
        }
        let mut files = self.0.files();
        while let Some(row) = files.unwritten.front().cloned() {
            if self.0.append(&mut files, &Lines::of(&row)).is_err() {
                return;
            }
            files.unwritten.pop_front();
            self.0.lower(1, 0);
        }
        if self.0.can_append(&mut files) {
            self.0.failing.store(false, Ordering::Release);
            log::info!("the journal can be written again");
        }
    }

    /// At most `most` of the rows that could not be written, which the database may take directly.
    pub fn unwritten(&self, most: usize) -> Vec<Arc<UsageRow>> {
        self.0.files().unwritten.iter().take(most).cloned().collect()
    }

    /// The database has the first `count` of the rows that could not be written.
    pub fn forget(&self, count: usize) {
        let mut files = self.0.files();
        let count = count.min(files.unwritten.len());
        files.unwritten.drain(..count);
        self.0.lower(count as u64, 0);
    }
}

#[cfg(test)]
mod tests;

//! One file of the journal: locked by the process that has it, appended to in whole frames, read back
//! from where the database has it, and at last deleted.
//!
//! Decides nothing about what is in it. Never deletes a file in which something could not be read.

use super::frame::{self, Found};
use super::line::{self, Read};
use super::recent::Recent;
use super::turn::Lines;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

/// How a file of the journal ends; whose rows could not all be read.
pub const NAME: &str = "journal";
pub const SET_ASIDE: &str = "damaged";
/// So much of a file is looked through at a time: more than the largest frame.
const CHUNK: usize = 2 * frame::LARGEST;
/// So much of it is read for the database at a time: many rows come together then.
const READ: usize = 1 << 20;
/// What is written for a try.
static TRIAL: [u8; 64 * 1024] = [0; 64 * 1024];

/// A file of the journal, and how far it has come.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    file: File,
    /// Where its last whole frame ends. Grows with the file; nothing behind it is ever read.
    written: AtomicU64,
    /// Up to where the database has it.
    read: AtomicU64,
    /// Rows between the two.
    rows: AtomicU64,
    damaged: AtomicBool,
    /// Held while rows come and go, so that these figures and what is in memory tell the same.
    recent: Mutex<Recent>,
}

impl Segment {
    /// A new, empty file in `folder`.
    pub fn create(folder: &Path) -> io::Result<Segment> {
        loop {
            let path = folder.join(format!("{:016x}.{NAME}", fastrand::u64(..)));
            let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path);
            match file {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                // Another process may have taken it for one that was left behind.
                Ok(file) if !is_ours(&file)? => {}
                Ok(file) => return Ok(Segment::new(path, file, 0)),
            }
        }
    }

    /// The file at `path`, if the process that had it is gone.
    pub fn adopt(path: PathBuf) -> io::Result<Option<Segment>> {
        let file = match OpenOptions::new().read(true).append(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if !is_ours(&file)? {
            return Ok(None);
        }
        let length = file.metadata()?.len();
        let segment = Segment::new(path, file, length);
        segment.rows.store(segment.count(), Ordering::Relaxed);
        Ok(Some(segment))
    }

    fn new(path: PathBuf, file: File, written: u64) -> Segment {
        Segment {
            path,
            file,
            written: AtomicU64::new(written),
            read: AtomicU64::default(),
            rows: AtomicU64::default(),
            damaged: AtomicBool::default(),
            recent: Mutex::new(Recent::new(written == 0)),
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of it is in memory is read from the file when it is needed.
    pub fn forget(&self) {
        *self.recent() = Recent::new(false);
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of whole frames.
    pub fn length(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Bytes that the database has not got.
    pub fn unread(&self) -> u64 {
        self.length().saturating_sub(self.read.load(Ordering::Acquire))
    }

    /// Rows that the database has not got.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Acquire)
    }

    /// Appends the frames of some rows in one go. One caller at a time. Errors: nothing was appended, and if
    /// it says so, nothing can be.
    pub(super) fn append(&self, lines: &Lines) -> Result<(), AppendError> {
        let mut file = &self.file;
        if let Err(error) = file.write_all(&lines.bytes) {
            return Err(self.cut_back(error));
        }
        let mut recent = self.recent();
        for (row, length) in &lines.rows {
            recent.push(row, *length);
        }
        self.rows.fetch_add(lines.rows.len() as u64, Ordering::AcqRel);
        self.written.fetch_add(lines.bytes.len() as u64, Ordering::AcqRel);
        Ok(())
    }

    /// Whether something could be appended now.
    pub fn try_append(&self) -> Result<(), AppendError> {
        let mut file = &self.file;
        let tried = file.write_all(&TRIAL);
        let cut = self.file.set_len(self.length());
        match (tried, cut) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(error), _) => Err(self.cut_back(error)),
            (_, Err(error)) => Err(AppendError { error, is_spoilt: true }),
        }
    }

    /// A frame that was written in part would lie before the next one.
    fn cut_back(&self, error: io::Error) -> AppendError {
        let is_spoilt = self.file.set_len(self.length()).is_err();
        AppendError { error, is_spoilt }
    }

    /// Waits until what was appended survives a loss of power.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// At most `most` of the rows that the database has not got. What they take is done with when
    /// [`Segment::done`] says so.
    pub fn read(&self, most: usize) -> Read {
        if let Some((rows, length)) = self.recent().first(most) {
            return Read { frames: rows.len(), rows, length, damaged: false };
        }
        let (from, unread) = (self.read.load(Ordering::Acquire), self.unread());
        let size = usize::try_from(unread).unwrap_or(READ).min(READ);
        let mut bytes = vec![0; size];
        if let Err(error) = self.file.read_exact_at(&mut bytes, from) {
            log::error!("{size} bytes of {} cannot be read: {error}", self.path.display());
            return Read { length: size, damaged: true, ..Read::default() };
        }
        let mut read = line::read_all(&bytes, most);
        if read.length == 0 && size > 0 {
            // A frame that never ends: at the end of a file it was torn when its process died.
            read.length = size;
            read.damaged = unread > size as u64;
            log::debug!("{size} bytes at the end of {} were never written whole", self.path.display());
        }
        read
    }

    /// What was read is in the database.
    pub fn done(&self, read: &Read) {
        let mut recent = self.recent();
        let (length, frames) = (read.length as u64, read.frames as u64);
        let lower = |rows: u64| Some(rows.saturating_sub(frames));
        let _ = self.rows.fetch_update(Ordering::AcqRel, Ordering::Acquire, lower);
        self.read.fetch_add(length, Ordering::AcqRel);
        recent.done(read.frames, self.unread() == 0);
        if read.damaged {
            self.damaged.store(true, Ordering::Release);
        }
    }

    /// Whether something in it could not be read.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Begins anew at its beginning; the database has all of it. Nobody appends meanwhile.
    pub fn empty(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.written.store(0, Ordering::Release);
        self.read.store(0, Ordering::Release);
        self.rows.store(0, Ordering::Release);
        Ok(())
    }

    /// Ends it; the database has all of it that could be read. Says where it is kept if some could not.
    pub fn end(&self) -> io::Result<Option<PathBuf>> {
        if !self.is_damaged() {
            return fs::remove_file(&self.path).map(|()| None);
        }
        let aside = self.path.with_extension(SET_ASIDE);
        fs::rename(&self.path, &aside).map(|()| Some(aside))
    }

    /// Whole frames in it.
    fn count(&self) -> u64 {
        let (mut at, mut rows) = (0, 0);
        let length = self.length();
        let mut chunk = vec![0; CHUNK];
        while at < length {
            let size = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
            let Some(bytes) = chunk.get_mut(..size) else { break };
            if self.file.read_exact_at(bytes, at).is_err() {
                break;
            }
            let (frames, done) = count(bytes);
            rows += frames;
            at += if done == 0 { size as u64 } else { done as u64 };
        }
        rows
    }
}

/// Whole frames in `bytes`, and where the last of them ends.
fn count(bytes: &[u8]) -> (u64, usize) {
    let (mut frames, mut at) = (0, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match frame::first(rest) {
            Found::Frame { length, .. } => {
                frames += 1;
                at += length;
            }
            Found::Damage(length) => at += length,
            Found::Beginning => break,
        }
    }
    (frames, at)
}

/// Why a frame was not appended.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct AppendError {
    /// What the system said.
    pub error: io::Error,
    /// Whether the file holds a part of it, so that nothing may follow.
    pub is_spoilt: bool,
}

/// Locks the file for this process. `false`: another has it, or has deleted it.
fn is_ours(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
    }
}

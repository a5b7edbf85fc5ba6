//! The files of the journal: which one is appended to, which are full or were left by others, what is in
//! memory because no file took it. Everything that changes them happens under one lock.
//!
//! Never holds the lock while the disk is waited for.

use super::Options;
use super::segment::{AppendError, Segment};
use super::sync::{Syncing, Written};
use super::turn::Lines;
use crate::config::usage::Durability;
use crate::domain::usage::UsageRow;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A file takes so many bytes before the next begins: what one can be deleted at once.
const SEGMENT: u64 = 8 * 1024 * 1024;

/// What all clones of a journal share.
pub(super) struct Inner {
    pub(super) options: Options,
    files: Mutex<Files>,
    /// Rows that wait for the database, wherever they lie.
    pub(super) rows: AtomicUsize,
    /// Bytes of those in files.
    pub(super) bytes: AtomicU64,
    /// Whether the last row could not be written.
    pub(super) failing: AtomicBool,
    /// Damaged files in the folder.
    pub(super) set_aside: AtomicUsize,
    /// With `disk`, who makes rows safe.
    pub(super) syncing: Option<Syncing>,
}

/// A plain mutex: held for one write into the page cache, which takes microseconds.
#[derive(Default)]
pub(super) struct Files {
    /// The one that is appended to.
    pub(super) current: Option<Arc<Segment>>,
    /// Full ones, and those of processes that are gone.
    others: VecDeque<Arc<Segment>>,
    /// Rows that could not be written.
    pub(super) unwritten: VecDeque<Arc<UsageRow>>,
    /// What has to be synced.
    pub(super) unsynced: Vec<Arc<Segment>>,
    /// Whether a file is new in the folder, which has to be synced then.
    is_new: bool,
    /// Bytes that were ever appended.
    pub(super) place: u64,
}

impl Files {
    /// The first that the database has not all of.
    pub(super) fn unread(&self) -> Option<Arc<Segment>> {
        self.others.iter().chain(&self.current).find(|segment| segment.unread() > 0).cloned()
    }
}

impl Inner {
    /// With an empty file of this process's own.
    pub(super) fn open(options: Options) -> io::Result<Arc<Inner>> {
        prepare(&options.folder)?;
        let first = Segment::create(&options.folder)?;
        let files = Files { current: Some(Arc::new(first)), is_new: true, ..Files::default() };
        let mut started = Ok(());
        let inner = Arc::new_cyclic(|inner: &Weak<Inner>| {
            let syncing = (options.durability == Durability::Disk).then(|| {
                let inner = inner.clone();
                Syncing::start(move || inner.upgrade().map(|inner| inner.sync()))
            });
            let syncing = syncing.transpose().unwrap_or_else(|error| {
                started = Err(error);
                None
            });
            Inner {
                options,
                files: Mutex::new(files),
                rows: AtomicUsize::default(),
                bytes: AtomicU64::default(),
                failing: AtomicBool::default(),
                set_aside: AtomicUsize::default(),
                syncing,
            }
        });
        started.map(|()| inner)
    }

    /// Everything that changes under the lock is whole again before anything could panic.
    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `lines`, or keeps their rows in memory and lets no new request in; says up to which place they are
    /// written.
    pub(super) fn write(&self, lines: Lines) -> Option<u64> {
        let mut files = self.files();
        match self.append(&mut files, &lines) {
            Ok(()) => Some(files.place),
            Err(error) => {
                // The answers have their last bytes all the same: their rows wait here for either disk.
                self.rows.fetch_add(lines.rows.len(), Ordering::AcqRel);
                files.unwritten.extend(lines.rows.into_iter().map(|(row, _)| row));
                drop(files);
                self.fails(&error);
                None
            }
        }
    }

    /// What there is to wait for behind what is written up to `place`.
    pub(super) fn safe(&self, place: Option<u64>) -> Written {
        match (&self.syncing, place) {
            (Some(syncing), Some(place)) => syncing.wait(place),
            _ => Written::default(),
        }
    }

    /// Appends `lines` to the file that is open for them. Errors: no file took them.
    pub(super) fn append(&self, files: &mut Files, lines: &Lines) -> Result<(), AppendError> {
        let length = lines.bytes.len() as u64;
        let segment = self.current(files, length)?;
        if let Err(error) = segment.append(lines) {
            self.spoilt(files, &error);
            return Err(error);
        }
        self.rows.fetch_add(lines.rows.len(), Ordering::AcqRel);
        self.bytes.fetch_add(length, Ordering::AcqRel);
        files.place += length;
        if self.syncing.is_some() && !files.unsynced.last().is_some_and(|last| Arc::ptr_eq(last, &segment)) {
            files.unsynced.push(segment);
        }
        Ok(())
    }

    /// Whether a row could be appended now.
    pub(super) fn can_append(&self, files: &mut Files) -> bool {
        let tried = self.current(files, 0).and_then(|segment| segment.try_append());
        tried.inspect_err(|error| self.spoilt(files, error)).is_ok()
    }

    /// The file to append `length` bytes to; a full one gives way to a new one.
    fn current(&self, files: &mut Files, length: u64) -> Result<Arc<Segment>, AppendError> {
        let most = SEGMENT.min(self.options.most_bytes);
        if let Some(current) = &files.current
            && (current.length() == 0 || current.length() + length <= most)
        {
            return Ok(Arc::clone(current));
        }
        let created = Segment::create(&self.options.folder)
            .map_err(|error| AppendError { error, is_spoilt: false })
            .map(Arc::new)?;
        files.is_new = true;
        let full = files.current.replace(Arc::clone(&created));
        // While the database is away files come to be many: only of the first and the last something is in
        // memory.
        if let Some(full) = full.as_ref().filter(|_| !files.others.is_empty()) {
            full.forget();
        }
        files.others.extend(full);
        Ok(created)
    }

    /// Nothing may follow half a frame: the next row begins another file.
    fn spoilt(&self, files: &mut Files, error: &AppendError) {
        if error.is_spoilt {
            let spoilt = files.current.take();
            files.others.extend(spoilt);
        }
    }

    /// From now on no new request is let in.
    pub(super) fn fails(&self, error: &impl std::fmt::Display) {
        if !self.failing.swap(true, Ordering::AcqRel) {
            log::error!(
                "the journal in {} cannot be written: {error}; no new request is let in until it can, \
                 so free some space on that disk",
                self.options.folder.display()
            );
        }
    }

    /// Takes over the file at `path`, if its process is gone.
    pub(super) fn take_over(&self, path: PathBuf) {
        let segment = match Segment::adopt(path.clone()) {
            Ok(Some(segment)) => Arc::new(segment),
            Ok(None) => return,
            Err(error) => return log::error!("{} cannot be taken over: {error}", path.display()),
        };
        let (rows, bytes) = (segment.rows(), segment.unread());
        let mut files = self.files();
        self.rows.fetch_add(usize::try_from(rows).unwrap_or(usize::MAX), Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        files.others.push_front(Arc::clone(&segment));
        if bytes == 0 {
            self.end(&mut files, &segment);
        } else {
            log::info!("{rows} usage rows of a process that is gone are being stored");
        }
    }

    /// So much less waits for the database.
    pub(super) fn lower(&self, rows: u64, bytes: u64) {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let _ =
            self.rows.fetch_update(Ordering::AcqRel, Ordering::Acquire, |all| Some(all.saturating_sub(rows)));
        let _ = self
            .bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |all| Some(all.saturating_sub(bytes)));
    }

    /// The database has all of `segment`.
    pub(super) fn end(&self, files: &mut Files, segment: &Arc<Segment>) {
        let is_it = |other: &Arc<Segment>| Arc::ptr_eq(other, segment);
        let is_current = files.current.as_ref().is_some_and(is_it);
        if is_current && !segment.is_damaged() {
            if let Err(error) = segment.empty() {
                log::warn!("{} cannot be emptied: {error}", segment.path().display());
            }
            return;
        }
        if is_current {
            files.current = None;
        }
        files.others.retain(|other| !is_it(other));
        match segment.end() {
            Ok(None) => {}
            Ok(Some(aside)) => {
                self.set_aside.fetch_add(1, Ordering::AcqRel);
                log::error!(
                    "a file of the journal is damaged: its other rows are stored, and it is kept as {}",
                    aside.display()
                );
            }
            Err(error) => log::error!("{} cannot be put away: {error}", segment.path().display()),
        }
    }

    /// Makes everything that was appended so far safe, and says up to where that is.
    fn sync(&self) -> u64 {
        let (place, segments, is_new) = {
            let mut files = self.files();
            (files.place, std::mem::take(&mut files.unsynced), std::mem::take(&mut files.is_new))
        };
        let synced = segments.iter().try_for_each(|segment| segment.sync());
        let folder = if is_new { sync_folder(&self.options.folder) } else { Ok(()) };
        if let Err(error) = synced.and(folder) {
            // What the disk did not take once it may forget without a word, so a new file is begun.
            self.fails(&error);
            self.spoilt(&mut self.files(), &AppendError { error, is_spoilt: true });
        }
        place
    }
}

impl Drop for Inner {
    /// An empty file has nothing to tell the next process.
    fn drop(&mut self) {
        if let Some(current) = &self.files().current
            && current.length() == 0
        {
            let _ = fs::remove_file(current.path());
        }
    }
}

/// Creates the folder, for this user alone.
fn prepare(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

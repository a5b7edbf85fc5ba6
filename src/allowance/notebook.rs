//! The notebook: what is in hand, in a file, so that a process which was killed finds it again when it
//! is started anew, and its limits are neither passed nor shortened by that.
//!
//! One positioned write of one record before what it says is used; nothing is forced to the disk, since
//! only a crash of the machine could lose it, and after one of those nothing in it is believed. Two
//! processes in one folder have a notebook each.

use super::Mark;
use crate::domain::quota::{Quota, QuotaKind};
use crate::domain::time::Timestamp;
use openssl::sha::sha256;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The most processes that have a notebook in one folder.
const MOST: usize = 16;
/// Bytes of a record: kind, subject, period, granted, used and limit, and what vouches for them.
const RECORD: usize = 64;
const TEXT: usize = 48;
/// Tells one boot of a machine from the next (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A notebook that this process alone writes in.
#[derive(Debug)]
pub struct Notebook {
    file: File,
    places: HashMap<(Quota, i64), u64>,
    free: Vec<u64>,
    next: u64,
    /// Looked through for what is over when it holds so many.
    full: usize,
    is_broken: bool,
}

impl Notebook {
    /// Takes over the first notebook of this `name` in `folder` whose writer is dead, with what that had
    /// in hand of periods that are not over at `now`; or begins one. `database` says which one the
    /// parts are of: those of another are not ours. `None`: there is no such file to be had, and what is
    /// in hand dies with the process.
    pub fn open(folder: &Path, name: &str, database: &str, now: Timestamp) -> Option<(Notebook, Vec<Mark>)> {
        let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
        let opened = (0..MOST).find_map(|number| {
            let file = create(&folder.join(format!("{name}-{number}.parts")));
            let file =
                file.inspect_err(|error| log::debug!("no notebook in the data folder: {error}")).ok()?;
            // The lock ends with whoever holds it, however that ends.
            file.try_lock().ok().map(|()| file)
        });
        // Where boots cannot be told apart, nothing that was written before is believed.
        let title = sha256(format!("parts 1\n{database}\n{boot}").as_bytes());
        let (file, is_known) = (opened?, !boot.is_empty());
        let read = read(file, &title, is_known, now);
        read.inspect_err(|error| log::warn!("the notebook of what is in hand cannot be used: {error}")).ok()
    }

    /// Writes down how it stands with one quota in one period. A notebook that cannot be written in is
    /// wiped: one that says less than was used would be worse than none.
    pub fn note(&mut self, mark: &Mark, now: Timestamp) {
        if self.is_broken {
            return;
        }
        if let Err(error) = self.write(mark, now) {
            log::warn!("what is in hand can no longer be noted, a restart will not find it: {error}");
            self.is_broken = true;
            let _ = self.file.set_len(0);
        }
    }

    fn write(&mut self, mark: &Mark, now: Timestamp) -> io::Result<()> {
        let at = (mark.quota, mark.period);
        let place = match self.places.get(&at) {
            Some(place) => *place,
            None => {
                let place = self.place(now);
                self.places.insert(at, place);
                place
            }
        };
        self.file.write_all_at(&record(mark), place * RECORD as u64)
    }

    fn place(&mut self, now: Timestamp) -> u64 {
        if self.places.len() >= self.full {
            let free = &mut self.free;
            self.places.retain(|(quota, period), place| {
                let is_over = quota.kind.end(*period) <= now;
                if is_over {
                    free.push(*place);
                }
                !is_over
            });
            self.full = (self.places.len() * 2).max(64);
        }
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next
        })
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The first record's place holds the title.
fn read(
    mut file: File,
    title: &[u8; 32],
    is_known: bool,
    now: Timestamp,
) -> io::Result<(Notebook, Vec<Mark>)> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let mut records = text.chunks_exact(RECORD);
    let same = is_known && records.next().is_some_and(|first| first.starts_with(title));
    let mut marks: HashMap<(Quota, i64), Mark> = HashMap::new();
    for mark in records.filter(|_| same).filter_map(mark) {
        if mark.quota.kind.end(mark.period) > now {
            marks.insert((mark.quota, mark.period), mark);
        }
    }
    file.set_len(0)?;
    let mut first = [0u8; RECORD];
    first.iter_mut().zip(title).for_each(|(to, from)| *to = *from);
    file.write_all_at(&first, 0)?;
    let notebook =
        Notebook { file, places: HashMap::new(), free: Vec::new(), next: 0, full: 64, is_broken: false };
    Ok((notebook, marks.into_values().collect()))
}

fn record(mark: &Mark) -> [u8; RECORD] {
    let kind =
        QuotaKind::ALL.iter().position(|kind| *kind == mark.quota.kind).unwrap_or(QuotaKind::ALL.len());
    let figures = [
        (kind as u64).to_le_bytes(),
        mark.quota.subject.to_le_bytes(),
        mark.period.to_le_bytes(),
        mark.granted.to_le_bytes(),
        mark.used.to_le_bytes(),
        u64::from(mark.limit).to_le_bytes(),
    ];
    let mut record = [0u8; RECORD];
    let text = figures.as_flattened();
    let vouching = sha256(text);
    record.iter_mut().zip(text.iter().chain(&vouching)).for_each(|(to, from)| *to = *from);
    record
}

/// What a record says; `None`: nobody vouches for it.
fn mark(record: &[u8]) -> Option<Mark> {
    let (text, vouching) = record.split_at_checked(TEXT)?;
    let mut figures = text.chunks_exact(8).map(|figure| figure.try_into().map(u64::from_le_bytes));
    let mut figure = || figures.next()?.ok();
    let kind = *QuotaKind::ALL.get(usize::try_from(figure()?).ok()?)?;
    let (subject, period) = (figure()?.cast_signed(), figure()?.cast_signed());
    let (granted, used) = (figure()?, figure()?);
    let limit = u32::try_from(figure()?).ok()?;
    let mark = Mark { quota: Quota { kind, subject }, period, granted, used, limit };
    sha256(text).starts_with(vouching).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(20_000 * 86_400_000);

    fn mark(kind: QuotaKind, subject: i64, used: u64) -> Mark {
        let quota = Quota { kind, subject };
        Mark { quota, period: kind.period(NOW), granted: 10, used, limit: 50 }
    }

    fn open(folder: &Path, database: &str, now: Timestamp) -> (Notebook, Vec<Mark>) {
        let (notebook, mut marks) = Notebook::open(folder, "keys", database, now).expect("a notebook");
        marks.sort_by_key(|mark| mark.quota);
        (notebook, marks)
    }

    #[test]
    fn what_was_in_hand_is_found_again_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notebook, marks) = open(folder.path(), "a", NOW);
        assert_eq!(marks, []);
        let kept = [mark(QuotaKind::AccountDay, 1, 4), mark(QuotaKind::KeyDay, 1, 0)];
        for mark in [mark(QuotaKind::AccountDay, 1, 3), kept[1], kept[0]] {
            notebook.note(&mark, NOW);
        }
        notebook.note(&mark(QuotaKind::TokenMinute, 1, 0), NOW);
        // A second process beside it has a notebook of its own.
        assert_eq!(open(folder.path(), "a", NOW).1, []);
        drop(notebook);
        let later = NOW.after(std::time::Duration::from_secs(60));
        assert_eq!(open(folder.path(), "a", later).1, kept, "but for the minute that is over");
        assert_eq!(open(folder.path(), "a", later).1, [], "it is the taker's now");
    }

    #[test]
    fn parts_of_another_database_and_damaged_records_are_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |database: &str| {
            let (mut notebook, _) = open(folder.path(), database, NOW);
            notebook.note(&mark(QuotaKind::AccountDay, 1, 3), NOW);
            notebook.note(&mark(QuotaKind::AccountDay, 2, 3), NOW);
        };
        write("a");
        assert_eq!(open(folder.path(), "b", NOW).1, []);
        write("b");
        let path = folder.path().join("keys-0.parts");
        let mut text = std::fs::read(&path).expect("the file");
        text[RECORD + 32] ^= 1;
        std::fs::write(&path, &text).expect("the file");
        assert_eq!(open(folder.path(), "b", NOW).1, [mark(QuotaKind::AccountDay, 2, 3)]);
        write("b");
        let text = std::fs::read(&path).expect("the file");
        std::fs::write(&path, &text[..text.len() - 1]).expect("the file");
        assert_eq!(open(folder.path(), "b", NOW).1, [mark(QuotaKind::AccountDay, 1, 3)]);
    }

    #[test]
    fn places_of_periods_that_are_over_are_used_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notebook, _) = open(folder.path(), "a", NOW);
        for minute in 0..10_000 {
            let now = NOW.after(std::time::Duration::from_secs(minute * 60));
            let minute =
                Mark { period: QuotaKind::TokenMinute.period(now), ..mark(QuotaKind::TokenMinute, 1, 1) };
            notebook.note(&minute, now);
        }
        let length = std::fs::metadata(folder.path().join("keys-0.parts")).expect("the file").len();
        assert!(length <= 66 * RECORD as u64, "{length}");
    }

    #[test]
    fn where_no_file_can_be_there_is_no_notebook() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Notebook::open(&folder.path().join("missing"), "keys", "a", NOW).is_none());
    }
}

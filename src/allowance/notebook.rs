//! The notebook: what was used of what is held, in a file, so that a process which was killed finds it
//! again when it is started anew, and its limits are neither passed nor shortened by that. How much is
//! held stands in the store, under the holder's name, which is kept here too.
//!
//! One positioned write of one record before what it says is used; nothing is forced to the disk, since
//! only a crash of the machine could lose it, and after one of those nothing in it is believed. Two
//! processes in one folder have a notebook each.

use super::Mark;
use crate::domain::quota::{Holder, Quota, QuotaKind};
use crate::domain::time::Timestamp;
use openssl::sha::sha256;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The most processes that have a notebook in one folder.
const MOST: usize = 16;
/// Bytes of a record: kind, subject, period, used and limit, and what vouches for them.
const RECORD: usize = 64;
const TEXT: usize = 40;
/// Bytes of the first record that say whose parts of what they are; the holder's name follows.
const TITLE: usize = 32;
/// Tells one boot of a machine from the next (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A notebook that this process alone writes in.
#[derive(Debug)]
pub struct Notebook {
    holder: Holder,
    /// `None`: there is none to be had, and what is in hand dies with the process.
    file: Option<File>,
    places: HashMap<(Quota, i64), u64>,
    free: Vec<u64>,
    next: u64,
    /// Looked through for what is over when it holds so many.
    full: usize,
    is_broken: bool,
}

impl Notebook {
    /// Takes over the first notebook of this `name` in `folder` whose writer is dead, with what that had
    /// used of periods that are not over at `now`; or begins one. `database` says which one the
    /// parts are of: those of another are not ours.
    pub fn open(folder: &Path, name: &str, database: &str, now: Timestamp) -> (Notebook, Vec<Mark>) {
        let opened = (0..MOST).find_map(|number| {
            let file = create(&folder.join(format!("{name}-{number}.parts")));
            let file =
                file.inspect_err(|error| log::debug!("no notebook in the data folder: {error}")).ok()?;
            // The lock ends with whoever holds it, however that ends.
            file.try_lock().ok().map(|()| file)
        });
        let read = opened.map(|file| read(file, database, now)).transpose();
        let read = read.inspect_err(|error| {
            log::warn!("the notebook of what is in hand cannot be used: {error}");
        });
        read.ok().flatten().unwrap_or_else(|| (Notebook::begin(new_name(), None), Vec::new()))
    }

    fn begin(holder: u128, file: Option<File>) -> Notebook {
        let holder = Holder(format!("{holder:032x}"));
        Notebook {
            holder,
            file,
            places: HashMap::new(),
            free: Vec::new(),
            next: 0,
            full: 64,
            is_broken: false,
        }
    }

    /// Whose parts are noted here.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Writes down how it stands with one quota in one period. A notebook that cannot be written in is
    /// wiped: one that says less than was used would be worse than none.
    pub fn note(&mut self, mark: &Mark, now: Timestamp) {
        let place = self.place(mark, now);
        let Some(file) = self.file.as_ref().filter(|_| !self.is_broken) else { return };
        if let Err(error) = file.write_all_at(&record(mark), place * RECORD as u64) {
            log::warn!("what is in hand can no longer be noted, a restart will not find it: {error}");
            let _ = file.set_len(0);
            self.is_broken = true;
        }
    }

    fn place(&mut self, mark: &Mark, now: Timestamp) -> u64 {
        let at = (mark.quota, mark.period);
        if let Some(place) = self.places.get(&at) {
            return *place;
        }
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
        let place = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        self.places.insert(at, place);
        place
    }
}

fn new_name() -> u128 {
    fastrand::u128(..)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// What is believed in must stand in this very file, not in a copy of it, and be of this boot.
fn title(file: &File, database: &str) -> io::Result<Option<[u8; TITLE]>> {
    let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
    let metadata = file.metadata()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let text = format!("parts 2\n{database}\n{boot}\n{device} {inode}");
    // Where boots cannot be told apart, nothing that was written before is believed.
    Ok((!boot.is_empty()).then(|| sha256(text.as_bytes())))
}

/// The first record's place holds the title and the holder.
fn read(mut file: File, database: &str, now: Timestamp) -> io::Result<(Notebook, Vec<Mark>)> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let title = title(&file, database)?;
    if let Some((holder, marks)) = title.and_then(|title| known(&text, &title)) {
        let mut notebook = Notebook::begin(holder, Some(file));
        notebook.next = marks.len() as u64;
        let mut alive = Vec::new();
        for (mark, place) in marks.into_iter().zip(1..) {
            if mark.quota.kind.end(mark.period) > now {
                notebook.places.insert((mark.quota, mark.period), place);
                alive.push(mark);
            } else {
                notebook.free.push(place);
            }
        }
        return Ok((notebook, alive));
    }
    let holder = new_name();
    file.set_len(0)?;
    file.write_all_at(&first(&title.unwrap_or_default(), holder), 0)?;
    Ok((Notebook::begin(holder, Some(file)), Vec::new()))
}

/// The holder and every mark of a notebook, if it is of this title and whole: where one record is damaged,
/// nobody knows what was used.
fn known(text: &[u8], title: &[u8; TITLE]) -> Option<(u128, Vec<Mark>)> {
    let (beginning, records) = text.split_at_checked(RECORD)?;
    let holder = beginning.get(TITLE..TITLE + 16)?.try_into().map(u128::from_le_bytes).ok()?;
    let is_whole = beginning == first(title, holder) && records.len().is_multiple_of(RECORD);
    let marks = records.chunks_exact(RECORD).map(mark).collect::<Option<Vec<_>>>();
    marks.filter(|_| is_whole).map(|marks| (holder, marks))
}

fn first(title: &[u8; TITLE], holder: u128) -> [u8; RECORD] {
    let text = [title.as_slice(), &holder.to_le_bytes()].concat();
    vouched(&text)
}

/// A text, and as much as there is room for of what vouches for it.
fn vouched(text: &[u8]) -> [u8; RECORD] {
    let mut record = [0u8; RECORD];
    record.iter_mut().zip(text.iter().chain(&sha256(text))).for_each(|(to, from)| *to = *from);
    record
}

fn record(mark: &Mark) -> [u8; RECORD] {
    let kind =
        QuotaKind::ALL.iter().position(|kind| *kind == mark.quota.kind).unwrap_or(QuotaKind::ALL.len());
    let figures = [
        (kind as u64).to_le_bytes(),
        mark.quota.subject.to_le_bytes(),
        mark.period.to_le_bytes(),
        mark.used.to_le_bytes(),
        u64::from(mark.limit).to_le_bytes(),
    ];
    vouched(figures.as_flattened())
}

/// What a record says; `None`: nobody vouches for it.
fn mark(record: &[u8]) -> Option<Mark> {
    let (text, vouching) = record.split_at_checked(TEXT)?;
    let mut figures = text.chunks_exact(8).map(|figure| figure.try_into().map(u64::from_le_bytes));
    let mut figure = || figures.next()?.ok();
    let kind = *QuotaKind::ALL.get(usize::try_from(figure()?).ok()?)?;
    let (subject, period) = (figure()?.cast_signed(), figure()?.cast_signed());
    let used = figure()?;
    let limit = u32::try_from(figure()?).ok()?;
    let mark = Mark { quota: Quota { kind, subject }, period, used, limit };
    sha256(text).starts_with(vouching).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(20_000 * 86_400_000);

    fn mark(kind: QuotaKind, subject: i64, used: u64) -> Mark {
        let quota = Quota { kind, subject };
        Mark { quota, period: kind.period(NOW), used, limit: 50 }
    }

    fn open(folder: &Path, database: &str, now: Timestamp) -> (Notebook, Vec<Mark>) {
        let (notebook, mut marks) = Notebook::open(folder, "keys", database, now);
        marks.sort_by_key(|mark| mark.quota);
        (notebook, marks)
    }

    /// Writes two records and closes the notebook; its holder.
    fn write(folder: &Path, database: &str) -> Holder {
        let (mut notebook, _) = open(folder, database, NOW);
        for account in [1, 2] {
            notebook.note(&mark(QuotaKind::AccountDay, account, 3), NOW);
        }
        notebook.holder().clone()
    }

    #[test]
    fn what_was_used_is_found_again_under_the_same_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notebook, marks) = open(folder.path(), "a", NOW);
        assert_eq!(marks, []);
        let kept = [mark(QuotaKind::AccountDay, 1, 4), mark(QuotaKind::KeyDay, 1, 0)];
        for mark in [mark(QuotaKind::AccountDay, 1, 3), kept[1], kept[0]] {
            notebook.note(&mark, NOW);
        }
        notebook.note(&mark(QuotaKind::TokenMinute, 1, 0), NOW);
        // A second process beside it has a notebook and a name of its own.
        let (other, marks) = open(folder.path(), "a", NOW);
        assert_eq!(marks, []);
        assert_ne!(other.holder(), notebook.holder());
        let holder = notebook.holder().clone();
        drop(notebook);
        let later = NOW.after(std::time::Duration::from_secs(60));
        for _ in 0..2 {
            let (again, marks) = open(folder.path(), "a", later);
            assert_eq!(marks, kept, "but for the minute that is over");
            assert_eq!(again.holder(), &holder);
        }
    }

    #[test]
    fn parts_of_another_database_damaged_and_copied_notebooks_are_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys-0.parts");
        let bytes = || std::fs::read(&path).expect("the file");
        let put = |bytes: &[u8]| std::fs::write(&path, bytes).expect("the file");
        let harms: [&dyn Fn(); 5] = [
            &|| {
                let mut text = bytes();
                text[RECORD + 32] ^= 1;
                put(&text);
            },
            &|| {
                let mut text = bytes();
                text[TITLE] ^= 1;
                put(&text);
            },
            &|| {
                let text = bytes();
                put(&text[..text.len() - 1]);
            },
            &|| put(&[]),
            &|| {
                let copy = folder.path().join("copy");
                std::fs::copy(&path, &copy).expect("a copy");
                std::fs::rename(&copy, &path).expect("renamed");
            },
        ];
        for (at, harm) in harms.iter().enumerate() {
            let holder = write(folder.path(), "a");
            harm();
            let (notebook, marks) = open(folder.path(), "a", NOW);
            assert_eq!(marks, [], "{at}");
            assert_ne!(notebook.holder(), &holder, "{at}");
        }
        let holder = write(folder.path(), "a");
        let (notebook, marks) = open(folder.path(), "b", NOW);
        assert_eq!(marks, []);
        assert_ne!(notebook.holder(), &holder);
    }

    #[test]
    fn places_of_periods_that_are_over_are_used_again() {
        let folder = tempfile::tempdir().expect("a folder");
        for begin in [0, 5_000] {
            let now = NOW.after(std::time::Duration::from_secs(begin * 60));
            let (mut notebook, _) = open(folder.path(), "a", now);
            for minute in begin..begin + 5_000 {
                let now = NOW.after(std::time::Duration::from_secs(minute * 60));
                let minute =
                    Mark { period: QuotaKind::TokenMinute.period(now), ..mark(QuotaKind::TokenMinute, 1, 1) };
                notebook.note(&minute, now);
            }
        }
        let length = std::fs::metadata(folder.path().join("keys-0.parts")).expect("the file").len();
        assert!(length <= 66 * RECORD as u64, "{length}");
    }

    #[test]
    fn where_no_file_can_be_nothing_is_noted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notebook, marks) = open(&folder.path().join("missing"), "a", NOW);
        notebook.note(&mark(QuotaKind::AccountDay, 1, 3), NOW);
        assert_eq!(marks, []);
    }
}

//! The journal as a whole: what was appended is given back once, whatever happened to its files.

use super::*;
use crate::domain::ids::RequestId;
use crate::domain::time::Timestamp;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn options(folder: &TempDir) -> Options {
    let folder = folder.path().join("journal");
    Options { folder, most_bytes: 1 << 30, durability: Durability::Process }
}

fn open(folder: &TempDir) -> Journal {
    Journal::open(options(folder)).expect("a journal")
}

fn row(number: i64) -> Arc<UsageRow> {
    let at = Timestamp::from_millis(number);
    Arc::new(UsageRow {
        model: format!("m/{number}"),
        ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
    })
}

fn append(journal: &Journal, numbers: std::ops::Range<i64>) {
    for number in numbers {
        assert!(journal.append(&row(number)).is_done());
    }
}

/// Takes all there is, and gives the numbers of its rows.
fn drain(journal: &Journal) -> Vec<i64> {
    let mut numbers = Vec::new();
    while let Some(taken) = journal.take(7) {
        assert!(taken.rows().len() <= 7);
        numbers.extend(taken.rows().iter().map(|row| row.time.millis()));
        journal.done(taken);
    }
    numbers
}

/// As if its process had been killed: the files stay as they are, their locks go.
fn kill(journal: Journal) {
    let inner = Arc::into_inner(journal.0).expect("the only one");
    // A killed process deletes nothing.
    inner.files().current = None;
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("journal")).expect("a folder");
    entries.flatten().map(|entry| entry.path()).collect()
}

fn the_file(folder: &TempDir) -> PathBuf {
    let mut files = files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn rows_come_back_in_order_and_once() {
    let folder = folder();
    let journal = open(&folder);
    append(&journal, 0..20);
    assert_eq!(journal.depth().rows, 20);
    let taken = journal.take(7).expect("rows");
    assert_eq!(taken.rows()[0].time.millis(), 0);
    // Not done: the same come again.
    drop(taken);
    append(&journal, 20..25);
    assert_eq!(drain(&journal), (0..25).collect::<Vec<i64>>());
    assert_eq!(journal.depth(), Depth { rows: 0, bytes: 0 });
    assert_eq!(the_file(&folder).metadata().expect("a file").len(), 0, "nothing is kept in vain");
    append(&journal, 25..26);
    assert_eq!(drain(&journal), [25]);
    drop(journal);
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
}

#[test]
fn only_this_user_reads_it() {
    let folder = folder();
    let journal = open(&folder);
    append(&journal, 0..1);
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&options(&folder).folder), 0o700);
    assert_eq!(mode(&the_file(&folder)), 0o600);
}

#[test]
fn what_a_dead_process_left_is_taken_over_and_a_live_one_keeps_its_own() {
    let folder = folder();
    let dead = open(&folder);
    append(&dead, 0..10);
    let taken = dead.take(7).expect("rows");
    dead.done(taken);
    kill(dead);
    let live = open(&folder);
    append(&live, 10..12);
    let next = open(&folder);
    append(&next, 12..13);
    next.adopt();
    assert_eq!(next.depth().rows, 11, "a crash forgets how far its rows were stored");
    assert_eq!(drain(&next).into_iter().collect::<BTreeSet<i64>>(), (0..10).chain(12..13).collect());
    assert_eq!(drain(&live), [10, 11]);
    next.adopt();
    assert_eq!(next.depth().rows, 0);
    assert_eq!(files(&folder).len(), 2);
}

#[test]
fn a_torn_end_is_cut_without_a_word() {
    for cut in [1, 16, 17, 18, 60] {
        let folder = folder();
        let dead = open(&folder);
        append(&dead, 0..3);
        kill(dead);
        let file = File::options().write(true).open(the_file(&folder)).expect("a file");
        let length = file.metadata().expect("a length").len();
        file.set_len(length - length / 3 + cut).expect("a cut");
        let next = open(&folder);
        next.adopt();
        assert_eq!(drain(&next), [0, 1], "cut {cut}");
        assert_eq!((next.set_aside(), next.depth().bytes), (0, 0));
        assert_eq!(files(&folder).len(), 1, "the torn file is gone");
    }
}

#[test]
fn a_damaged_file_gives_its_other_rows_and_is_kept() {
    let folder = folder();
    let dead = open(&folder);
    append(&dead, 0..30);
    kill(dead);
    let path = the_file(&folder);
    let mut bytes = fs::read(&path).expect("a file");
    let at = bytes.len() / 2;
    bytes[at] ^= 16;
    fs::write(&path, &bytes).expect("a file");
    let next = open(&folder);
    next.adopt();
    let found = drain(&next);
    assert_eq!(found.len(), 29, "{found:?}");
    assert_eq!((next.set_aside(), next.depth()), (1, Depth { rows: 0, bytes: 0 }));
    assert_eq!(fs::read(path.with_extension("damaged")).expect("kept"), bytes);
    append(&next, 30..31);
    assert_eq!(drain(&next), [30]);
    next.adopt();
    assert_eq!(next.set_aside(), 1);
}

#[test]
fn its_own_file_may_be_damaged_while_it_serves() {
    let folder = folder();
    let journal = open(&folder);
    // More than is kept in memory beside it.
    append(&journal, 0..34_000);
    let path = the_file(&folder);
    let mut bytes = fs::read(&path).expect("a file");
    assert!(bytes.len() > 7 << 20);
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("the same file");
    assert_eq!(drain(&journal), (0..33_999).collect::<Vec<i64>>());
    append(&journal, 34_000..34_002);
    assert_eq!(drain(&journal), [34_000, 34_001]);
    assert_eq!((journal.set_aside(), journal.depth().rows), (1, 0));
}

#[test]
fn files_end_and_are_deleted_one_by_one() {
    let folder = folder();
    let journal = Journal::open(Options { most_bytes: 30_000, ..options(&folder) }).expect("a journal");
    append(&journal, 0..60);
    assert!(!journal.is_full());
    append(&journal, 60..200);
    assert!(journal.is_full(), "{:?}", journal.depth());
    assert!(files(&folder).len() > 1);
    assert_eq!(drain(&journal), (0..200).collect::<Vec<i64>>());
    assert!(!journal.is_full());
    assert_eq!(files(&folder).len(), 1);
}

#[test]
fn rows_that_no_disk_takes_wait_and_keep_new_requests_out() {
    let folder = folder();
    let journal = open(&folder);
    append(&journal, 0..2);
    // No file can be written to and none can be begun.
    fs::rename(&options(&folder).folder, folder.path().join("away")).expect("moved");
    journal.0.files().current = None;
    append(&journal, 2..5);
    assert!(journal.is_failing() && journal.is_full());
    journal.mend();
    assert!(journal.is_failing());
    assert_eq!(journal.unwritten(2).len(), 2);
    journal.forget(1);
    fs::rename(folder.path().join("away"), &options(&folder).folder).expect("back");
    journal.mend();
    assert!(!journal.is_failing() && !journal.is_full());
    assert_eq!(drain(&journal), [3, 4]);
    assert_eq!(journal.depth().rows, 2, "those of the file that was lost to it");
    journal.adopt();
    assert_eq!(drain(&journal), [0, 1]);
}

#[test]
fn many_threads_append_and_nothing_is_lost() {
    let folder = folder();
    let journal = Journal::open(Options { most_bytes: 100_000, ..options(&folder) }).expect("a journal");
    let mut found = BTreeSet::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|thread| {
                let journal = journal.clone();
                scope.spawn(move || append(&journal, thread * 1000..thread * 1000 + 500))
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            for number in drain(&journal) {
                assert!(found.insert(number), "{number} came twice");
            }
        }
    });
    found.extend(drain(&journal));
    assert_eq!(found.len(), 2000);
    assert_eq!(journal.depth(), Depth { rows: 0, bytes: 0 });
}

#[actix_web::test]
async fn with_disk_the_wait_ends_when_the_disk_has_it() {
    let folder = folder();
    let options = Options { durability: Durability::Disk, most_bytes: 20_000, ..options(&folder) };
    let journal = Journal::open(options).expect("a journal");
    let mut waiting = Vec::new();
    for number in 0..150 {
        let written = journal.append(&row(number));
        assert!(!written.is_done());
        waiting.push(written);
    }
    for written in waiting {
        written.await;
    }
    assert!(journal.0.files().unsynced.is_empty());
    assert_eq!(drain(&journal).len(), 150);
}

#[test]
fn rubbish_in_its_folder_is_left_alone() {
    let folder = folder();
    drop(open(&folder));
    let other = options(&folder).folder.join("notes.txt");
    File::create(&other).and_then(|mut file| file.write_all(b"mine")).expect("a file");
    let rubbish = options(&folder).folder.join("rubbish.journal");
    fs::write(&rubbish, b"no journal at all, but a text of some length").expect("a file");
    let journal = open(&folder);
    journal.adopt();
    assert_eq!(drain(&journal), Vec::<i64>::new());
    assert_eq!(journal.set_aside(), 1);
    assert!(other.exists() && rubbish.with_extension("damaged").exists());
}

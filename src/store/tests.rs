//! Opening: new, again, with the wrong key, and on what is no database of ours.

use super::testing::{Bench, key, raw};
use super::*;
use crate::domain::time::{Day, Timestamp};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// The error of an opening that must fail, as its text and whether it is the operator's to mend.
fn refusal(bench: &Bench) -> (String, bool) {
    let error = bench.try_open().err().expect("a refusal");
    (error.to_string(), error.is_configuration())
}

#[test]
fn a_new_database_and_its_key_are_the_owners_alone() {
    let bench = Bench::sqlite();
    let store = bench.open();
    store.add_key(key("one"), NOW).expect("a key");
    for name in ["test.db", "test.db-wal", "test.db-shm", "secret.key"] {
        let path = bench.database().with_file_name(name);
        let rights = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(rights, 0o600, "{name}");
    }
}

#[test]
fn the_database_holds_no_key_in_clear() {
    let bench = Bench::sqlite();
    let secret = key("one").secret;
    let store = bench.open();
    store.add_key(key("one"), NOW).expect("a key");
    let mut bytes = fs::read(bench.database()).expect("a file");
    bytes.extend(fs::read(bench.database().with_file_name("test.db-wal")).expect("a file"));
    // The last four characters are the hint, which is meant to be shown.
    let text = secret.expose().as_bytes();
    assert!(text.windows(8).all(|piece| !bytes.windows(8).any(|window| window == piece)));
}

#[test]
fn the_wrong_secret_key_is_refused() {
    let bench = Bench::new();
    bench.open();
    let other = SecretKey::generate().expect("randomness").to_file_text();
    fs::write(bench.key_file(), other.as_bytes()).expect("a file");
    let error = bench.try_open().err().expect("a refusal");
    assert!(matches!(error, StoreError::WrongSecretKey { .. }) && error.is_configuration(), "{error}");
    assert!(!error.to_string().contains(other.trim()));
}

#[test]
fn a_missing_secret_key_is_not_replaced() {
    let bench = Bench::new();
    bench.open();
    fs::remove_file(bench.key_file()).expect("a file");
    let error = bench.try_open().err().expect("a refusal");
    assert!(matches!(error, StoreError::MissingSecretKey { .. }) && error.is_configuration(), "{error}");
    assert!(!bench.key_file().exists());
}

#[test]
fn the_secret_key_may_come_from_a_setting() {
    let bench = Bench::new();
    bench.open();
    let text = fs::read_to_string(bench.key_file()).expect("a file");
    fs::remove_file(bench.key_file()).expect("a file");
    let given = SecretKeySource::Given(crate::domain::secret::Secret::new(text));
    assert!(Store::open(&bench.place(), &given).is_ok());
    assert!(!bench.key_file().exists());
}

#[test]
fn a_lost_data_key_is_not_replaced() {
    let bench = Bench::new();
    bench.open().add_key(key("one"), NOW).expect("a key");
    raw(&bench, "DELETE FROM settings");
    assert!(matches!(bench.try_open().err(), Some(StoreError::LostDataKey)));
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.open();
    raw(&bench, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
    let (text, ours) = refusal(&bench);
    assert!(text.contains("newer version (schema 20991231000001)") && ours, "{text}");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let bench = Bench::sqlite();
    fs::write(bench.database(), b"").expect("a file");
    raw(&bench, "CREATE TABLE usage_logs (id INTEGER PRIMARY KEY)");
    let before = fs::read(bench.database()).expect("a file");
    let (text, ours) = refusal(&bench);
    assert!(text.contains("belongs to another program") && ours, "{text}");
    assert_eq!(fs::read(bench.database()).expect("a file"), before);
    assert!(!bench.key_file().exists());
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let bench = Bench::sqlite();
    fs::write(bench.database(), "{\"keys\": []}".repeat(100)).expect("a file");
    let (text, ours) = refusal(&bench);
    assert!(text.contains("is not a SQLite database") && ours, "{text}");
    assert!(fs::read_to_string(bench.database()).expect("a file").starts_with("{\"keys\""));
    assert!(!bench.key_file().exists());
}

#[test]
fn a_read_only_database_is_refused() {
    let bench = Bench::sqlite();
    let copy = copied(&bench);
    // A write version that SQLite does not know makes a file read-only for everyone, root too
    // (sqlite.org/fileformat2.html, 1.3.3).
    let mut bytes = fs::read(&copy).expect("a file");
    bytes[18] = 9;
    fs::write(&copy, bytes).expect("a file");
    let error = Store::open(&Place::Sqlite(copy), &SecretKeySource::File(bench.key_file()));
    let error = error.err().expect("a refusal");
    assert!(matches!(error, StoreError::ReadOnly { .. }) && error.is_configuration(), "{error}");
}

#[test]
fn a_damaged_database_is_refused() {
    let bench = Bench::sqlite();
    let copy = copied(&bench);
    let mut bytes = fs::read(&copy).expect("a file");
    bytes[100..].fill(0xa5);
    fs::write(&copy, bytes).expect("a file");
    let error = Store::open(&Place::Sqlite(copy), &SecretKeySource::File(bench.key_file()));
    let error = error.err().expect("a refusal");
    assert!(matches!(error, StoreError::Damaged { .. }) && error.is_configuration(), "{error}");
}

/// A copy that nobody has open, so that its bytes may be changed.
fn copied(bench: &Bench) -> std::path::PathBuf {
    let store = bench.open();
    let copy = bench.database().with_file_name("copy.db");
    raw(bench, &format!("VACUUM INTO '{}'", copy.display()));
    drop(store);
    copy
}

#[test]
fn a_missing_folder_or_a_folder_is_refused() {
    let bench = Bench::sqlite();
    let source = SecretKeySource::File(bench.key_file());
    let nowhere = Place::Sqlite(bench.database().join("deeper.db"));
    let error = Store::open(&nowhere, &source).err().expect("a refusal");
    assert!(matches!(error, StoreError::FolderMissing { .. }) && error.is_configuration(), "{error}");
    fs::create_dir(bench.database()).expect("a folder");
    let (text, ours) = refusal(&bench);
    assert!(text.contains("it is a folder") && ours, "{text}");
}

#[test]
fn odd_file_names_are_just_names() {
    let bench = Bench::sqlite();
    for name in ["what?mode=memory", "50%25 off#1.db", "空 格.db", "file:x.db"] {
        let path = bench.database().with_file_name(name);
        let open = || Store::open(&Place::Sqlite(path.clone()), &SecretKeySource::File(bench.key_file()));
        open().expect("a database").add_key(key("one"), NOW).expect("a key");
        assert_eq!(open().expect("a database").keys(Day(0)).expect("keys").len(), 1, "{name}");
        assert!(fs::metadata(&path).expect("a file").len() > 0, "{name}");
    }
}

#[test]
fn a_vanished_file_is_not_replaced_by_an_empty_one() {
    let bench = Bench::sqlite();
    let pool = Pool::open(&Place::Sqlite(bench.database())).expect("a database");
    fs::remove_file(bench.database()).expect("a file");
    let error = pool.read(|connection| settings::get(connection, "any")).expect_err("no database");
    assert!(matches!(error, StoreError::Unavailable { .. }) && !error.is_configuration(), "{error}");
    assert!(error.to_string().contains("unable to open"), "{error}");
    assert!(!bench.database().exists());
}

#[test]
fn many_may_open_a_new_database_at_once() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        let openings: Vec<_> = (0..6).map(|_| scope.spawn(|| bench.try_open().map(|_| ()))).collect();
        for opening in openings {
            opening.join().expect("no panic").expect("a database");
        }
    });
    bench.open();
}

#[test]
fn nothing_of_a_place_is_printed_but_a_path() {
    let url = crate::domain::secret::Secret::new("postgres://u:hunter2@h/db");
    assert_eq!(format!("{:?}", Place::Postgres(url)), "Place(on Postgres)");
}

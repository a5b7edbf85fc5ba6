//! Rotations: what opens afterwards, what follows, and what a broken-off one leaves behind.

use super::*;
use crate::domain::secret::Secret;
use crate::domain::time::{Day, Timestamp};
use crate::store::StoreError;
use crate::store::testing::{Bench, key, raw};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn in_place(store: &Store, data_key: bool) -> Result<Rotated, StoreError> {
    let mut never = |_: &str| -> io::Result<()> { panic!("a key in a file is not shown") };
    store.rotate(data_key, HandOver::Show(&mut never))
}

/// The secrets of a store's keys, as they unseal.
fn secrets(store: &Store) -> Vec<String> {
    let keys = store.keys(Day(0)).expect("keys");
    keys.iter().map(|key| key.secret.expose().to_owned()).collect()
}

fn wrapped(store: &Store) -> String {
    let get = |connection: &mut AnyConnection| settings::get(connection, DATA_KEY_SETTING);
    store.pool.read(get).expect("a setting").expect("a data key")
}

fn next_file(bench: &Bench) -> PathBuf {
    bench.key_file().with_file_name("secret.key.new")
}

#[test]
fn a_new_secret_key_opens_and_the_old_one_does_not() {
    let bench = Bench::new();
    let running = bench.open();
    running.add_key(key("one"), NOW).expect("a key");
    let old = fs::read(bench.key_file()).expect("a file");
    let (sealed, data_key) = (running.keys_revision().expect("a number"), wrapped(&running));
    let rotated = in_place(&bench.open(), false).expect("a rotation");
    assert_eq!(rotated, Rotated { resealed: None, file: Some(bench.key_file()), new_secret_key: true });
    assert_ne!(fs::read(bench.key_file()).expect("a file"), old);
    assert_ne!(wrapped(&running), data_key);
    assert!(!next_file(&bench).exists());
    let rights = fs::metadata(bench.key_file()).expect("a file").permissions().mode() & 0o777;
    assert_eq!(rights, 0o600);
    // Whoever runs goes on as before, and whoever starts finds the same keys.
    assert_eq!(running.keys_revision().expect("a number"), sealed);
    running.add_key(key("two"), NOW).expect("a key");
    assert_eq!(secrets(&running), secrets(&bench.open()));
    fs::write(bench.key_file(), old).expect("a file");
    assert!(matches!(bench.try_open().err(), Some(StoreError::WrongSecretKey { .. })));
}

#[test]
fn a_new_data_key_seals_everything_again_and_running_stores_follow() {
    let bench = Bench::new();
    let (running, other) = (bench.open(), bench.open());
    for label in ["one", "two", "three"] {
        running.add_key(key(label), NOW).expect("a key");
    }
    running.remove_key(KeyId(2), NOW).expect("a key");
    let (before, revision) = (secrets(&running), running.keys_revision().expect("a number"));
    let table = || -> Vec<(Option<String>, Option<String>)> {
        let all = |connection: &mut AnyConnection| {
            Ok(keys::table.order(keys::id).select((keys::sealed, keys::fingerprint)).load(connection)?)
        };
        running.pool.read(all).expect("rows")
    };
    let old = table();
    let rotated = in_place(&bench.open(), true).expect("a rotation");
    assert_eq!(rotated.resealed, Some(2));
    for (old, new) in old.iter().zip(table()) {
        assert_eq!(old.0.is_some(), new.0.is_some());
        assert!(old.0.is_none() || (old.0 != new.0 && old.1 != new.1));
    }
    assert_ne!(running.keys_revision().expect("a number"), revision, "servers must read their keys again");
    assert_eq!(secrets(&running), before);
    // One that seals before it has read anything must not seal under the old data key.
    let twice = other.add_key(key("one"), NOW);
    assert!(matches!(twice, Err(StoreError::DuplicateKey { id: KeyId(1) })), "{twice:?}");
    other.add_key(key("four"), NOW).expect("a key");
    assert_eq!(secrets(&running), secrets(&bench.open()));
}

/// Everything that a kill can leave behind, from the first byte written to the last rename.
#[test]
fn a_rotation_that_was_broken_off_leaves_what_starts() {
    let bench = Bench::new();
    let store = bench.open();
    store.add_key(key("one"), NOW).expect("a key");
    let expected = secrets(&store);
    // Before the commit: the next key lies there, whole or torn, and is not in force.
    let stray = SecretKey::generate().expect("randomness").to_file_text();
    for left in [stray.as_bytes(), b"torn".as_slice(), b"".as_slice()] {
        fs::write(next_file(&bench), left).expect("a file");
        fs::set_permissions(next_file(&bench), fs::Permissions::from_mode(0o600)).expect("rights");
        assert_eq!(secrets(&bench.open()), expected);
    }
    in_place(&bench.open(), false).expect("what was left does not stand in the way");
    assert!(!next_file(&bench).exists());
    // After the commit, before the rename.
    let old = fs::read(bench.key_file()).expect("a file");
    in_place(&store, true).expect("a rotation");
    fs::rename(bench.key_file(), next_file(&bench)).expect("a file");
    fs::write(bench.key_file(), &old).expect("a file");
    fs::set_permissions(bench.key_file(), fs::Permissions::from_mode(0o600)).expect("rights");
    assert_eq!(secrets(&bench.open()), expected);
    assert!(!next_file(&bench).exists(), "the next start has put it in its place");
    assert_ne!(fs::read(bench.key_file()).expect("a file"), old);
    // Still a wrong key is a wrong key, whatever lies beside it.
    fs::write(bench.key_file(), &old).expect("a file");
    fs::write(next_file(&bench), stray.as_bytes()).expect("a file");
    fs::set_permissions(next_file(&bench), fs::Permissions::from_mode(0o600)).expect("rights");
    assert!(matches!(bench.try_open().err(), Some(StoreError::WrongSecretKey { .. })));
}

#[test]
fn a_failed_rotation_changes_nothing() {
    let bench = Bench::new();
    let store = bench.open();
    for label in ["one", "two"] {
        store.add_key(key(label), NOW).expect("a key");
    }
    let (expected, before) = (secrets(&store), fs::read(bench.key_file()).expect("a file"));
    raw(&bench, "UPDATE keys SET sealed = 'v1.AAAA.' || sealed WHERE id = 2");
    let error = in_place(&store, true).expect_err("a damaged key");
    assert!(matches!(error, StoreError::DamagedKey { id: KeyId(2) }), "{error}");
    raw(&bench, "UPDATE keys SET sealed = substr(sealed, 9) WHERE id = 2");
    assert_eq!(fs::read(bench.key_file()).expect("a file"), before);
    assert_eq!(secrets(&bench.open()), expected);
    let held = bench.key_file();
    let held = Replacement::begin(&held).expect("the lock");
    assert!(matches!(in_place(&store, false), Err(StoreError::RotationUnderWay)));
    drop(held);
    let elsewhere = bench.key_file().with_file_name("elsewhere");
    let error = store.rotate(false, HandOver::File(&elsewhere)).expect_err("a key in a file");
    assert!(matches!(error, StoreError::RotatesInPlace { .. }) && !elsewhere.exists(), "{error}");
    in_place(&store, false).expect("a rotation");
}

/// A database whose secret key a setting gives.
fn given(bench: &Bench, text: &str) -> Result<Store, StoreError> {
    Store::open(&bench.place(), &SecretKeySource::Given(Secret::new(text)))
}

#[test]
fn a_given_secret_key_is_handed_over_before_it_is_in_force() {
    let bench = Bench::new();
    let first = SecretKey::generate().expect("randomness").to_file_text();
    let store = given(&bench, &first).expect("a database");
    store.add_key(key("one"), NOW).expect("a key");
    let file = bench.key_file().with_file_name("next.key");
    let rotated = store.rotate(false, HandOver::File(&file)).expect("a rotation");
    assert_eq!(rotated.file, Some(file.clone()));
    let second = fs::read_to_string(&file).expect("a file");
    assert!(matches!(given(&bench, &first).err(), Some(StoreError::WrongSecretKey { .. })));
    let store = given(&bench, &second).expect("the new key opens");
    // An existing file is not replaced, and a rotation that cannot be handed over is none.
    assert!(store.rotate(false, HandOver::File(&file)).is_err());
    let mut broken = |_: &str| Err(io::Error::other("nobody reads"));
    let error = store.rotate(false, HandOver::Show(&mut broken)).expect_err("nobody saw the key");
    assert!(matches!(error, StoreError::NotHandedOver(_)), "{error}");
    let mut shown = String::new();
    let mut show = |text: &str| {
        shown.push_str(text);
        Ok(())
    };
    let rotated = store.rotate(false, HandOver::Show(&mut show)).expect("a rotation");
    assert_eq!(rotated, Rotated { resealed: None, file: None, new_secret_key: true });
    assert!(given(&bench, &second).is_err());
    let third = given(&bench, &shown).expect("the key that was shown opens");
    assert_eq!(secrets(&third), secrets(&store));

    let error = third.rotate(true, HandOver::File(&bench.key_file())).expect_err("two steps");
    assert!(matches!(error, StoreError::RotateInTwoSteps { .. }), "{error}");
    let mut never = |_: &str| -> io::Result<()> { panic!("the secret key stays") };
    let rotated = third.rotate(true, HandOver::Show(&mut never)).expect("a rotation");
    assert_eq!(rotated, Rotated { resealed: Some(1), file: None, new_secret_key: false });
    assert_eq!(secrets(&given(&bench, &shown).expect("the same key opens")), secrets(&third));
}

#[test]
fn keys_are_read_and_added_while_the_data_key_changes() {
    let bench = Bench::new();
    let store = bench.open();
    store.add_key(key("first"), NOW).expect("a key");
    std::thread::scope(|scope| {
        let rotating =
            scope.spawn(|| (0..10).map(|_| in_place(&store, true).map(|_| ())).collect::<Vec<_>>());
        let adding = scope.spawn(|| {
            let other = bench.open();
            (0..10).map(|number| other.add_key(key(&format!("k{number}")), NOW)).collect::<Vec<_>>()
        });
        let reader = bench.open();
        while !rotating.is_finished() || !adding.is_finished() {
            assert!(reader.keys(Day(0)).expect("every key unseals").len() <= 11);
        }
        assert!(rotating.join().expect("no panic").iter().all(Result::is_ok));
        assert!(adding.join().expect("no panic").iter().all(Result::is_ok));
    });
    assert_eq!(secrets(&store).len(), 11);
}

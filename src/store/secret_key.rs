//! Where the secret key comes from: a setting, or a file that only this user may read.
//!
//! A rotation writes the next key beside the file, as `secret.key.new`, and renames it once the
//! database is sealed with it: whenever that is broken off, one of the two files opens the database.
//! Must never make a new key for a database that is sealed already, and never replace a file that
//! may be the one that opens it.

use super::error::StoreError;
use super::seal::{DataKey, SecretKey};
use crate::domain::secret::Secret;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// More than any spelling of a secret key needs; a longer file is something else.
const MAX_FILE_BYTES: u64 = 1024;

/// Where to find the secret key.
#[derive(Debug, Clone)]
pub enum SecretKeySource {
    /// The text itself, from `database.secret_key` or `SECRET_KEY`.
    Given(Secret),
    /// A file; it is created when the database is new.
    File(PathBuf),
}

impl SecretKeySource {
    /// Unwraps the data key of a database that is sealed already.
    ///
    /// # Errors
    /// [`StoreError::MissingSecretKey`] when the file is not there; it is not created.
    /// [`StoreError::WrongSecretKey`] when it wraps another data key.
    pub(super) fn data_key(&self, wrapped: &str) -> Result<DataKey, StoreError> {
        let SecretKeySource::File(path) = self else {
            return DataKey::unwrap_by(&self.load()?, wrapped).ok_or_else(|| self.wrong());
        };
        if let Ok(Some(data_key)) = self.load().map(|key| DataKey::unwrap_by(&key, wrapped)) {
            return Ok(data_key);
        }
        // A rotation may have been broken off between its commit and its renaming.
        if let Some(text) = read(&beside(path))?
            && let Some(key) = SecretKey::parse(&text)
            && let Some(data_key) = DataKey::unwrap_by(&key, wrapped)
        {
            // Where nothing can be renamed it is found here again.
            let _ = promote(path);
            return Ok(data_key);
        }
        // Or it was renamed between the two looks.
        let again = self.load()?;
        DataKey::unwrap_by(&again, wrapped).ok_or_else(|| self.wrong())
    }

    /// The key that is in the named place.
    pub(super) fn load(&self) -> Result<SecretKey, StoreError> {
        match self {
            SecretKeySource::Given(text) => self.parse(text),
            SecretKeySource::File(path) => match read(path)? {
                Some(text) => self.parse(&text),
                None => Err(StoreError::MissingSecretKey { path: path.clone() }),
            },
        }
    }

    /// The key for a new database; the file is created if it is not there.
    pub(super) fn load_or_create(&self) -> Result<SecretKey, StoreError> {
        match self {
            SecretKeySource::Given(text) => self.parse(text),
            SecretKeySource::File(path) => match read(path)? {
                Some(text) => self.parse(&text),
                None => {
                    let key = SecretKey::generate()?;
                    create(path, &key)?;
                    Ok(key)
                }
            },
        }
    }

    /// What to call it in an error.
    pub(super) fn origin(&self) -> String {
        match self {
            SecretKeySource::Given(_) => "database.secret_key (SECRET_KEY)".to_owned(),
            SecretKeySource::File(path) => path.display().to_string(),
        }
    }

    fn wrong(&self) -> StoreError {
        StoreError::WrongSecretKey { origin: self.origin() }
    }

    fn parse(&self, text: &Secret) -> Result<SecretKey, StoreError> {
        SecretKey::parse(text).ok_or_else(|| StoreError::MalformedSecretKey { origin: self.origin() })
    }
}

/// What the file holds; `None` when there is none.
fn read(path: &Path) -> Result<Option<Secret>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    let rights = file.metadata().map_err(|error| failed(path, error))?.permissions().mode();
    if rights & 0o077 != 0 {
        return Err(StoreError::ExposedSecretKey { path: path.to_owned() });
    }
    // Sized beforehand: a string that grows leaves unwiped copies behind.
    let mut text = String::with_capacity(MAX_FILE_BYTES as usize);
    match file.take(MAX_FILE_BYTES).read_to_string(&mut text) {
        Ok(_) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(StoreError::MalformedSecretKey { origin: path.display().to_string() })
        }
        Err(error) => Err(failed(path, error)),
    }
}

/// A rotation's hold on the file of a secret key: there is one at a time.
pub(super) struct Replacement<'a> {
    path: &'a Path,
    _lock: File,
}

impl<'a> Replacement<'a> {
    /// Takes hold of the key file at `path`, which must exist.
    pub(super) fn begin(path: &'a Path) -> Result<Replacement<'a>, StoreError> {
        // The folder, since the file itself is about to be another one.
        let lock = File::open(folder_of(path)).map_err(|source| failed(path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Replacement { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::RotationUnderWay),
            Err(TryLockError::Error(source)) => Err(failed(path, source)),
        }
    }

    /// Writes `key` beside the file. The database must be known to open with the file itself: what an
    /// earlier rotation may have left beside it is of no use then.
    pub(super) fn write(&self, key: &SecretKey) -> Result<(), StoreError> {
        let new = beside(self.path);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&new, error)),
            _ => create(&new, key),
        }
    }

    /// Puts the key that was written into the file's place; to be called once the database is sealed
    /// with it. Where it lies now.
    pub(super) fn finish(self) -> PathBuf {
        // Somebody who starts just now may have done the same, which is as good.
        if promote(self.path).is_ok() || !beside(self.path).exists() {
            self.path.to_owned()
        } else {
            beside(self.path)
        }
    }
}

/// Where a rotation keeps the next key until it is in force.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn promote(path: &Path) -> io::Result<()> {
    std::fs::rename(beside(path), path)?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a new file and sees it on disk: the database that is about to be sealed is lost without it.
pub(super) fn create(path: &Path, key: &SecretKey) -> Result<(), StoreError> {
    let failed = |source| failed(path, source);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    if let Err(error) = file.write_all(key.to_file_text().as_bytes()).and_then(|()| file.sync_all()) {
        // Ours alone, since it was created just now; half a key would only be in the way.
        let _ = std::fs::remove_file(path);
        return Err(failed(error));
    }
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::SecretKeyFile { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret.key");
        let source = SecretKeySource::File(path.clone());
        assert!(matches!(source.load(), Err(StoreError::MissingSecretKey { .. })));
        assert!(!path.exists());
        let made = source.load_or_create().expect("a key").to_file_text();
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(source.load().expect("a key").to_file_text(), made);
        assert_eq!(source.load_or_create().expect("a key").to_file_text(), made);
    }

    #[test]
    fn bad_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret.key");
        let source = SecretKeySource::File(path.clone());
        for content in [&b""[..], b"too short", &[0xff; 44], &[b'A'; 5000]] {
            fs::write(&path, content).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("rights");
            let error = source.load_or_create().expect_err("a bad file");
            assert!(matches!(error, StoreError::MalformedSecretKey { .. }), "{error}");
            assert_eq!(fs::read(&path).expect("a file"), content);
        }
        let good = SecretKey::generate().expect("randomness").to_file_text();
        fs::write(&path, good.as_bytes()).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("rights");
        assert!(matches!(source.load(), Err(StoreError::ExposedSecretKey { .. })));
    }

    #[test]
    fn a_given_key_needs_no_file() {
        let text = SecretKey::generate().expect("randomness").to_file_text();
        let source = SecretKeySource::Given(Secret::new(text.as_str()));
        assert_eq!(source.load().expect("a key").to_file_text(), text);
        let bad = SecretKeySource::Given(Secret::new("hunter2"));
        let error = bad.load_or_create().expect_err("a bad key").to_string();
        assert!(error.contains("SECRET_KEY") && !error.contains("hunter2"), "{error}");
    }
}

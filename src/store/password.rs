//! The admin password: kept only as an argon2id hash, never in clear.
//!
//! Hashing and verifying take some 20 ms and 19 MiB on purpose: callers run them off the worker
//! threads and bound how many run at once (stack facts S5).

use super::Store;
use super::error::StoreError;
use super::news::{self, Topic};
use super::sessions;
use super::settings;
use crate::domain::secret::{Digest, Secret};
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use openssl::memcmp;
use std::fmt;
use std::sync::Mutex;

/// The OWASP password storage cheat sheet's least figures for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SETTING: &str = "admin_password";
/// The hash of the password that the configuration gave last: it recognises it, and opens nothing.
const GIVEN_SETTING: &str = "given_admin_password";

/// A password's argon2id hash, with its salt and costs (a PHC string). Checks a password without
/// the database.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes `password` with a new random salt.
    ///
    /// # Errors
    /// When the system has no randomness or memory to give.
    pub fn of(password: &Secret) -> Result<PasswordHash, StoreError> {
        let failed = StoreError::Crypto("hash a password");
        let Ok(params) = Params::new(MEMORY_KIB, PASSES, LANES, None) else { return Err(failed) };
        match Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(password.expose().as_bytes())
        {
            Ok(hash) => Ok(PasswordHash(hash.to_string())),
            Err(_) => Err(failed),
        }
    }

    /// What tells one password from another without telling anything of it: the salt is new each time.
    pub fn mark(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Whether this is the hash of `password`.
    pub fn verify(&self, password: &Secret) -> bool {
        self.compare(password).unwrap_or(false)
    }

    /// `None`: this is no hash of a kind that is known.
    fn compare(&self, password: &Secret) -> Option<bool> {
        let known = Phc::new(&self.0).ok()?;
        let (salt, expected) = (known.salt?, known.hash?);
        // The costs are those that the hash itself names, so older hashes stay valid.
        let params = Params::try_from(&known).ok()?;
        let algorithm = Algorithm::try_from(known.algorithm.as_str()).ok()?;
        let version = known.version.map_or(Some(Version::default()), |version| version.try_into().ok())?;
        let mut memory = Memory::of(params.block_count());
        let mut hash = vec![0; expected.len()];
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(
                password.expose().as_bytes(),
                &salt,
                &mut hash,
                memory.0.as_mut_slice(),
            )
            .ok()?;
        Some(memcmp::eq(&hash, expected.as_bytes()))
    }
}

/// What a check works in. It is lent from one check to the next: taken anew each time, on one thread after
/// another, the allocator would keep it many times over.
struct Memory(Vec<Block>);

/// Kept for the next checks; callers bound how many run at once.
static SPARE: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
/// How many are kept.
const MOST_SPARE: usize = 2;

impl Memory {
    fn of(blocks: usize) -> Memory {
        let spare = SPARE.lock().ok().and_then(|mut spare| spare.pop());
        let mut memory = spare.unwrap_or_default();
        memory.resize(blocks, Block::new());
        Memory(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Ok(mut spare) = SPARE.lock()
            && spare.len() < MOST_SPARE
        {
            spare.push(std::mem::take(&mut self.0));
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl Store {
    /// The mark of a password that the configuration gave, the same in every process on this database
    /// that was given the same; sessions of another one end. Takes as long as a check.
    pub fn given_password_mark(&self, password: &Secret) -> Result<Digest, StoreError> {
        self.pool.write_alone(|connection| {
            let known = settings::get(connection, GIVEN_SETTING)?.map(PasswordHash);
            if let Some(known) = known.filter(|known| known.verify(password)) {
                return Ok(known.mark());
            }
            let hash = PasswordHash::of(password)?;
            settings::put(connection, GIVEN_SETTING, &hash.0)?;
            sessions::end_all(connection)?;
            Ok(hash.mark())
        })
    }

    /// Whether an admin password was ever set.
    pub fn admin_password_is_set(&self) -> Result<bool, StoreError> {
        self.admin_password_hash().map(|hash| hash.is_some())
    }

    /// The admin password's hash, to be held in memory by who checks passwords often.
    pub fn admin_password_hash(&self) -> Result<Option<PasswordHash>, StoreError> {
        let text = self.pool.read(|connection| settings::get(connection, SETTING))?;
        Ok(text.map(PasswordHash))
    }

    /// Sets the admin password, in place of an earlier one, and ends every session.
    pub fn set_admin_password(&self, password: &Secret) -> Result<(), StoreError> {
        let hash = PasswordHash::of(password)?;
        self.pool.write(|connection| {
            settings::put(connection, SETTING, &hash.0)?;
            sessions::end_all(connection)?;
            news::tell(connection, Topic::Password)
        })
    }

    /// Sets the admin password unless one is set; says whether it did. Of several processes that
    /// start at once on a new database, one prints the password that counts.
    pub fn set_first_admin_password(&self, password: &Secret) -> Result<bool, StoreError> {
        let hash = PasswordHash::of(password)?;
        self.pool.write(|connection| settings::put_first(connection, SETTING, &hash.0))
    }

    /// Whether `password` is the admin password; false when none is set.
    pub fn verify_admin_password(&self, password: &Secret) -> Result<bool, StoreError> {
        Ok(self.admin_password_hash()?.is_some_and(|hash| hash.verify(password)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Bench;

    #[test]
    fn a_password_is_set_checked_and_replaced() {
        let bench = Bench::new();
        let store = bench.open();
        let (first, second) = (Secret::new("first password"), Secret::new("第二 password"));
        assert!(!store.admin_password_is_set().expect("a database"));
        assert!(!store.verify_admin_password(&first).expect("a database"));
        assert!(store.set_first_admin_password(&first).expect("a database"));
        assert!(!store.set_first_admin_password(&second).expect("a database"));
        assert!(bench.open().verify_admin_password(&first).expect("a database"));
        store.set_admin_password(&second).expect("a database");
        assert!(!store.verify_admin_password(&first).expect("a database"));
        assert!(store.verify_admin_password(&second).expect("a database"));
        assert!(!store.verify_admin_password(&Secret::new("")).expect("a database"));
    }

    #[test]
    fn the_hash_is_argon2id_and_salted() {
        let password = Secret::new("one password");
        let (one, two) =
            (PasswordHash::of(&password).expect("memory"), PasswordHash::of(&password).expect("memory"));
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, two);
        assert_eq!(format!("{one:?}"), "PasswordHash(…)");
        assert!(!PasswordHash("$argon2id$mangled".to_owned()).verify(&password));
    }
}

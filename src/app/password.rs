//! The admin password at start: given, stored, or generated for the first time.

use super::StartError;
use crate::credentials::AdminPassword;
use crate::domain::secret::Secret;
use crate::store::Store;
use openssl::rand::rand_bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// How often it is looked whether `admin reset-password` has set another one.
const WATCH: Duration = Duration::from_secs(1);

/// A password that was made just now, to be shown once and wiped.
pub type NewPassword = Zeroizing<String>;

/// Letters and digits that cannot be taken for one another when read from a terminal.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// With 5 bits each, 120 bits.
const LENGTH: usize = 24;

/// The password to compare with, and the new one if it was generated just now.
pub fn find(
    given: Option<&Secret>,
    store: &Store,
) -> Result<(AdminPassword, Option<NewPassword>), StartError> {
    if let Some(given) = given {
        return Ok((AdminPassword::given(given).marked(store.given_password_mark(given)?), None));
    }
    if !store.admin_password_is_set()? {
        let text = generate()?;
        let password = Secret::new(text.as_str());
        // Of several replicas that start at once on a new database, one sets the password.
        if store.set_first_admin_password(&password)?
            && let Some(hash) = store.admin_password_hash()?
        {
            return Ok((AdminPassword::generated(&password, hash), Some(text)));
        }
    }
    match store.admin_password_hash()? {
        Some(hash) => Ok((AdminPassword::stored(hash), None)),
        None => Err(StartError::NoRandomness),
    }
}

/// A new password out of the system's randomness.
///
/// # Errors
/// When the system has none to give.
pub fn generate() -> Result<NewPassword, StartError> {
    let mut bytes = [0u8; LENGTH];
    rand_bytes(&mut bytes).map_err(|_| StartError::NoRandomness)?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).map_or('x', |letter| char::from(*letter));
    Ok(Zeroizing::new(bytes.iter().map(letter).collect()))
}

/// Takes over a password that another process has set, from now on; what is returned has it look at
/// once. Must run inside an actix system.
pub fn watch(password: AdminPassword, store: Store) -> Arc<Notify> {
    let soon = Arc::new(Notify::new());
    let woken = Arc::clone(&soon);
    actix_web::rt::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(WATCH) => {}
                () = woken.notified() => {}
            }
            let store = store.clone();
            // A database that is away says nothing about the password.
            if let Ok(Ok(Some(hash))) = spawn_blocking(move || store.admin_password_hash()).await
                && password.replace(hash)
            {
                log::warn!("the admin password was changed; every session has ended");
            }
        }
    });
    soon
}

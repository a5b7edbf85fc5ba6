//! The admin password: compared slowly against its hash once for each credential, then by digest.
//!
//! Slow comparisons run on blocking threads, few at a time, and wrong credentials are remembered, so
//! that guessing costs the guesser more than us.

use crate::domain::secret::{Digest, Secret};
use crate::store::PasswordHash;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many wrong credentials are remembered.
const REMEMBERED: usize = 1024;
/// Slow comparisons at a time, and how many may wait for one.
const AT_ONCE: usize = 2;
const WAITING: usize = 32;

/// Compares credentials with the admin password. Clones share what they learned.
#[derive(Clone)]
pub struct AdminPassword(Arc<Inner>);

struct Inner {
    /// `None`: the password was given in clear by the configuration and its digest is known.
    hash: Option<PasswordHash>,
    known: Mutex<Known>,
    slots: Semaphore,
    waiting: Semaphore,
}

/// Digests whose comparison is done.
#[derive(Default)]
struct Known {
    right: Option<Digest>,
    wrong: VecDeque<Digest>,
}

/// Too many credentials are being compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many credentials are being checked; try again shortly")]
pub struct Busy;

impl AdminPassword {
    /// A password that is known in clear: given by the configuration.
    pub fn given(password: &Secret) -> AdminPassword {
        AdminPassword::new(None, Some(password.digest()))
    }

    /// A password of which only the hash is known.
    pub fn stored(hash: PasswordHash) -> AdminPassword {
        AdminPassword::new(Some(hash), None)
    }

    fn new(hash: Option<PasswordHash>, right: Option<Digest>) -> AdminPassword {
        AdminPassword(Arc::new(Inner {
            hash,
            known: Mutex::new(Known { right, wrong: VecDeque::new() }),
            slots: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING),
        }))
    }

    /// Whether `offered` is the admin password.
    ///
    /// # Errors
    /// [`Busy`] when more credentials wait for a slow comparison than we let wait.
    pub async fn is_right(&self, offered: &[u8]) -> Result<bool, Busy> {
        let inner = &self.0;
        let digest = Digest::of(offered);
        if let Some(known) = inner.known(digest) {
            return Ok(known);
        }
        let (Some(hash), Ok(text)) = (&inner.hash, std::str::from_utf8(offered)) else { return Ok(false) };
        let _waiting = inner.waiting.try_acquire().map_err(|_| Busy)?;
        let _slot = inner.slots.acquire().await.map_err(|_| Busy)?;
        if let Some(known) = inner.known(digest) {
            return Ok(known);
        }
        let (hash, secret) = (hash.clone(), Secret::new(text));
        let right = spawn_blocking(move || hash.verify(&secret)).await.map_err(|_| Busy)?;
        inner.learn(digest, right);
        Ok(right)
    }
}

impl Inner {
    fn known(&self, digest: Digest) -> Option<bool> {
        let known = self.known.lock().ok()?;
        if known.right == Some(digest) {
            return Some(true);
        }
        known.wrong.contains(&digest).then_some(false)
    }

    fn learn(&self, digest: Digest, right: bool) {
        let Ok(mut known) = self.known.lock() else { return };
        if right {
            known.right = Some(digest);
            return;
        }
        if known.wrong.len() >= REMEMBERED {
            known.wrong.pop_front();
        }
        known.wrong.push_back(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[actix_web::test]
    async fn a_given_password_is_compared_by_digest_alone() {
        let password = AdminPassword::given(&Secret::new("given"));
        assert_eq!(password.is_right(b"given").await, Ok(true));
        assert_eq!(password.is_right(b"Given").await, Ok(false));
        assert_eq!(password.is_right(b"\xff").await, Ok(false));
    }

    #[actix_web::test]
    async fn a_stored_password_is_compared_slowly_once() {
        let hash = PasswordHash::of(&Secret::new("stored")).expect("a hash");
        let password = AdminPassword::stored(hash);
        for (offered, right) in [(&b"stored"[..], true), (b"wrong", false)] {
            assert_eq!(password.is_right(offered).await, Ok(right));
            let again = Instant::now();
            for _ in 0..1000 {
                assert_eq!(password.is_right(offered).await, Ok(right));
            }
            // A thousand slow comparisons would take many seconds.
            assert!(again.elapsed().as_secs() < 5);
        }
    }
}

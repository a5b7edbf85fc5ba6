//! The admin password: compared slowly against its hash once for each credential, then by digest.
//!
//! Slow comparisons run on blocking threads, few at a time, and wrong credentials are remembered, so
//! that guessing costs the guesser more than us. Whoever waits for one gets it in turn: those who guess
//! make the right password wait, and cannot keep it out.

use crate::domain::secret::{Digest, Secret};
use crate::store::PasswordHash;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many wrong credentials are remembered.
const REMEMBERED: usize = 1024;
/// Slow comparisons at a time.
const AT_ONCE: usize = 2;
/// How many credentials of clients may wait for one, and how many of operators: some 40 are compared in a
/// second, so the last of these waits half a minute.
const WAITING_CLIENTS: usize = 32;
const WAITING_OPERATORS: usize = 1024;

/// Compares credentials with the admin password. Clones share what they learned.
#[derive(Clone)]
pub struct AdminPassword(Arc<Inner>);

struct Inner {
    known: Mutex<Known>,
    slots: Semaphore,
    clients: Semaphore,
    operators: Semaphore,
}

/// Who offers a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A client of the data plane.
    Client,
    /// Somebody at the admin plane.
    Operator,
}

/// The password, and digests whose comparison with it is done.
struct Known {
    /// `None`: the password was given in clear by the configuration and its digest is known.
    hash: Option<PasswordHash>,
    right: Option<Digest>,
    wrong: VecDeque<Digest>,
    generation: u64,
    /// See [`AdminPassword::mark`].
    mark: Digest,
}

/// Too many credentials are being compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many credentials are being checked; try again shortly")]
pub struct Busy;

impl AdminPassword {
    /// A password that is known in clear: given by the configuration.
    pub fn given(password: &Secret) -> AdminPassword {
        AdminPassword::new(None, Some(password.digest()), password.digest())
    }

    /// A password of which only the hash is known.
    pub fn stored(hash: PasswordHash) -> AdminPassword {
        let mark = hash.mark();
        AdminPassword::new(Some(hash), None, mark)
    }

    /// A password that is known in clear now, and stored, so that it may be replaced later.
    pub fn generated(password: &Secret, hash: PasswordHash) -> AdminPassword {
        let mark = hash.mark();
        AdminPassword::new(Some(hash), Some(password.digest()), mark)
    }

    /// The same, known to other processes by `mark`.
    pub fn marked(self, mark: Digest) -> AdminPassword {
        if let Ok(mut known) = self.0.known.lock() {
            known.mark = mark;
        }
        self
    }

    fn new(hash: Option<PasswordHash>, right: Option<Digest>, mark: Digest) -> AdminPassword {
        AdminPassword(Arc::new(Inner {
            known: Mutex::new(Known { hash, right, wrong: VecDeque::new(), generation: 0, mark }),
            slots: Semaphore::new(AT_ONCE),
            clients: Semaphore::new(WAITING_CLIENTS),
            operators: Semaphore::new(WAITING_OPERATORS),
        }))
    }

    /// Whether `offered` is the admin password. Before a slow comparison, which may have had to wait, `may` is asked, and what it
    /// says against it is given back.
    ///
    /// # Errors
    /// [`Busy`] when more credentials wait for a slow comparison than we let wait.
    pub async fn judge<E>(
        &self,
        offered: &[u8],
        asker: Asker,
        may: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<bool, E>, Busy> {
        let inner = &self.0;
        let digest = Digest::of(offered);
        let Some((hash, generation)) = inner.unknown(digest)? else { return inner.known(digest).map(Ok) };
        let (Some(hash), Ok(text)) = (hash, std::str::from_utf8(offered)) else {
            inner.learn(digest, false, generation);
            return Ok(Ok(false));
        };
        let waiting = match asker {
            Asker::Client => &inner.clients,
            Asker::Operator => &inner.operators,
        };
        let _waiting = waiting.try_acquire().map_err(|_| Busy)?;
        let _slot = inner.slots.acquire().await.map_err(|_| Busy)?;
        if inner.unknown(digest)?.is_none() {
            return inner.known(digest).map(Ok);
        }
        if let Err(against) = may() {
            return Ok(Err(against));
        }
        let secret = Secret::new(text);
        let right = spawn_blocking(move || hash.verify(&secret)).await.map_err(|_| Busy)?;
        inner.learn(digest, right, generation);
        Ok(Ok(right))
    }

    /// Takes another hash for the one known so far; a password that the configuration gave stays.
    /// Says whether something changed: then every session that began with the old one must end.
    pub fn replace(&self, hash: PasswordHash) -> bool {
        let Ok(mut known) = self.0.known.lock() else { return false };
        if known.hash.as_ref().is_none_or(|old| *old == hash) {
            return false;
        }
        let generation = known.generation + 1;
        let mark = hash.mark();
        *known = Known { hash: Some(hash), right: None, wrong: VecDeque::new(), generation, mark };
        true
    }

    /// What tells this password from another, the same in every process that has it.
    pub fn mark(&self) -> Digest {
        self.0.known.lock().map_or_else(|poisoned| poisoned.into_inner().mark, |known| known.mark)
    }

    /// Rises with each change of the password.
    pub fn generation(&self) -> u64 {
        self.0.known.lock().map_or(0, |known| known.generation)
    }
}

impl Inner {
    /// What to compare with when nothing is known of this digest yet.
    fn unknown(&self, digest: Digest) -> Result<Option<(Option<PasswordHash>, u64)>, Busy> {
        let known = self.known.lock().map_err(|_| Busy)?;
        let is_known = known.right == Some(digest) || known.wrong.contains(&digest);
        Ok((!is_known).then(|| (known.hash.clone(), known.generation)))
    }

    fn known(&self, digest: Digest) -> Result<bool, Busy> {
        let known = self.known.lock().map_err(|_| Busy)?;
        Ok(known.right == Some(digest))
    }

    /// What was learned of a password that was replaced meanwhile is forgotten.
    fn learn(&self, digest: Digest, right: bool, generation: u64) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.generation != generation {
            return;
        }
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
    use std::convert::Infallible;
    use std::time::Instant;

    async fn is_right(password: &AdminPassword, offered: &[u8]) -> Result<bool, Busy> {
        let judged = password.judge(offered, Asker::Client, || Ok::<(), Infallible>(())).await?;
        Ok(judged == Ok(true))
    }

    async fn judge(password: &AdminPassword, offered: &str) -> bool {
        let may = || Ok::<(), Infallible>(());
        let Ok(judged) = password.judge(offered.as_bytes(), Asker::Operator, may).await.expect("not busy");
        judged
    }

    #[actix_web::test]
    async fn a_crowd_of_guessers_makes_the_right_password_wait_and_no_more() {
        let password = AdminPassword::stored(PasswordHash::of(&Secret::new("right")).expect("a hash"));
        let guessers: Vec<_> = (0..WAITING_CLIENTS * 2)
            .map(|number| {
                let password = password.clone();
                actix_web::rt::spawn(async move {
                    is_right(&password, format!("guess {number}").as_bytes()).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(judge(&password, "right").await);
        let mut busy = 0;
        for guesser in guessers {
            match guesser.await.expect("an end") {
                Ok(right) => assert!(!right),
                Err(Busy) => busy += 1,
            }
        }
        assert!(busy > 0, "not everybody may wait");
    }

    #[actix_web::test]
    async fn who_may_no_longer_try_when_the_turn_comes_is_not_compared() {
        let password = AdminPassword::stored(PasswordHash::of(&Secret::new("right")).expect("a hash"));
        let judged = password.judge(b"right", Asker::Operator, || Err("too many")).await;
        assert_eq!(judged, Ok(Err("too many")));
        assert!(judge(&password, "right").await);
        // What is known needs no turn.
        let judged = password.judge(b"right", Asker::Operator, || Err("too many")).await;
        assert_eq!(judged, Ok(Ok(true)));
    }

    #[actix_web::test]
    async fn a_given_password_is_compared_by_digest_alone() {
        let password = AdminPassword::given(&Secret::new("given"));
        assert_eq!(is_right(&password, b"given").await, Ok(true));
        assert_eq!(is_right(&password, b"Given").await, Ok(false));
        assert_eq!(is_right(&password, b"\xff").await, Ok(false));
    }

    #[actix_web::test]
    async fn a_stored_password_is_compared_slowly_once() {
        let hash = PasswordHash::of(&Secret::new("stored")).expect("a hash");
        let password = AdminPassword::stored(hash);
        for (offered, right) in [(&b"stored"[..], true), (b"wrong", false)] {
            assert_eq!(is_right(&password, offered).await, Ok(right));
            let again = Instant::now();
            for _ in 0..1000 {
                assert_eq!(is_right(&password, offered).await, Ok(right));
            }
            // A thousand slow comparisons would take many seconds.
            assert!(again.elapsed().as_secs() < 5);
        }
    }

    #[actix_web::test]
    async fn a_replaced_password_is_forgotten_and_a_given_one_stays() {
        let hash = |text: &str| PasswordHash::of(&Secret::new(text)).expect("a hash");
        let password = AdminPassword::stored(hash("first"));
        assert!(judge(&password, "first").await);
        assert!(!judge(&password, "second").await);
        assert!(!judge(&password, "second").await);
        assert!(password.replace(hash("second")));
        assert_eq!(password.generation(), 1);
        assert!(!judge(&password, "first").await);
        assert!(judge(&password, "second").await);

        let given = AdminPassword::given(&Secret::new("given"));
        assert!(!given.replace(hash("other")));
        assert_eq!(is_right(&given, b"given").await, Ok(true));
    }
}

//! Wrong credentials of one plane, by the address they came from. Holds no credential, only digests.

use super::throttle::{CLIENTS_TRIES, OPERATORS_TRIES, Throttle};
use crate::domain::secret::Digest;
use crate::domain::time::Clock;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was guessed at a plane since the start. Clones share it.
#[derive(Clone)]
pub struct Guesses {
    inner: Arc<Mutex<Inner>>,
    of_operators: bool,
    clock: Clock,
}

struct Inner {
    throttle: Throttle,
    /// Wrong credentials that were offered lately.
    wrong: VecDeque<Digest>,
}

/// How many wrong credentials are remembered.
const REMEMBERED: usize = 1024;

impl Guesses {
    /// At the admin plane.
    pub fn of_operators(clock: Clock) -> Guesses {
        Guesses::new(true, clock)
    }

    /// At the data plane.
    pub fn of_clients(clock: Clock) -> Guesses {
        Guesses::new(false, clock)
    }

    fn new(of_operators: bool, clock: Clock) -> Guesses {
        let free_tries = if of_operators { OPERATORS_TRIES } else { CLIENTS_TRIES };
        let inner = Inner { throttle: Throttle::new(free_tries), wrong: VecDeque::new() };
        Guesses { inner: Arc::new(Mutex::new(inner)), of_operators, clock }
    }

    /// Whether `address` may offer a credential now.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn may_try(&self, address: IpAddr) -> Result<(), Duration> {
        let wait = self.inner().throttle.wait(address, self.clock.elapsed());
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Notes a wrong one. One that was offered before comes from a program with an old credential rather than
    /// from a guesser: at the admin plane it never makes a wait longer; at the data plane, where others may
    /// share its address, it does not count.
    pub fn wrong(&self, address: IpAddr, credential: Digest) {
        let now = self.clock.elapsed();
        let mut inner = self.inner();
        let again = inner.wrong.contains(&credential);
        if !again {
            if inner.wrong.len() >= REMEMBERED {
                inner.wrong.pop_front();
            }
            inner.wrong.push_back(credential);
        }
        if !again || self.of_operators {
            inner.throttle.wrong(address, again, now);
        }
    }

    /// Notes the right one: its address begins anew.
    pub fn right(&self, address: IpAddr) {
        self.inner().throttle.right(address);
    }

    /// Wrong ones and tries that had to wait, since the start.
    pub fn refused(&self) -> u64 {
        self.inner().throttle.refused()
    }

    /// The same within the last hour or two.
    pub fn refused_lately(&self) -> u64 {
        self.inner().throttle.refused_lately(self.clock.elapsed())
    }

    // Counts go up and down one step at a time, so a panic leaves nothing half done.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

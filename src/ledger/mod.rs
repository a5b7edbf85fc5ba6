//! The ledger: what the operator reads and changes in the store, on threads for blocking work.
//!
//! The admin plane's way to the store, which it may not name itself. Decides nothing, keeps nothing
//! but the last answer of the database to whether it is there, and hands out no key's secret but for
//! an export that asks for it.

mod error;
mod keys;

pub use error::LedgerError;
pub use keys::{ExportedKey, KeyChange};

use crate::domain::time::Clock;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::spawn_blocking;

/// The way to the store. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    clock: Clock,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_away: AtomicBool,
    last_micros: AtomicU64,
}

impl Ledger {
    /// A ledger in `store`.
    pub fn new(store: Store, clock: Clock) -> Ledger {
        Ledger { store, clock, state: Arc::default() }
    }

    /// Whether the database did not answer when it was last asked.
    pub fn is_away(&self) -> bool {
        self.state.is_away.load(Ordering::Relaxed)
    }

    /// How long the database took when it was last asked, in microseconds.
    pub fn last_micros(&self) -> u64 {
        self.state.last_micros.load(Ordering::Relaxed)
    }

    /// Asks the database whether it is there.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        self.run(|store| store.keys_revision()).await.map(|_| ())
    }

    /// Runs `work` on a thread for blocking work.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let working = spawn_blocking(move || {
            let began = clock.elapsed();
            let worked = work(&store);
            (worked, clock.elapsed().saturating_sub(began))
        });
        let (worked, took) = working.await.map_err(|_| LedgerError::Broken)?;
        self.state.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let worked = worked.map_err(LedgerError::from);
        self.state.is_away.store(matches!(worked, Err(LedgerError::Away(_))), Ordering::Relaxed);
        worked
    }
}

//! The ledger: what the operator reads and changes in the store, on threads for blocking work.
//!
//! The admin plane's way to the store, which it may not name itself. Decides nothing, keeps nothing
//! but the last answer of the database to whether it is there, and hands out no key's secret but for
//! an export that asks for it.

mod accounts;
mod error;
mod keys;
mod sessions;

pub use error::LedgerError;
pub use keys::{ExportedKey, KeyChange};

use crate::domain::time::Clock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A database that has not answered by then is away, as far as people and monitors are concerned.
const PING_TIME: Duration = Duration::from_secs(1);

/// The way to the store. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    is_away: Arc<AtomicBool>,
}

impl Ledger {
    /// A ledger in `store`.
    pub fn new(store: Store, metrics: Metrics, clock: Clock) -> Ledger {
        Ledger { store, clock, metrics, is_away: Arc::default() }
    }

    /// Whether the database did not answer when it was last asked.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Asks the database whether it is there. One that takes long counts as away.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        let asked = timeout(PING_TIME, self.run(|store| store.keys_revision())).await;
        asked.unwrap_or_else(|_| {
            self.is_away.store(true, Ordering::Relaxed);
            Err(LedgerError::Away("it does not answer".to_owned()))
        })?;
        Ok(())
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
        self.metrics.database_took(took);
        let worked = worked.map_err(LedgerError::from);
        self.is_away.store(matches!(worked, Err(LedgerError::Away(_))), Ordering::Relaxed);
        worked
    }
}

//! What the rest of the program holds of the KeyPool: methods instead of messages.

use super::actor::{CheckKey, Clear, Edited, KeyPool, Look, Order, Shutdown, Steer};
use super::books::Books;
use super::lease::Lease;
use super::lending::{self, Lending};
use super::looks::Looks;
use super::pool::{Ask, NoKey, Pool, PoolOptions, PoolView};
use crate::domain::cooldown::Place;
use crate::domain::ids::KeyId;
use crate::domain::published::Published;
use crate::domain::replicas::Replicas;
use crate::domain::secret::Digest;
use crate::domain::time::Clock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use crate::upstream::client::Connection;
use actix::{Actor, Addr, Arbiter};
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the operator chose.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// For the brain.
    pub pool: PoolOptions,
    /// How often each key is looked up with `GET /key`; zero: never.
    pub look_every: Duration,
}

/// The way to the KeyPool. Clones share it.
#[derive(Clone)]
pub struct KeyPoolHandle {
    address: Addr<KeyPool>,
    view: Published<PoolView>,
}

impl KeyPoolHandle {
    /// Starts the actor on a thread of its own with what is stored, and with what lies in `folder` of a
    /// process that was killed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn start(
        store: Store,
        connection: Connection,
        options: Options,
        metrics: Metrics,
        clock: Clock,
        replicas: Replicas,
        folder: &Path,
    ) -> Result<KeyPoolHandle, StoreError> {
        let now = clock.now();
        let revision = store.keys_revision()?;
        let mut pool = Pool::new(options.pool);
        let (rests_revision, rests) = store.cooldowns()?;
        pool.load_cooldowns(rests);
        pool.load(store.keys(now.day())?, store.accounts(now.day())?, now);
        let notebook = lending::begin(&mut pool, &store, &replicas, folder, now)?;
        let view = Published::new(pool.view(now));
        let published = view.clone();
        let address = KeyPool::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            let looks = Looks::new(connection, options.look_every);
            let lending = Lending::new(store.clone(), replicas, notebook);
            let books = Books::new(store, revision, rests_revision);
            KeyPool::new(pool, books, lending, looks, metrics, clock, published)
        });
        Ok(KeyPoolHandle { address, view })
    }

    /// Asks for a key; waits for one as long as `ask` allows. Whoever stops waiting loses their place.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lease(&self, ask: Ask) -> Result<Lease, NoKey> {
        let (reply, answer) = oneshot::channel();
        Order::Lease(ask, reply).post(&self.address);
        // A dropped reply means that the actor has died: the process is about to end.
        let lease = answer.await.unwrap_or(Err(NoKey::NoneConfigured))?;
        Ok(lease.taken())
    }

    /// The pool as it was a moment ago, without a message.
    pub fn view(&self) -> PoolView {
        PoolView::clone(&self.view.get())
    }

    /// The pool as it is now: everything that was settled before counts.
    pub async fn look(&self) -> PoolView {
        self.address.send(Look).await.unwrap_or_default()
    }

    /// Whether the key with this digest is in the pool.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.view.get().keys.iter().any(|key| key.digest == *digest)
    }

    /// How many keys may be used now.
    pub fn usable(&self) -> usize {
        self.view.get().usable
    }

    /// Says that stored keys or accounts were changed, so that they are read again.
    pub fn edited(&self) {
        self.address.do_send(Edited);
    }

    /// Ends what keeps a key from being used: its rests, and its account's. Whether there is such a key.
    pub async fn clear_key(&self, key: KeyId) -> bool {
        self.address.send(Clear::Key(key)).await.unwrap_or(false)
    }

    /// Ends the rest of one place; whether it rested.
    pub async fn clear(&self, place: Place) -> bool {
        self.address.send(Clear::Place(place)).await.unwrap_or(false)
    }

    /// Asks the upstream about a key and learns from the answer; `None`: there is no such key.
    pub async fn check(&self, key: KeyId) -> Option<Result<KeyInfo, KeyCheckFault>> {
        self.address.send(CheckKey(key)).await.ok().flatten()
    }

    /// Goes by these options from now on.
    pub fn steer(&self, options: PoolOptions) {
        self.address.do_send(Steer(options));
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }

    /// Writes the last counts to the store; afterwards nothing is counted any more.
    pub async fn shut_down(&self) {
        let _ = self.address.send(Shutdown).await;
    }
}

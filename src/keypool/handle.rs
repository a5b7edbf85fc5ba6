//! What the rest of the program holds of the KeyPool: methods instead of messages.

use super::actor::{Edited, KeyPool, LeaseKey, Look, Settle, Shutdown};
use super::pool::{Ask, Ending, Grant, NoKey, Pool, PoolView};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::published::Published;
use crate::domain::secret::{Digest, Secret};
use crate::domain::strategy::Strategy;
use crate::domain::time::Clock;
use crate::store::{Store, StoreError};
use actix::{Actor, Addr, Arbiter};
use actix_web::rt;
use tokio::sync::oneshot;

/// The way to the KeyPool. Clones share it.
#[derive(Clone)]
pub struct KeyPoolHandle {
    address: Addr<KeyPool>,
    view: Published<PoolView>,
}

/// The right of one attempt to use one key. Settles itself as abandoned when it is dropped.
pub struct Lease {
    /// The key.
    pub key: KeyId,
    /// Its account.
    pub account: AccountId,
    /// Its label.
    pub label: String,
    /// The key itself, for the upstream.
    pub secret: Secret,
    number: u64,
    address: Addr<KeyPool>,
    settled: bool,
}

impl KeyPoolHandle {
    /// Starts the actor on a thread of its own with the keys that are stored.
    pub fn start(store: Store, strategy: Strategy, clock: Clock) -> Result<KeyPoolHandle, StoreError> {
        let now = clock.now();
        let mut pool = Pool::new(strategy);
        pool.load(store.keys(now.day())?, now.day());
        let view = Published::new(pool.view(now));
        let published = view.clone();
        let address = KeyPool::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            KeyPool::new(pool, store, clock, published)
        });
        Ok(KeyPoolHandle { address, view })
    }

    /// Asks for a key. Errors: why there is none.
    pub async fn lease(&self, ask: Ask) -> Result<Lease, NoKey> {
        let (address, asking) = (self.address.clone(), self.address.send(LeaseKey(ask)));
        let (tell, told) = oneshot::channel();
        // The client may leave before the answer comes: the lease is dropped then, and so settled.
        rt::spawn(async move {
            // A closed mailbox means that the actor has died: the process is about to end.
            let granted = asking.await.unwrap_or(Err(NoKey::NoneConfigured));
            let _ = tell.send(granted.map(|grant| Lease::of(grant, address)));
        });
        told.await.unwrap_or(Err(NoKey::NoneConfigured))
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

    /// Says that stored keys were changed, so that they are read again.
    pub fn edited(&self) {
        self.address.do_send(Edited);
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

impl Lease {
    fn of(grant: Grant, address: Addr<KeyPool>) -> Lease {
        Lease {
            key: grant.key,
            account: grant.account,
            label: grant.label,
            secret: grant.secret,
            number: grant.lease,
            address,
            settled: false,
        }
    }

    /// Gives the key back and says how the attempt ended.
    pub fn settle(mut self, ending: Ending) {
        self.settled = true;
        self.address.do_send(Settle { lease: self.number, ending });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.address.do_send(Settle { lease: self.number, ending: Ending::Abandoned });
        }
    }
}

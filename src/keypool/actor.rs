//! The KeyPool actor: mailbox, timers, and hand-off of storage. Decides nothing; the brain is
//! [`Pool`]. Never blocks its mailbox: every call to the store runs on a blocking thread.

use super::pool::{Ask, Ending, Grant, NoKey, Pool, PoolView};
use crate::domain::key::KeyUse;
use crate::domain::published::Published;
use crate::domain::time::{Clock, Timestamp};
use crate::store::Store;
use actix::prelude::*;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How often counts go to the store, and the view is published.
const FLUSH: Duration = Duration::from_millis(100);
/// How often the stored keys are read again: the command line may have changed them.
const RELOAD: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);

/// The actor.
pub struct KeyPool {
    pool: Pool,
    store: Store,
    clock: Clock,
    view: Published<PoolView>,
    revision: i64,
    flushing: bool,
    reloading: bool,
    viewed_at: Timestamp,
    changed: bool,
}

/// Asks for a key.
#[derive(Message)]
#[rtype(result = "Result<Grant, NoKey>")]
pub struct LeaseKey(pub Ask);

/// Ends a lease.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle {
    pub lease: u64,
    pub ending: Ending,
}

/// Asks for the pool as it is.
#[derive(Message)]
#[rtype(result = "PoolView")]
pub struct Look;

/// The stored keys were changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Edited;

/// Writes what is left to be written.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown;

impl KeyPool {
    pub fn new(pool: Pool, store: Store, clock: Clock, view: Published<PoolView>) -> KeyPool {
        let viewed_at = clock.now();
        KeyPool {
            pool,
            store,
            clock,
            view,
            revision: -1,
            flushing: false,
            reloading: false,
            viewed_at,
            changed: false,
        }
    }

    /// A rest that ends changes the view without a message, so it is renewed each second too.
    fn publish(&mut self) {
        let now = self.clock.now();
        if self.changed || now.since(self.viewed_at) >= Duration::from_secs(1) {
            self.view.publish(self.pool.view(now));
            self.viewed_at = now;
            self.changed = false;
        }
    }

    fn flush(&mut self, context: &mut Context<KeyPool>) {
        self.publish();
        if self.flushing {
            return;
        }
        let uses = self.pool.take_uses();
        if uses.is_empty() {
            return;
        }
        self.flushing = true;
        let writing = write_uses(self.store.clone(), uses);
        context.spawn(writing.into_actor(self).map(|unwritten, actor, _| {
            actor.flushing = false;
            actor.pool.put_back(unwritten);
        }));
    }

    fn reload(&mut self, context: &mut Context<KeyPool>) {
        if self.reloading {
            return;
        }
        self.reloading = true;
        let (store, known, day) = (self.store.clone(), self.revision, self.clock.now().day());
        let reading = spawn_blocking(move || {
            let revision = store.keys_revision()?;
            if revision == known { Ok(None) } else { store.keys(day).map(|keys| Some((revision, keys))) }
        });
        context.spawn(reading.into_actor(self).map(|read, actor, _| {
            actor.reloading = false;
            match read {
                Ok(Ok(Some((revision, keys)))) => {
                    let today = actor.clock.now().day();
                    actor.pool.load(keys, today);
                    actor.revision = revision;
                    actor.changed = true;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => log::warn!("the keys could not be read again: {error}"),
                Err(_) => log::error!("reading the keys failed; the known ones stay in use"),
            }
        }));
    }
}

/// Returns what could not be written.
async fn write_uses(store: Store, uses: Vec<KeyUse>) -> Vec<KeyUse> {
    let kept = uses.clone();
    match spawn_blocking(move || store.record_key_uses(&uses)).await {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(error)) => {
            log::warn!("key counts could not be stored, trying again: {error}");
            kept
        }
        Err(_) => kept,
    }
}

impl Actor for KeyPool {
    type Context = Context<KeyPool>;

    fn started(&mut self, context: &mut Context<KeyPool>) {
        context.set_mailbox_capacity(4096);
        context.run_interval(FLUSH, KeyPool::flush);
        context.run_interval(RELOAD, KeyPool::reload);
        context.run_interval(SWEEP, |actor, _| actor.pool.sweep(actor.clock.now()));
    }
}

impl Handler<LeaseKey> for KeyPool {
    type Result = Result<Grant, NoKey>;

    fn handle(&mut self, LeaseKey(ask): LeaseKey, _: &mut Context<KeyPool>) -> Self::Result {
        self.changed = true;
        self.pool.lease(&ask, self.clock.now(), fastrand::u64(..))
    }
}

impl Handler<Settle> for KeyPool {
    type Result = ();

    fn handle(&mut self, Settle { lease, ending }: Settle, context: &mut Context<KeyPool>) {
        self.changed = true;
        if let Some((key, cause)) = self.pool.settle(lease, &ending, self.clock.now()) {
            log::warn!("key {key} is out of use until you act on it: {cause}");
            let store = self.store.clone();
            let writing = spawn_blocking(move || store.set_key_fault(key, Some(cause)));
            context.spawn(writing.into_actor(self).map(move |written, _, _| {
                if !matches!(written, Ok(Ok(()))) {
                    log::warn!("that key {key} is out of use could not be stored");
                }
            }));
        }
    }
}

impl Handler<Look> for KeyPool {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<KeyPool>) -> Self::Result {
        MessageResult(self.pool.view(self.clock.now()))
    }
}

impl Handler<Edited> for KeyPool {
    type Result = ();

    fn handle(&mut self, _: Edited, context: &mut Context<KeyPool>) {
        self.reload(context);
    }
}

impl Handler<Shutdown> for KeyPool {
    type Result = ResponseActFuture<KeyPool, ()>;

    fn handle(&mut self, _: Shutdown, _: &mut Context<KeyPool>) -> Self::Result {
        let writing = write_uses(self.store.clone(), self.pool.take_uses());
        Box::pin(writing.into_actor(self).map(|unwritten, _, _| {
            if !unwritten.is_empty() {
                log::error!("the last counts of {} keys could not be stored", unwritten.len());
            }
        }))
    }
}

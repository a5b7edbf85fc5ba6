//! The heartbeat of this process, and the last word of all others.
//!
//! A task, not an actor: nobody waits for it, and what it hears is published.

use crate::domain::instance::{Instance, InstanceRecord};
use crate::domain::published::Published;
use crate::domain::replicas::Replicas;
use crate::domain::time::Clock;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How often a process says that it lives.
const BEAT: Duration = Duration::from_secs(2);
/// How long an end waits for the database to forget this process.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to the replicas. Clones share it.
#[derive(Clone)]
pub struct ReplicasHandle(Arc<Inner>);

struct Inner {
    store: Store,
    me: Instance,
    clock: Clock,
    all: Published<Vec<InstanceRecord>>,
    live: Replicas,
    drains: AtomicBool,
    /// Held during a beat: after the farewell there must be none.
    has_left: Mutex<bool>,
    soon: Notify,
}

impl ReplicasHandle {
    /// Says that `me` lives, now and from now on; how many others do is said to `live`. Must run inside
    /// an actix system.
    ///
    /// # Errors
    /// When the database does not take the first heartbeat.
    pub fn start(
        store: Store,
        me: Instance,
        live: Replicas,
        clock: Clock,
    ) -> Result<ReplicasHandle, StoreError> {
        let first = store.beat(&me, false, clock.now())?;
        let handle = ReplicasHandle(Arc::new(Inner {
            store,
            me,
            clock,
            all: Published::new(Vec::new()),
            live,
            drains: AtomicBool::new(false),
            has_left: Mutex::new(false),
            soon: Notify::new(),
        }));
        handle.0.hear(first);
        actix::spawn(Arc::clone(&handle.0).go_on());
        Ok(handle)
    }

    /// Every process that was heard of lately, this one included; the oldest first.
    pub fn all(&self) -> Arc<Vec<InstanceRecord>> {
        self.0.all.get()
    }

    /// The id of this process.
    pub fn own_id(&self) -> &str {
        &self.0.me.id
    }

    /// Says, at once, that this process takes no new requests.
    pub fn drain(&self) {
        self.0.drains.store(true, Ordering::SeqCst);
        self.0.soon.notify_one();
    }

    /// Says good-bye: this process is no longer counted.
    pub async fn leave(&self) {
        let inner = Arc::clone(&self.0);
        let leaving = async move {
            // A beat that is under way would put the process back.
            let mut has_left = inner.has_left.lock().await;
            *has_left = true;
            let (store, id) = (inner.store.clone(), inner.me.id.clone());
            spawn_blocking(move || store.leave(&id)).await
        };
        match timeout(FAREWELL, leaving).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => log::warn!("the others will count this process a little longer: {error}"),
            _ => log::warn!("the others will count this process a little longer"),
        }
    }
}

impl Inner {
    async fn go_on(self: Arc<Inner>) {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.soon.notified() => {}
            }
            let has_left = self.has_left.lock().await;
            if *has_left {
                return;
            }
            let (store, me, now) = (self.store.clone(), self.me.clone(), self.clock.now());
            let drains = self.drains.load(Ordering::SeqCst);
            match spawn_blocking(move || store.beat(&me, drains, now)).await {
                Ok(Ok(heard)) => {
                    is_away = false;
                    self.hear(heard);
                }
                // How many live is not known then; the last number stays.
                Ok(Err(error)) if !is_away => {
                    is_away = true;
                    log::warn!("no heartbeat could be stored: {error}");
                }
                _ => {}
            }
        }
    }

    fn hear(&self, heard: Vec<InstanceRecord>) {
        self.live.set(heard.iter().filter(|record| record.is_live()).count());
        self.all.publish(heard);
    }
}

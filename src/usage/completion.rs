//! Completes the rows of cancelled requests: asks the upstream, a while after the client has left,
//! what the generation used, and fills that into the row (`usage.complete_cancelled`).
//!
//! In the background and bounded: no client waits for it, and when too many wait, or the program
//! ends, rows simply stay as they were written. Never writes a row of its own.

use super::UsageHandle;
use crate::domain::secret::Secret;
use crate::domain::usage::Completion;
use crate::store::Store;
use crate::upstream::client::{Client, Connection};
use actix::Arbiter;
use actix_web::rt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// The most cancelled requests that wait to be looked after.
const QUEUE: usize = 1000;
/// The most that are looked after at a time.
const AT_A_TIME: usize = 32;
/// How often the upstream is asked, each time after three times the wait of the time before.
const TRIES: u32 = 3;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request whose client left while its answer was under way.
#[derive(Debug, Clone)]
pub struct Cancelled {
    /// Its row.
    pub request_id: String,
    /// The upstream's id of the generation.
    pub generation_id: String,
    /// The key it was made with: only that account may ask about it.
    pub key: Secret,
}

/// The way to whoever completes rows. Clones share it.
#[derive(Clone)]
pub struct Completer(mpsc::Sender<Cancelled>);

impl Completer {
    /// Starts one on a thread of its own, which asks `wait` after a request was cancelled, and again
    /// later when nothing is known yet.
    pub fn start(connection: Connection, store: Store, usage: UsageHandle, wait: Duration) -> Completer {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Arbiter::new().spawn_fn(move || {
            let work = Work { client: connection.client(), store, usage, wait };
            rt::spawn(work.serve(receiver));
        });
        Completer(sender)
    }

    /// Hands a request over; never waits.
    pub(super) fn take(&self, cancelled: Cancelled) {
        if self.0.try_send(cancelled).is_err() {
            log::debug!("too many cancelled requests wait: one of them keeps its partial usage");
        }
    }
}

struct Work {
    client: Client,
    store: Store,
    usage: UsageHandle,
    wait: Duration,
}

impl Work {
    async fn serve(self, mut queue: mpsc::Receiver<Cancelled>) {
        let work = Rc::new(self);
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        while let Some(cancelled) = queue.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let work = Rc::clone(&work);
            rt::spawn(async move {
                work.complete(&cancelled).await;
                drop(place);
            });
        }
    }

    /// Asks until the upstream has answered and the row is filled, or it is no use.
    async fn complete(&self, cancelled: &Cancelled) {
        let mut wait = self.wait;
        for _ in 0..TRIES {
            sleep(wait).await;
            wait *= 3;
            match self.client.generation(&cancelled.generation_id, &cancelled.key, TIMEOUT).await {
                Ok(completion) => {
                    if self.fill(cancelled, completion).await {
                        return;
                    }
                }
                Err(fault) if fault.may_pass() => {
                    log::debug!("what request {} used is not known yet: {fault}", cancelled.request_id);
                }
                Err(fault) => {
                    return log::debug!("what request {} used stays unknown: {fault}", cancelled.request_id);
                }
            }
        }
    }

    /// Whether the row was there, and is filled.
    async fn fill(&self, cancelled: &Cancelled, completion: Completion) -> bool {
        // The row itself may still be on its way.
        self.usage.flush().await;
        let (store, request_id) = (self.store.clone(), cancelled.request_id.clone());
        match spawn_blocking(move || store.complete_usage(&request_id, &completion)).await {
            Ok(Ok(filled)) => filled,
            Ok(Err(error)) => {
                log::warn!("what a cancelled request used could not be stored: {error}");
                false
            }
            Err(_) => false,
        }
    }
}

//! What the rest of the program holds of the UsageSink.

use super::actor::{Flush, Keep, Record, UsageSink};
use super::batch::FULL;
use super::completion::{Cancelled, Completer};
use super::reader::UsageReader;
use super::retention::Retention;
use crate::domain::time::Clock;
use crate::domain::usage::UsageRow;
use crate::metrics::Metrics;
use crate::store::Store;
use actix::{Actor, Addr, Arbiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Rows that a slow listener may fall behind.
const LIVE: usize = 256;

/// The way to the UsageSink. Clones share it.
#[derive(Clone)]
pub struct UsageHandle {
    address: Addr<UsageSink>,
    waiting: Arc<AtomicUsize>,
    reader: UsageReader,
    completer: Option<Completer>,
    metrics: Metrics,
    live: broadcast::Sender<Arc<UsageRow>>,
}

impl UsageHandle {
    /// Starts the actor on a thread of its own; rows are kept for `days`, or for ever.
    pub fn start(store: Store, days: Option<u32>, metrics: Metrics, clock: Clock) -> UsageHandle {
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let reader = UsageReader::new(store.clone());
        let timed = metrics.clone();
        let address = UsageSink::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            UsageSink::new(store, Retention::new(days), timed, clock, counted)
        });
        let (live, _) = broadcast::channel(LIVE);
        UsageHandle { address, waiting, reader, metrics, live, completer: None }
    }

    /// With someone who completes the rows of cancelled requests.
    pub fn completed_by(self, completer: Completer) -> UsageHandle {
        UsageHandle { completer: Some(completer), ..self }
    }

    /// Hands a row over; never waits.
    pub fn record(&self, row: UsageRow) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.metrics.request(&row);
        if self.live.receiver_count() > 0 {
            // Who has left meanwhile misses nothing.
            let _ = self.live.send(Arc::new(row.clone()));
        }
        // The mailbox has no bound for this; `is_full` keeps new requests, and so new rows, out.
        self.address.do_send(Record(row));
    }

    /// The rows that are handed over from now on. A listener that does not keep up is told how many it
    /// missed; nobody waits for it.
    pub fn listen(&self) -> broadcast::Receiver<Arc<UsageRow>> {
        self.live.subscribe()
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.live.receiver_count()
    }

    /// The way to what is stored.
    pub fn reader(&self) -> &UsageReader {
        &self.reader
    }

    /// Has the row of a cancelled request completed later, if the operator chose so; never waits.
    pub fn complete(&self, cancelled: Cancelled) {
        if let Some(completer) = &self.completer {
            completer.take(cancelled);
        }
    }

    /// Rows that have not reached the store yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether so many rows wait that no new request may be let in.
    pub fn is_full(&self) -> bool {
        self.waiting() >= FULL
    }

    /// Keeps rows for `days` from now on; `None`: for ever.
    pub fn keep_for(&self, days: Option<u32>) {
        self.address.do_send(Keep(days));
    }

    /// Waits until every row so far is stored, or could not be.
    pub async fn flush(&self) {
        let _ = self.address.send(Flush).await;
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }
}

//! What the rest of the program holds of the UsageSink.

use super::actor::{Flush, Keep, UsageSink};
use super::completion::{Cancelled, Completer};
use super::journal::{Depth, Journal, Written};
use super::reader::UsageReader;
use super::retention::Retention;
use crate::domain::time::Clock;
use crate::domain::usage::UsageRow;
use crate::metrics::Metrics;
use crate::store::Store;
use actix::{Actor, Addr, Arbiter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::broadcast;

/// Rows that a slow listener may fall behind.
const LIVE: usize = 256;

/// The way to the UsageSink. Clones share it.
#[derive(Clone)]
pub struct UsageHandle(Arc<Shared>);

struct Shared {
    address: Addr<UsageSink>,
    journal: Journal,
    is_away: Arc<AtomicBool>,
    reader: UsageReader,
    completer: OnceLock<Completer>,
    metrics: Metrics,
    live: broadcast::Sender<Arc<UsageRow>>,
}

impl UsageHandle {
    /// Starts the actor on a thread of its own, between the journal and the store; rows are kept for
    /// `days`, or for ever.
    pub fn start(
        store: Store,
        journal: Journal,
        days: Option<u32>,
        metrics: Metrics,
        clock: Clock,
    ) -> UsageHandle {
        let is_away = Arc::new(AtomicBool::new(false));
        let (told, drained, timed) = (Arc::clone(&is_away), journal.clone(), metrics.clone());
        let reader = UsageReader::new(store.clone());
        let address = UsageSink::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            UsageSink::new(store, drained, Retention::new(days), timed, clock, told)
        });
        let (live, _) = broadcast::channel(LIVE);
        let completer = OnceLock::new();
        UsageHandle(Arc::new(Shared { address, journal, is_away, reader, metrics, live, completer }))
    }

    /// With someone who completes the rows of cancelled requests.
    pub fn completed_by(self, completer: Completer) -> UsageHandle {
        // There is one: the first.
        let _ = self.0.completer.set(completer);
        self
    }

    /// Writes a row into the journal, which takes microseconds. The last bytes of its answer may go
    /// when [`Written`] resolves; from then on the row outlives this process.
    pub fn record(&self, row: UsageRow) -> Written {
        let row = Arc::new(row);
        let written = self.0.journal.append(&row);
        self.0.metrics.request(&row);
        if self.0.live.receiver_count() > 0 {
            // Who has left meanwhile misses nothing.
            let _ = self.0.live.send(row);
        }
        written
    }

    /// Counts a request that was turned away because no row can be kept: it gets none.
    pub fn turned_away(&self, row: &UsageRow) {
        self.0.metrics.request(row);
    }

    /// The rows that are handed over from now on. A listener that does not keep up is told how many it
    /// missed; nobody waits for it.
    pub fn listen(&self) -> broadcast::Receiver<Arc<UsageRow>> {
        self.0.live.subscribe()
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.live.receiver_count()
    }

    /// The way to what is stored.
    pub fn reader(&self) -> &UsageReader {
        &self.0.reader
    }

    /// Has the row of a cancelled request completed later, if the operator chose so; never waits.
    pub fn complete(&self, cancelled: Cancelled) {
        if let Some(completer) = self.0.completer.get() {
            completer.take(cancelled);
        }
    }

    /// Rows that have not reached the store yet.
    pub fn waiting(&self) -> usize {
        self.0.journal.depth().rows
    }

    /// What of the journal has not reached the store yet.
    pub fn depth(&self) -> Depth {
        self.0.journal.depth()
    }

    /// Whether no new request may be let in, because its row could not be kept.
    pub fn is_full(&self) -> bool {
        self.0.journal.is_full()
    }

    /// Whether the journal's disk takes nothing.
    pub fn is_failing(&self) -> bool {
        self.0.journal.is_failing()
    }

    /// Files of the journal in which something could not be read.
    pub fn set_aside(&self) -> usize {
        self.0.journal.set_aside()
    }

    /// Whether the database did not take the last rows.
    pub fn is_database_away(&self) -> bool {
        self.0.is_away.load(Ordering::Acquire)
    }

    /// Keeps rows for `days` from now on; `None`: for ever.
    pub fn keep_for(&self, days: Option<u32>) {
        self.0.address.do_send(Keep(days));
    }

    /// Waits until every row so far is stored, or could not be.
    pub async fn flush(&self) {
        let _ = self.0.address.send(Flush).await;
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.0.address.connected()
    }
}

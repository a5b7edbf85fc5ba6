//! What the rest of the program holds of the UsageSink.

use super::actor::{Flush, Record, UsageSink};
use super::batch::FULL;
use super::completion::{Cancelled, Completer};
use crate::domain::time::Clock;
use crate::domain::usage::UsageRow;
use crate::store::Store;
use actix::{Actor, Addr, Arbiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The way to the UsageSink. Clones share it.
#[derive(Clone)]
pub struct UsageHandle {
    address: Addr<UsageSink>,
    waiting: Arc<AtomicUsize>,
    completer: Option<Completer>,
}

impl UsageHandle {
    /// Starts the actor on a thread of its own.
    pub fn start(store: Store, clock: Clock) -> UsageHandle {
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let address = UsageSink::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            UsageSink::new(store, clock, counted)
        });
        UsageHandle { address, waiting, completer: None }
    }

    /// With someone who completes the rows of cancelled requests.
    pub fn completed_by(self, completer: Completer) -> UsageHandle {
        UsageHandle { completer: Some(completer), ..self }
    }

    /// Hands a row over; never waits.
    pub fn record(&self, row: UsageRow) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The mailbox has no bound for this; `is_full` keeps new requests, and so new rows, out.
        self.address.do_send(Record(row));
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

    /// Waits until every row so far is stored, or could not be.
    pub async fn flush(&self) {
        let _ = self.address.send(Flush).await;
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }
}

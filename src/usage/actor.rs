//! The UsageSink actor: timers, and hand-off from the journal to the store. Decides nothing; the brains
//! are [`Batches`] and [`Retention`].
//!
//! Rows never pass through it: the journal has them already, and what is not in the database yet is
//! read back from there, so an outage of any length costs no memory.

use super::batch::{BATCH, Batches};
use super::journal::Journal;
use super::retention::{Retention, STEP};
use crate::domain::time::Clock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

const TICK: Duration = Duration::from_millis(50);
const SWEEP: Duration = Duration::from_millis(250);
/// How often it is looked whether another process on the same folder has died and left rows behind, and what
/// the database did not let through at the start is tried again.
const ADOPT: Duration = Duration::from_secs(5);
/// A flush tries this often before it gives up: the journal keeps what is left.
const FLUSH_TRIES: u32 = 2;

/// The actor.
pub struct UsageSink {
    batches: Batches,
    retention: Retention,
    store: Store,
    journal: Journal,
    metrics: Metrics,
    clock: Clock,
    is_away: Arc<AtomicBool>,
    flushes: Vec<oneshot::Sender<()>>,
    tries_left: u32,
    adopting: bool,
    /// Whether the sums of days were held against those of hours since the start, or are just now.
    mended: bool,
    told_away: bool,
}

/// Keeps rows for so many days from now on; `None`: for ever.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Keep(pub Option<u32>);

/// Answers when every row so far is stored, or could not be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush;

impl UsageSink {
    /// `is_away` tells others whether the database took the last batch.
    pub fn new(
        store: Store,
        journal: Journal,
        retention: Retention,
        metrics: Metrics,
        clock: Clock,
        is_away: Arc<AtomicBool>,
    ) -> UsageSink {
        UsageSink {
            batches: Batches::default(),
            retention,
            store,
            journal,
            metrics,
            clock,
            is_away,
            flushes: Vec::new(),
            tries_left: 0,
            adopting: false,
            mended: false,
            told_away: false,
        }
    }

    fn delete_old(&mut self, context: &mut Context<UsageSink>) {
        let Some(moment) = self.retention.due(self.clock.now()) else { return };
        let store = self.store.clone();
        let deleting = spawn_blocking(move || store.delete_usage_before(moment, STEP));
        context.spawn(deleting.into_actor(self).map(|deleted, actor, _| {
            if let Ok(Err(error)) = &deleted {
                log::warn!("old usage rows could not be deleted, trying again in an hour: {error}");
            }
            let deleted = deleted.ok().and_then(Result::ok);
            actor.retention.stepped(deleted, actor.clock.now());
        }));
    }

    fn adopt(&mut self, context: &mut Context<UsageSink>) {
        if self.adopting {
            return;
        }
        self.adopting = true;
        let journal = self.journal.clone();
        let adopting = spawn_blocking(move || journal.adopt());
        context.spawn(adopting.into_actor(self).map(|_, actor, _| actor.adopting = false));
    }

    /// Once, and again when the database did not let it: no start waits for it, or fails by it.
    fn mend(&mut self, context: &mut Context<UsageSink>) {
        if std::mem::replace(&mut self.mended, true) {
            return;
        }
        let (store, now) = (self.store.clone(), self.clock.now());
        let mending = spawn_blocking(move || store.mend_daily_sums(now));
        context.spawn(mending.into_actor(self).map(|mended, actor, _| {
            if let Ok(Err(error)) = &mended {
                log::debug!("the sums of days are held against those of hours later: {error}");
            }
            actor.mended = matches!(mended, Ok(Ok(())));
        }));
    }

    /// Rows that wait; at least one while there is anything to do with the journal.
    fn waiting(&self) -> usize {
        let depth = self.journal.depth();
        depth.rows.max(usize::from(depth.bytes > 0 || self.journal.is_failing()))
    }

    fn write(&mut self, context: &mut Context<UsageSink>) {
        let waiting = self.waiting();
        let flush = !self.flushes.is_empty() && self.tries_left > 0;
        if self.batches.is_late(self.clock.elapsed()) {
            self.is_away.store(true, Ordering::Release);
        }
        if !self.batches.begin(waiting, self.clock.elapsed(), flush) {
            return self.answer_flushes();
        }
        let (store, journal) = (self.store.clone(), self.journal.clone());
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        let writing = spawn_blocking(move || {
            let began = clock.elapsed();
            let written = write(&journal, &store);
            metrics.database_took(clock.elapsed().saturating_sub(began));
            written
        });
        context.spawn(writing.into_actor(self).map(|written, actor, context| {
            actor.ended(written.ok());
            actor.write(context);
        }));
    }

    /// A batch has ended; `None`: it has panicked.
    fn ended(&mut self, written: Option<Result<(), StoreError>>) {
        let now = self.clock.elapsed();
        if let Some(Ok(())) = written {
            self.is_away.store(false, Ordering::Release);
            if std::mem::take(&mut self.told_away) {
                log::info!("the database takes usage rows again");
            }
            return self.batches.written(now);
        }
        self.tries_left = self.tries_left.saturating_sub(1);
        self.batches.failed(now);
        self.is_away.store(true, Ordering::Release);
        let is_first = !std::mem::replace(&mut self.told_away, true);
        match written {
            Some(Err(error)) if is_first => {
                log::warn!("usage rows could not be stored, and wait in the journal: {error}");
            }
            Some(Err(error)) => log::debug!("usage rows still wait in the journal: {error}"),
            _ => log::error!("writing usage rows failed without a reason; they wait in the journal"),
        }
    }

    fn answer_flushes(&mut self) {
        let rows = self.journal.depth().rows;
        let is_idle = rows == 0 && !self.batches.is_writing();
        if self.flushes.is_empty() || !is_idle && self.tries_left > 0 {
            return;
        }
        if !is_idle {
            log::warn!("{rows} usage rows are not stored yet; the journal keeps them until they are");
        }
        for flush in self.flushes.drain(..) {
            let _ = flush.send(());
        }
    }
}

/// Stores the next rows of the journal.
fn write(journal: &Journal, store: &Store) -> Result<(), StoreError> {
    journal.mend();
    let unwritten = journal.unwritten(BATCH);
    if !unwritten.is_empty() {
        store.insert_usage(&unwritten)?;
        journal.forget(unwritten.len());
    }
    if let Some(taken) = journal.take(BATCH) {
        store.insert_usage(taken.rows())?;
        journal.done(taken);
    }
    Ok(())
}

impl Actor for UsageSink {
    type Context = Context<UsageSink>;

    fn started(&mut self, context: &mut Context<UsageSink>) {
        self.adopt(context);
        self.mend(context);
        context.run_interval(TICK, UsageSink::write);
        context.run_interval(SWEEP, UsageSink::delete_old);
        context.run_interval(ADOPT, |actor, context| {
            actor.adopt(context);
            actor.mend(context);
        });
    }
}

impl Handler<Keep> for UsageSink {
    type Result = ();

    fn handle(&mut self, Keep(days): Keep, _: &mut Context<UsageSink>) {
        self.retention.keep(days);
    }
}

impl Handler<Flush> for UsageSink {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, context: &mut Context<UsageSink>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.flushes.push(sender);
        self.tries_left = FLUSH_TRIES;
        self.write(context);
        Box::pin(async move {
            let _ = receiver.await;
        })
    }
}

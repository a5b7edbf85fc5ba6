//! The UsageSink actor: mailbox, timers, and hand-off to the store. Decides nothing; the brains are
//! [`Batches`] and [`Retention`].

use super::batch::Batches;
use super::retention::{Retention, STEP};
use crate::domain::time::Clock;
use crate::domain::usage::UsageRow;
use crate::metrics::Metrics;
use crate::store::Store;
use actix::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

const TICK: Duration = Duration::from_millis(50);
const SWEEP: Duration = Duration::from_millis(250);
/// A flush at shutdown tries this often before it gives up.
const FLUSH_TRIES: u32 = 5;

/// The actor.
pub struct UsageSink {
    batches: Batches,
    retention: Retention,
    store: Store,
    metrics: Metrics,
    clock: Clock,
    waiting: Arc<AtomicUsize>,
    flushes: Vec<oneshot::Sender<()>>,
    tries_left: u32,
}

/// Takes a row in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Record(pub UsageRow);

/// Keeps rows for so many days from now on; `None`: for ever.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Keep(pub Option<u32>);

/// Answers when every row so far is stored, or could not be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush;

impl UsageSink {
    pub fn new(
        store: Store,
        retention: Retention,
        metrics: Metrics,
        clock: Clock,
        waiting: Arc<AtomicUsize>,
    ) -> UsageSink {
        let batches = Batches::default();
        UsageSink { batches, retention, store, metrics, clock, waiting, flushes: Vec::new(), tries_left: 0 }
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

    fn write(&mut self, context: &mut Context<UsageSink>) {
        let Some(rows) = self.batches.take(self.clock.elapsed(), !self.flushes.is_empty()) else {
            return self.answer_flushes();
        };
        let (store, clock, metrics) = (self.store.clone(), self.clock.clone(), self.metrics.clone());
        let writing = spawn_blocking(move || {
            let began = clock.elapsed();
            let written = store.insert_usage(&rows);
            metrics.database_took(clock.elapsed().saturating_sub(began));
            (rows, written)
        });
        context.spawn(writing.into_actor(self).map(|written, actor, context| {
            match written {
                Ok((rows, Ok(_))) => {
                    actor.waiting.fetch_sub(rows.len(), Ordering::Relaxed);
                    actor.batches.written();
                }
                Ok((rows, Err(error))) => {
                    log::warn!("{} usage rows could not be stored, trying again: {error}", rows.len());
                    actor.tries_left = actor.tries_left.saturating_sub(1);
                    actor.batches.failed(rows, actor.clock.elapsed());
                }
                Err(_) => {
                    log::error!("writing usage rows failed without a reason");
                    actor.batches.written();
                }
            }
            actor.write(context);
        }));
    }

    fn answer_flushes(&mut self) {
        let given_up = self.tries_left == 0;
        if self.batches.is_idle() || given_up {
            if !self.flushes.is_empty() && !self.batches.is_idle() {
                log::error!("{} usage rows could not be stored", self.batches.waiting());
            }
            for flush in self.flushes.drain(..) {
                let _ = flush.send(());
            }
        }
    }
}

impl Actor for UsageSink {
    type Context = Context<UsageSink>;

    fn started(&mut self, context: &mut Context<UsageSink>) {
        context.set_mailbox_capacity(4096);
        context.run_interval(TICK, UsageSink::write);
        context.run_interval(SWEEP, UsageSink::delete_old);
    }
}

impl Handler<Record> for UsageSink {
    type Result = ();

    fn handle(&mut self, Record(row): Record, _: &mut Context<UsageSink>) {
        self.batches.push(row, self.clock.elapsed());
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

//! The TokenBook actor: mailbox, timers, and hand-off to the store. Decides nothing; the brain is
//! [`Tally`].

use super::handle::{Book, Token};
use super::lending::Lending;
use super::tally::{Exhausted, Moment, Taken, Tally};
use super::uncounted::Uncounted;
use crate::allowance::{Mark, Notebook};
use crate::domain::ids::TokenId;
use crate::domain::published::Published;
use crate::domain::replicas::Replicas;
use crate::domain::time::{Clock, Day};
use crate::domain::token::TokenUse;
use crate::mail::Batch;
use crate::store::{Store, StoreError, StoredToken};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// How often counts go to the store.
const FLUSH: Duration = Duration::from_millis(100);
/// From one write of counts to the next it takes this long for each token of the first: some thousand busy ones
/// would otherwise keep the database busy with nothing else.
const REST_FOR_EACH: Duration = Duration::from_micros(300);
/// The longest that takes: so much a kill may lose.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How often the stored tokens and counts are read again: the command line, or another process on the
/// same database, may have changed them.
const RELOAD: Duration = Duration::from_secs(1);

/// The actor.
pub struct TokenBook {
    pub(super) tally: Tally,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) lending: Lending,
    book: Published<Book>,
    uncounted: Uncounted,
    flushing: bool,
    flushes: u64,
    /// On the steady clock.
    rests_until: Duration,
    waiting: Vec<oneshot::Sender<()>>,
    reloading: bool,
}

/// Takes one request of a token; it comes in batches.
pub struct Reserve {
    pub token: Arc<Token>,
    pub reply: oneshot::Sender<Result<Taken, Exhausted>>,
}

/// Gives a request back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GiveBack(pub Taken);

/// Asks what a token has used today and within the last minute.
#[derive(Message)]
#[rtype(result = "(u64, usize)")]
pub struct Used(pub TokenId);

/// Reads the stored tokens again and publishes them before it answers.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Edited;

/// Gives back what is in hand of shared limits, and answers when that is done, or could not be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// Answers when the counts so far are stored, or could not be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush;

/// What the store holds: the tokens if they have changed, and today's counts.
struct Stored {
    tokens: Option<(i64, Vec<StoredToken>)>,
    day: Day,
    counts: Vec<(TokenId, u64)>,
}

impl TokenBook {
    /// With the counts of the day, and `book` to publish to.
    pub fn new(
        counts: &[(TokenId, u64)],
        store: Store,
        clock: Clock,
        book: Published<Book>,
        replicas: Replicas,
        (notebook, marks): (Notebook, Vec<Mark>),
        uncounted: Uncounted,
    ) -> TokenBook {
        let mut tally = Tally::default();
        tally.share();
        tally.adopt(&marks);
        tally.learn(clock.now().day(), counts);
        TokenBook {
            tally,
            store,
            clock,
            lending: Lending::new(replicas, notebook),
            book,
            uncounted,
            flushing: false,
            flushes: 0,
            rests_until: Duration::ZERO,
            waiting: Vec::new(),
            reloading: false,
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), steady: self.clock.elapsed() }
    }

    /// Counts what was spent without its word.
    fn count(&mut self) {
        self.uncounted.take().iter().for_each(|used| self.tally.count(used));
    }

    fn flush(&mut self, context: &mut Context<TokenBook>) {
        self.count();
        if self.flushing {
            return;
        }
        let uses = self.tally.take_untold();
        if uses.is_empty() {
            return self.answer_waiting();
        }
        self.flushing = true;
        let rest = REST_FOR_EACH.saturating_mul(u32::try_from(uses.len()).unwrap_or(u32::MAX));
        self.rests_until = self.clock.elapsed() + rest.min(LONGEST_REST);
        let writing = write(self.store.clone(), uses);
        context.spawn(writing.into_actor(self).map(|unwritten, actor, context| {
            actor.flushing = false;
            actor.flushes += 1;
            actor.tally.put_back(&unwritten);
            if !unwritten.is_empty() {
                // Who waits is told now; the timer tries again.
                actor.answer_waiting();
            } else if !actor.waiting.is_empty() {
                // Some may have come in while the others were written.
                actor.flush(context);
            }
        }));
    }

    fn answer_waiting(&mut self) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(());
        }
    }

    fn reload(&mut self, context: &mut Context<TokenBook>) {
        if !self.reloading {
            let reading = self.read();
            context.spawn(reading);
        }
    }

    fn read(&mut self) -> ResponseActFuture<TokenBook, ()> {
        self.reloading = true;
        // Counts that were read beside a write may hold it or not; those are not believed.
        let still = (!self.flushing).then_some(self.flushes);
        let (store, known, day) = (self.store.clone(), self.book.get().revision, self.clock.now().day());
        let reading = spawn_blocking(move || read(&store, known, day));
        Box::pin(reading.into_actor(self).map(move |read, actor, _| {
            actor.reloading = false;
            match read {
                Ok(Ok(stored)) => actor.take_in(stored, still),
                Ok(Err(error)) => log::warn!("the client tokens could not be read again: {error}"),
                Err(_) => log::error!("reading the client tokens failed; the known ones stay in use"),
            }
        }))
    }

    fn take_in(&mut self, stored: Stored, still: Option<u64>) {
        // Of two readings that overlap, the older must not undo the younger.
        if let Some((revision, tokens)) = stored.tokens
            && revision > self.book.get().revision
        {
            self.book.publish(Book::new(revision, tokens));
        }
        if !self.flushing && still == Some(self.flushes) {
            self.tally.learn(stored.day, &stored.counts);
        }
    }
}

fn read(store: &Store, known: i64, day: Day) -> Result<Stored, StoreError> {
    let revision = store.tokens_revision()?;
    let tokens = if revision == known { None } else { Some((revision, store.tokens(day)?)) };
    Ok(Stored { tokens, day, counts: store.token_counts(day)? })
}

/// Returns what could not be written.
async fn write(store: Store, uses: Vec<TokenUse>) -> Vec<TokenUse> {
    let kept = uses.clone();
    match spawn_blocking(move || store.record_token_uses(&uses)).await {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(error)) => {
            log::warn!("counts of client tokens could not be stored, trying again: {error}");
            kept
        }
        Err(_) => kept,
    }
}

impl Actor for TokenBook {
    type Context = Context<TokenBook>;

    fn started(&mut self, context: &mut Context<TokenBook>) {
        context.set_mailbox_capacity(4096);
        context.run_interval(FLUSH, |actor, context| {
            actor.advance();
            actor.borrow_parts(context);
            if actor.clock.elapsed() >= actor.rests_until {
                actor.flush(context);
            }
        });
        context.run_interval(RELOAD, TokenBook::reload);
    }
}

impl Handler<Batch<Reserve>> for TokenBook {
    type Result = ();

    fn handle(&mut self, Batch(asked): Batch<Reserve>, context: &mut Context<TokenBook>) {
        asked.into_iter().for_each(|asked| self.come(asked, context));
    }
}

impl Handler<GiveBack> for TokenBook {
    type Result = ();

    fn handle(&mut self, GiveBack(taken): GiveBack, _: &mut Context<TokenBook>) {
        self.tally.give_back(taken);
    }
}

impl Handler<Used> for TokenBook {
    type Result = MessageResult<Used>;

    fn handle(&mut self, Used(token): Used, _: &mut Context<TokenBook>) -> Self::Result {
        self.count();
        MessageResult(self.tally.used(token, self.now()))
    }
}

impl Handler<Edited> for TokenBook {
    type Result = ResponseActFuture<TokenBook, ()>;

    fn handle(&mut self, _: Edited, _: &mut Context<TokenBook>) -> Self::Result {
        // Always a reading of its own: one under way may have begun before the edit.
        self.read()
    }
}

impl Handler<Shutdown> for TokenBook {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Shutdown, context: &mut Context<TokenBook>) -> Self::Result {
        let (done, returned) = oneshot::channel();
        self.close_parts(done, context);
        Box::pin(async move {
            let _ = returned.await;
        })
    }
}

impl Handler<Flush> for TokenBook {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, context: &mut Context<TokenBook>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        self.flush(context);
        Box::pin(async move {
            let _ = receiver.await;
        })
    }
}

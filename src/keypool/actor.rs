//! The KeyPool actor: mailbox and timers. Decides nothing; the brain is [`Pool`], with [`Line`] for
//! those who wait. Never blocks its mailbox: storage and looks at keys are handed off.

use super::books::Books;
use super::lease::Lease;
use super::lending::Lending;
use super::line::{Line, Served, Waiter};
use super::looks::Looks;
use super::pool::{Ask, Ending, Lesson, NoKey, Pool, PoolOptions, PoolView};
use crate::domain::cooldown::Place;
use crate::domain::ids::KeyId;
use crate::domain::published::Published;
use crate::domain::time::{Clock, Timestamp};
use crate::mail::{Batch, When, post};
use crate::metrics::Metrics;
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use actix::prelude::*;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often those who wait are looked at, what changed goes to the store, and the view is published.
const TICK: Duration = Duration::from_millis(100);
/// How often the stored keys are read again (the command line may have changed them), and keys that
/// are due are looked up.
const SECOND: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);

/// Where the answer to one who asks for a key goes.
pub type Reply = oneshot::Sender<Result<Lease, NoKey>>;

impl Waiter for Reply {
    fn has_left(&self) -> bool {
        self.is_closed()
    }
}

/// The actor.
pub struct KeyPool {
    pub(super) pool: Pool,
    pub(super) line: Line<Reply>,
    pub(super) books: Books,
    pub(super) lending: Lending,
    pub(super) looks: Looks,
    metrics: Metrics,
    pub(super) clock: Clock,
    view: Published<PoolView>,
    viewed_at: Timestamp,
    pub(super) changed: bool,
}

/// What attempts have for the pool; it comes in batches.
pub enum Order {
    /// Somebody asks for a key.
    Lease(Ask, Reply),
    /// The answer of this lease's attempt has begun.
    Began(u64),
    /// This lease ends.
    Settle(u64, Ending),
}

impl Order {
    /// Goes to the pool with what else this thread has for it in this turn. What changes which keys others
    /// are given must be there before its client hears, and perhaps asks again; what changes none has time.
    pub fn post(self, to: &Addr<KeyPool>) {
        let when = match self {
            Order::Lease(..) => When::EndOfTurn,
            Order::Settle(_, Ending::Success) => When::Soon,
            Order::Began(_) | Order::Settle(..) => When::Now,
        };
        post(to, self, when);
    }
}

/// Asks for the pool as it is.
#[derive(Message)]
#[rtype(result = "PoolView")]
pub struct Look;

/// The stored keys were changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Edited;

/// What rests is to rest no more, by the operator's hand; whether there was such a thing.
#[derive(Message)]
#[rtype(result = "bool")]
pub enum Clear {
    /// What keeps a key.
    Key(KeyId),
    /// One place.
    Place(Place),
}

/// Looks a key up, by the operator's wish; `None`: there is no such key.
#[derive(Message)]
#[rtype(result = "Option<Result<KeyInfo, KeyCheckFault>>")]
pub struct CheckKey(pub KeyId);

/// Goes by other options from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Steer(pub PoolOptions);

/// Writes what is left to be written.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown;

impl KeyPool {
    pub(super) fn new(
        pool: Pool,
        books: Books,
        lending: Lending,
        looks: Looks,
        metrics: Metrics,
        clock: Clock,
        view: Published<PoolView>,
    ) -> KeyPool {
        let viewed_at = clock.now();
        KeyPool {
            pool,
            line: Line::default(),
            books,
            lending,
            looks,
            metrics,
            clock,
            view,
            viewed_at,
            changed: false,
        }
    }

    fn look(&self) -> PoolView {
        PoolView { waiting: self.line.len(), ..self.pool.view(self.clock.now()) }
    }

    /// A rest that ends changes the view without a message, so it is renewed each second too.
    fn publish(&mut self) {
        let now = self.clock.now();
        if self.changed || now.since(self.viewed_at) >= SECOND {
            self.view.publish(self.look());
            self.viewed_at = now;
            self.changed = false;
        }
    }

    fn tick(&mut self, context: &mut Context<KeyPool>) {
        self.advance(context);
        self.borrow_parts(context);
        self.publish();
        self.write(context);
    }

    /// Serves those who wait, as far as that is possible now.
    pub(super) fn advance(&mut self, context: &mut Context<KeyPool>) {
        if !self.line.is_empty() {
            let served = self.line.advance(&mut self.pool, self.clock.now(), fastrand::u64(..));
            self.answer(served, context);
        }
    }

    fn lease(&mut self, ask: Ask, reply: Reply, context: &mut Context<KeyPool>) {
        let (now, chance) = (self.clock.now(), fastrand::u64(..));
        let waiting = self.line.len();
        let served = self.line.come(ask, reply, &mut self.pool, now, chance);
        self.answer(served, context);
        if self.line.len() > waiting {
            // It may wait for no more than the store's word.
            self.borrow_parts(context);
        }
    }

    /// Those who wait are not looked at here: it happens often, and the next tick is soon enough.
    fn settle(&mut self, lease: u64, ending: &Ending) {
        self.changed = true;
        self.metrics.attempt_ended(ending.word());
        let lessons = self.pool.settle(lease, ending, self.clock.now());
        self.note(lessons);
    }

    fn answer(&mut self, served: Vec<Served<Reply>>, context: &mut Context<KeyPool>) {
        self.note_parts();
        for (reply, answer) in served {
            self.changed = true;
            // One who has left drops the lease, which gives it back.
            let _ = reply.send(answer.map(|grant| Lease::new(grant, context.address())));
        }
    }

    /// Tells the operator what was learned, and notes it for the store.
    pub(super) fn note(&mut self, lessons: Vec<Lesson>) {
        for lesson in lessons {
            match &lesson {
                Lesson::Fault(key, Some(cause)) => {
                    log::warn!("key {key} is out of use until you act on it: {cause}");
                }
                Lesson::Fault(key, None) => log::info!("key {key} is in use again"),
                Lesson::Merged(kept, gone) => {
                    log::info!("accounts {kept} and {gone} are one: their keys share its limits");
                }
                Lesson::Named(..) | Lesson::Account(..) => {}
            }
            self.changed = true;
            self.books.note(lesson);
        }
    }
}

impl Actor for KeyPool {
    type Context = Context<KeyPool>;

    fn started(&mut self, context: &mut Context<KeyPool>) {
        context.set_mailbox_capacity(4096);
        self.looks.start();
        self.look_up(context);
        context.run_interval(TICK, KeyPool::tick);
        context.run_interval(SECOND, |actor, context| {
            actor.reload(context);
            actor.look_up(context);
        });
        context.run_interval(SWEEP, |actor, _| {
            actor.pool.sweep(actor.clock.now());
            actor.forget_parts();
        });
    }
}

impl Handler<Batch<Order>> for KeyPool {
    type Result = ();

    fn handle(&mut self, Batch(orders): Batch<Order>, context: &mut Context<KeyPool>) {
        for order in orders {
            match order {
                Order::Lease(ask, reply) => self.lease(ask, reply, context),
                Order::Began(lease) => {
                    self.pool.began(lease, self.clock.now());
                    self.changed = true;
                    self.advance(context);
                }
                Order::Settle(lease, ending) => self.settle(lease, &ending),
            }
        }
    }
}

impl Handler<Look> for KeyPool {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<KeyPool>) -> Self::Result {
        MessageResult(KeyPool::look(self))
    }
}

impl Handler<Edited> for KeyPool {
    type Result = ();

    fn handle(&mut self, _: Edited, context: &mut Context<KeyPool>) {
        self.reload(context);
    }
}

impl Handler<Clear> for KeyPool {
    type Result = bool;

    fn handle(&mut self, what: Clear, context: &mut Context<KeyPool>) -> bool {
        let cleared = match &what {
            Clear::Key(key) => self.pool.clear_key(*key),
            Clear::Place(place) => self.pool.clear(place),
        };
        if let Clear::Key(key) | Clear::Place(Place::Key(key)) = what
            && cleared
        {
            self.books.note(Lesson::Fault(key, None));
        }
        self.changed = true;
        self.advance(context);
        cleared
    }
}

impl Handler<Steer> for KeyPool {
    type Result = ();

    fn handle(&mut self, Steer(options): Steer, context: &mut Context<KeyPool>) {
        self.pool.set_options(options);
        self.changed = true;
        self.advance(context);
    }
}

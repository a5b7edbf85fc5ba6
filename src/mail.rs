//! What one thread has for an actor, handed over once a turn of its loop.
//!
//! A message to another thread wakes it, and a busy server has dozens of requests in a turn: one message
//! for all of them spares the waking, which costs more than what the actor does. Keeps their order; knows
//! no actor.

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Arbiter, Handler, Message};
use std::any::Any;
use std::cell::RefCell;

/// What a thread had for an actor in one turn, in order.
pub struct Batch<O>(pub Vec<O>);

impl<O: Send + 'static> Message for Batch<O> {
    type Result = ();
}

/// Orders of one kind for one actor.
struct Bundle<A: Actor, O> {
    to: Addr<A>,
    orders: Vec<O>,
}

/// A bundle whose kind is not known here.
trait Sendable {
    fn as_any(&mut self) -> &mut dyn Any;
    fn send(self: Box<Self>);
}

impl<A, O> Sendable for Bundle<A, O>
where
    A: Actor + Handler<Batch<O>>,
    A::Context: ToEnvelope<A, Batch<O>>,
    <A as Handler<Batch<O>>>::Result: MessageResponse<A, Batch<O>>,
    O: Send + 'static,
{
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn send(self: Box<Self>) {
        self.to.do_send(Batch(self.orders));
    }
}

thread_local! {
    static WAITING: RefCell<Vec<Box<dyn Sendable>>> = const { RefCell::new(Vec::new()) };
}

/// Hands `order` over at the end of this turn; at once if it `is_urgent`, with all that came before it, and
/// on a thread that has no such loop.
pub fn post<A, O>(to: &Addr<A>, order: O, is_urgent: bool)
where
    A: Actor + Handler<Batch<O>>,
    A::Context: ToEnvelope<A, Batch<O>>,
    O: Send + 'static,
{
    if Arbiter::try_current().is_none() {
        return to.do_send(Batch(vec![order]));
    }
    let is_first = WAITING.with_borrow_mut(|waiting| {
        let is_first = waiting.is_empty();
        let mut bundles = waiting.iter_mut().filter_map(|one| one.as_any().downcast_mut::<Bundle<A, O>>());
        match bundles.find(|bundle| bundle.to == *to) {
            Some(bundle) => bundle.orders.push(order),
            None => waiting.push(Box::new(Bundle { to: to.clone(), orders: vec![order] })),
        }
        is_first
    });
    if is_urgent {
        send_all();
    } else if is_first {
        at_end_of_turn(send_all);
    }
}

fn send_all() {
    for bundle in WAITING.take() {
        bundle.send();
    }
}

/// Has `work` done at the end of this turn, even if the loop ends before: nothing is left behind. For threads that
/// have such a loop.
pub fn at_end_of_turn(work: fn()) {
    let end = EndOfTurn(work);
    actix_web::rt::spawn(async move { drop(end) });
}

struct EndOfTurn(fn());

impl Drop for EndOfTurn {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix::{Context, MessageResult};

    /// Keeps what comes, message by message.
    #[derive(Default)]
    struct Keeper(Vec<Vec<u32>>);

    impl Actor for Keeper {
        type Context = Context<Keeper>;
    }

    impl Handler<Batch<u32>> for Keeper {
        type Result = ();

        fn handle(&mut self, Batch(orders): Batch<u32>, _: &mut Context<Keeper>) {
            self.0.push(orders);
        }
    }

    struct Kept;

    impl Message for Kept {
        type Result = Vec<Vec<u32>>;
    }

    impl Handler<Kept> for Keeper {
        type Result = MessageResult<Kept>;

        fn handle(&mut self, _: Kept, _: &mut Context<Keeper>) -> MessageResult<Kept> {
            MessageResult(self.0.clone())
        }
    }

    #[actix_web::test]
    async fn a_turn_is_one_message_and_what_is_urgent_ends_it() {
        let (one, other) = (Keeper::default().start(), Keeper::default().start());
        for number in 0..5 {
            post(if number == 3 { &other } else { &one }, number, false);
        }
        tokio::task::yield_now().await;
        post(&one, 5, false);
        post(&one, 6, true);
        assert_eq!(one.send(Kept).await.expect("an answer"), [vec![0, 1, 2, 4], vec![5, 6]]);
        assert_eq!(other.send(Kept).await.expect("an answer"), [vec![3]]);
    }

    #[actix_web::test]
    async fn a_thread_without_a_loop_hands_over_at_once() {
        let keeper = Keeper::default().start();
        let far = keeper.clone();
        std::thread::spawn(move || post(&far, 1, false)).join().expect("its end");
        assert_eq!(keeper.send(Kept).await.expect("an answer"), [vec![1]]);
    }
}

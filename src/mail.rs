//! What one thread has for an actor, handed over once a turn of its loop; what nobody waits for, with the next.
//!
//! A message to another thread wakes it, and a busy server has dozens of requests in a turn: one message
//! for all of them spares the waking, which costs more than what the actor does. Keeps their order; knows
//! no actor.

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Arbiter, Handler, Message};
use std::any::Any;
use std::cell::RefCell;
use std::time::Duration;

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

/// What this thread has for actors.
struct Waiting {
    bundles: Vec<Box<dyn Sendable>>,
    /// Whether the end of this turn hands all over.
    ends_with_turn: bool,
    /// Whether a timer does.
    ends_soon: bool,
}

thread_local! {
    static WAITING: RefCell<Waiting> =
        const { RefCell::new(Waiting { bundles: Vec::new(), ends_with_turn: false, ends_soon: false }) };
}

/// The longest that an order waits for another one.
const LONGEST: Duration = Duration::from_millis(5);

/// When an order is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once, with all that came before it.
    Now,
    /// At the end of this turn.
    EndOfTurn,
    /// With the next order, or after a few milliseconds: nobody waits for what comes of it, and it wakes no thread
    /// of its own.
    Soon,
}

/// Hands `order` over, at once on a thread that has no such loop.
pub fn post<A, O>(to: &Addr<A>, order: O, when: When)
where
    A: Actor + Handler<Batch<O>>,
    A::Context: ToEnvelope<A, Batch<O>>,
    O: Send + 'static,
{
    if Arbiter::try_current().is_none() {
        return to.do_send(Batch(vec![order]));
    }
    let is_first = WAITING.with_borrow_mut(|waiting| {
        let mut bundles = waiting.bundles.iter_mut();
        match bundles.find_map(|one| one.as_any().downcast_mut::<Bundle<A, O>>().filter(|one| one.to == *to))
        {
            Some(bundle) => bundle.orders.push(order),
            None => waiting.bundles.push(Box::new(Bundle { to: to.clone(), orders: vec![order] })),
        }
        match when {
            When::Now => false,
            When::EndOfTurn => !std::mem::replace(&mut waiting.ends_with_turn, true),
            When::Soon => !waiting.ends_with_turn && !std::mem::replace(&mut waiting.ends_soon, true),
        }
    });
    match when {
        When::Now => send_all(),
        When::EndOfTurn if is_first => at_end_of_turn(end_turn),
        When::Soon if is_first => soon(),
        _ => {}
    }
}

fn send_all() {
    for bundle in WAITING.with_borrow_mut(|waiting| std::mem::take(&mut waiting.bundles)) {
        bundle.send();
    }
}

fn end_turn() {
    WAITING.with_borrow_mut(|waiting| waiting.ends_with_turn = false);
    send_all();
}

/// Hands all over when it has waited long enough, or the loop ends.
fn soon() {
    let end = EndOfTurn(|| {
        WAITING.with_borrow_mut(|waiting| waiting.ends_soon = false);
        send_all();
    });
    actix_web::rt::spawn(async move {
        actix_web::rt::time::sleep(LONGEST).await;
        drop(end);
    });
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
    use std::time::Instant;

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
            post(if number == 3 { &other } else { &one }, number, When::EndOfTurn);
        }
        tokio::task::yield_now().await;
        post(&one, 5, When::EndOfTurn);
        post(&one, 6, When::Now);
        assert_eq!(one.send(Kept).await.expect("an answer"), [vec![0, 1, 2, 4], vec![5, 6]]);
        assert_eq!(other.send(Kept).await.expect("an answer"), [vec![3]]);
    }

    async fn all_kept(keeper: &Addr<Keeper>) -> Vec<u32> {
        keeper.send(Kept).await.expect("an answer").concat()
    }

    #[actix_web::test]
    async fn what_has_time_goes_with_the_next_or_by_itself() {
        let (keeper, since) = (Keeper::default().start(), Instant::now());
        post(&keeper, 1, When::Soon);
        for _ in 0..9 {
            tokio::task::yield_now().await;
        }
        assert!(all_kept(&keeper).await.is_empty() || since.elapsed() >= LONGEST, "it waits for another one");
        post(&keeper, 2, When::EndOfTurn);
        post(&keeper, 3, When::Soon);
        tokio::task::yield_now().await;
        assert_eq!(all_kept(&keeper).await, [1, 2, 3]);
        for last in [4, 5] {
            post(&keeper, last, When::Soon);
            while all_kept(&keeper).await.last() != Some(&last) {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(all_kept(&keeper).await, [1, 2, 3, 4, 5]);
    }

    #[actix_web::test]
    async fn what_had_time_is_handed_over_when_the_loop_ends() {
        let keeper = Keeper::default().start();
        let far = keeper.clone();
        let ends = move || actix_web::rt::System::new().block_on(async move { post(&far, 1, When::Soon) });
        std::thread::spawn(ends).join().expect("its end");
        assert_eq!(all_kept(&keeper).await, [1]);
    }

    #[actix_web::test]
    async fn a_thread_without_a_loop_hands_over_at_once() {
        let keeper = Keeper::default().start();
        let far = keeper.clone();
        std::thread::spawn(move || post(&far, 1, When::Soon)).join().expect("its end");
        assert_eq!(keeper.send(Kept).await.expect("an answer"), [vec![1]]);
    }
}

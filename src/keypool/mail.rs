//! What one thread has for the KeyPool, handed over once a turn of its loop.
//!
//! A message to another thread wakes it, and a busy server has dozens of requests in a turn: one message
//! for all of them spares the waking, which costs more than the pool's own work. Keeps their order.

use super::actor::{KeyPool, Reply};
use super::pool::{Ask, Ending};
use actix::{Addr, Arbiter, Message};
use std::cell::RefCell;

/// One thing for the pool to do.
pub enum Order {
    /// Somebody asks for a key.
    Lease(Ask, Reply),
    /// The answer of this lease's attempt has begun.
    Began(u64),
    /// This lease ends.
    Settle(u64, Ending),
}

/// What a thread had for the pool in one turn, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Orders(pub Vec<Order>);

thread_local! {
    static WAITING: RefCell<Vec<(Addr<KeyPool>, Vec<Order>)>> = const { RefCell::new(Vec::new()) };
}

impl Order {
    /// Whether it changes which keys others are given: then it must be there before its client hears, and
    /// perhaps asks again.
    fn is_urgent(&self) -> bool {
        !matches!(self, Order::Lease(..) | Order::Settle(_, Ending::Success))
    }
}

/// Hands `order` over at the end of this turn; at once what is urgent, with all that came before, and on a
/// thread that has no such loop.
pub fn post(address: &Addr<KeyPool>, order: Order) {
    if Arbiter::try_current().is_none() {
        return address.do_send(Orders(vec![order]));
    }
    let is_urgent = order.is_urgent();
    let is_first =
        WAITING.with_borrow_mut(|waiting| match waiting.iter_mut().find(|(to, _)| to == address) {
            Some((_, orders)) => {
                orders.push(order);
                false
            }
            None => {
                waiting.push((address.clone(), vec![order]));
                waiting.len() == 1
            }
        });
    if is_urgent {
        drop(Turn);
    } else if is_first {
        let turn = Turn;
        actix_web::rt::spawn(async move { drop(turn) });
    }
}

/// The end of a turn, even if the loop ends before: nothing is left behind.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        for (address, orders) in WAITING.take() {
            address.do_send(Orders(orders));
        }
    }
}

//! The TokenBook: which client tokens there are, and what each of them has left.
//!
//! [`tally`] counts and is pure; [`actor`] is the shell with mailbox, timers and storage; everyone else
//! holds a [`TokensHandle`]. Who a token belongs to is read from a published snapshot without a message;
//! only a reservation needs one.

mod actor;
mod handle;
mod tally;

pub use handle::{Known, Reservation, Token, TokensError, TokensHandle};
pub use tally::{Exhausted, Limit};

//! The TokenBook: which client tokens there are, and what each of them has left.
//!
//! [`tally`] counts and is pure, with [`parts`] for limits that processes share; [`actor`] is the shell
//! with mailbox, timers and storage, [`lending`] its hand-off of shared limits; everyone else holds a
//! [`TokensHandle`]. Who a token belongs to is read from a published snapshot without a message;
//! only a reservation under a limit needs one; what is spent without one waits in [`uncounted`].

mod actor;
mod handle;
mod lending;
mod parts;
mod tally;
mod uncounted;

pub use handle::{Known, Reservation, Token, TokensError, TokensHandle};
pub use tally::{Exhausted, Limit};

//! The KeyPool: which key serves the next attempt, and what its end teaches us.
//!
//! [`pool`] decides and is pure, with [`mod@line`] for those who wait; [`actor`] is the shell with mailbox
//! and timers, [`books`] its hand-off of storage, [`lending`] of shared quotas, [`looks`] of `GET /key`; everyone else holds a
//! [`KeyPoolHandle`]. A key's secret leaves only inside a [`Lease`].

mod actor;
mod books;
mod cooldown;
mod handle;
mod lease;
mod lending;
mod line;
mod looks;
pub mod pool;
mod quota;
mod sessions;
mod strategy;

pub use cooldown::Rest;
pub use handle::{KeyPoolHandle, Options};
pub use lease::Lease;
pub use pool::{AccountView, Ask, Conversation, Ending, FreeLimits, KeyView, NoKey, PoolOptions, PoolView};

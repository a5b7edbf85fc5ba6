//! The KeyPool: which key serves the next attempt, and what its end teaches us.
//!
//! [`pool`] decides and is pure; [`actor`] is the shell with mailbox, timers and storage; everyone
//! else holds a [`KeyPoolHandle`]. A key's secret leaves only inside a [`Lease`].

mod actor;
mod cooldown;
mod handle;
mod pool;
mod quota;
mod strategy;

pub use cooldown::{Place, Rest};
pub use handle::{KeyPoolHandle, Lease};
pub use pool::{Ask, Ending, KeyView, NoKey, PoolView};

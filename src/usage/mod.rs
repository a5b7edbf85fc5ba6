//! The UsageSink: one row for every request, written in batches so that no client ever waits for
//! the database.
//!
//! [`batch`] decides when and what is written and is pure; [`actor`] is the shell; everyone else holds
//! a [`UsageHandle`]. [`completion`] fills into the rows of cancelled requests what the upstream says later.

mod actor;
mod batch;
mod completion;
mod handle;

pub use completion::{Cancelled, Completer};
pub use handle::UsageHandle;

//! The UsageSink: one row for every request, written in batches so that no client ever waits for
//! the database.
//!
//! [`batch`] decides when and what is written and is pure; [`actor`] is the shell; everyone else holds
//! a [`UsageHandle`].

mod actor;
mod batch;
mod handle;

pub use handle::UsageHandle;

//! The UsageSink: one row for every request, written in batches so that no client ever waits for
//! the database.
//!
//! [`batch`] decides when and what is written, [`retention`] when old rows go; both are pure. [`actor`]
//! is the shell; everyone else holds a [`UsageHandle`], and a [`UsageReader`] to look at what is stored.
//! [`completion`] fills into the rows of cancelled requests what the upstream says later.

mod actor;
mod batch;
mod completion;
mod handle;
mod reader;
mod retention;

pub use completion::{Cancelled, Completer};
pub use handle::UsageHandle;
pub use reader::{Export, ReadError, UsageReader};

//! Usage: one row for every request, in the [`journal`] before its answer has ended, and from there in
//! batches to the database, so that no client ever waits for that.
//!
//! [`batch`] decides when rows are stored, [`retention`] when old ones go; both are pure. [`actor`] is the
//! shell; everyone else holds a [`UsageHandle`], and a [`UsageReader`] to look at what is stored.
//! [`completion`] fills into the rows of cancelled requests what the upstream says later.

mod actor;
mod batch;
mod completion;
mod handle;
pub mod journal;
mod reader;
mod retention;

pub use completion::{Cancelled, Completer};
pub use handle::UsageHandle;
pub use journal::Written;
pub use reader::{Export, ReadError, UsageReader};

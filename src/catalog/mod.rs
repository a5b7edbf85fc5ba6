//! The ModelCatalog: which models are on offer. Keeps the last good listing through failures and
//! restarts: a refresh that fails, or lists nothing, never empties it.
//!
//! [`listing`] reads the upstream's lists and is pure; [`actor`] fetches and stores them; everyone
//! else reads the published snapshot without a message.

mod actor;
mod handle;
mod listing;

pub use handle::{CatalogHandle, CatalogOptions, Refreshed};
pub use listing::{Change, ListingFault};

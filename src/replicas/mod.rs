//! What the processes on one database tell each other: that they live, and that something was changed.
//!
//! Decides nothing about keys or requests, and stands on nobody's way: a heartbeat is a task beside
//! everything else, and news come in on a thread of their own. With the database away the last known
//! state stays.

mod beat;
mod news;

pub use beat::ReplicasHandle;
pub use news::News;

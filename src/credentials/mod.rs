//! Whether a credential is a right one. Both planes ask here, neither knows the other.
//!
//! Holds digests and hashes only; never a secret, never a database.

mod admin_as_client;
mod admin_password;
mod guesses;
mod sender;
mod throttle;

pub use admin_as_client::AdminAsClient;
pub use admin_password::{AdminPassword, Asker, Busy};
pub use guesses::Guesses;
pub use sender::sender;

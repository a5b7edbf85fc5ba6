//! How many processes share the database just now. Whoever hears their heartbeats says it; whoever
//! divides something among them reads it.

use super::published::Published;

/// The number of live processes, this one included. Clones share it.
#[derive(Debug, Clone)]
pub struct Replicas(Published<usize>);

impl Default for Replicas {
    /// This process alone.
    fn default() -> Replicas {
        Replicas(Published::new(1))
    }
}

impl Replicas {
    /// How many live; at least this one.
    pub fn live(&self) -> usize {
        (*self.0.get()).max(1)
    }

    /// Says how many live.
    pub fn set(&self, live: usize) {
        if *self.0.get() != live {
            self.0.publish(live);
        }
    }
}

//! A published snapshot: an actor writes it whole, everyone reads it without a message.

use arc_swap::ArcSwap;
use std::sync::Arc;

/// A value that is replaced as a whole and read without waiting. Clones share it.
#[derive(Debug)]
pub struct Published<T>(Arc<ArcSwap<T>>);

impl<T> Published<T> {
    /// Publishes the first value.
    pub fn new(value: T) -> Published<T> {
        Published(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value as it stands now; it does not change under the reader.
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the value for all later readers.
    pub fn publish(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Published<T> {
        Published(Arc::clone(&self.0))
    }
}

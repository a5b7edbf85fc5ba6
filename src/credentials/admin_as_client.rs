//! How often the admin password came in as a client's credential, so that the dashboard can say so:
//! whoever holds it may do more than ask for completions.

use crate::domain::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Uses of the admin password on the data plane since the start. Clones share the count.
#[derive(Clone)]
pub struct AdminAsClient {
    inner: Arc<Inner>,
    clock: Clock,
}

#[derive(Default)]
struct Inner {
    count: AtomicU64,
    last: AtomicI64,
}

impl AdminAsClient {
    /// Nothing was used yet.
    pub fn new(clock: Clock) -> AdminAsClient {
        AdminAsClient { inner: Arc::default(), clock }
    }

    /// Counts one use, now.
    pub fn note(&self) {
        self.inner.last.fetch_max(self.clock.now().millis(), Ordering::Relaxed);
        self.inner.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Uses since the start.
    pub fn count(&self) -> u64 {
        self.inner.count.load(Ordering::Relaxed)
    }

    /// The latest use; `None`: there was none.
    pub fn last(&self) -> Option<Timestamp> {
        (self.count() > 0).then(|| Timestamp::from_millis(self.inner.last.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_and_the_last_is_known() {
        let uses = AdminAsClient::new(Clock::manual(Timestamp::from_millis(7)));
        assert_eq!((uses.count(), uses.last()), (0, None));
        uses.clone().note();
        assert_eq!((uses.count(), uses.last()), (1, Some(Timestamp::from_millis(7))));
    }
}

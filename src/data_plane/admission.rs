//! How many requests are in, and whether more may come.

use super::errors::{ApiError, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Counts the requests in flight of all threads.
#[derive(Debug, Clone)]
pub struct Gate {
    inside: Arc<AtomicUsize>,
    draining: Arc<AtomicBool>,
    end: watch::Sender<bool>,
    limit: usize,
}

/// The place of one request; free again when dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Gate {
    /// For at most `limit` requests at a time.
    pub fn new(limit: usize) -> Gate {
        Gate { inside: Arc::default(), draining: Arc::default(), end: watch::Sender::new(false), limit }
    }

    /// Lets a request in. Errors: 503 when too many are in.
    pub fn enter(&self) -> Result<Place, ApiError> {
        let place = Place(Arc::clone(&self.inside));
        if self.inside.fetch_add(1, Ordering::AcqRel) < self.limit {
            return Ok(place);
        }
        Err(ApiError {
            retry_after: Some(Duration::from_secs(1)),
            ..ApiError::new(
                503,
                Kind::Overloaded,
                "too_many_requests_in_flight",
                "too many requests are being served; try again shortly",
            )
        })
    }

    /// Requests being served.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }

    /// From now on `/ready` says no.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the program is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// From now on nothing is waited for: every request that is still in ends, and says why.
    pub fn end(&self) {
        self.end.send_replace(true);
    }

    /// Waits for [`Gate::end`].
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut end = self.end.subscribe();
        async move {
            if end.wait_for(|end| *end).await.is_err() {
                // Nobody is left who could say so.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_left() {
        let gate = Gate::new(2);
        let first = gate.enter().expect("room");
        let _second = gate.enter().expect("room");
        assert_eq!(gate.enter().expect_err("full").status, 503);
        drop(first);
        let _third = gate.enter().expect("room again");
        assert_eq!(gate.inside(), 2);
    }
}

//! How many requests are in, how much memory their bodies take, and whether more may come.

use super::errors::{ApiError, Kind};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;

/// Counts the requests in flight of all threads.
#[derive(Debug, Clone)]
pub struct Gate {
    inside: Arc<AtomicUsize>,
    draining: Arc<AtomicBool>,
    end: watch::Sender<bool>,
    limit: usize,
    memory: Arc<AtomicUsize>,
    memory_limit: usize,
}

/// The place of one request; free again when dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

/// The memory that the body of one request takes; free again when dropped.
#[derive(Debug)]
pub struct Memory {
    all: Arc<AtomicUsize>,
    limit: usize,
    bytes: usize,
}

impl Gate {
    /// For at most `limit` requests at a time, whose bodies take at most `memory_limit` bytes together.
    pub fn new(limit: usize, memory_limit: usize) -> Gate {
        Gate {
            inside: Arc::default(),
            draining: Arc::default(),
            end: watch::Sender::new(false),
            limit,
            memory: Arc::default(),
            memory_limit,
        }
    }

    /// Memory for the body of one request: none at first.
    pub fn memory(&self) -> Memory {
        Memory { all: Arc::clone(&self.memory), limit: self.memory_limit, bytes: 0 }
    }

    /// Bytes of request bodies that are held now.
    pub fn memory_held(&self) -> usize {
        self.memory.load(Ordering::Acquire)
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

    /// The same as [`Gate::ended`], for who asks at every turn whether it has come.
    pub fn coming_end(&self) -> End {
        let gate = self.clone();
        End { told: self.end.subscribe(), waiting: Box::pin(async move { gate.ended().await }) }
    }

    /// Waits for [`Gate::end`].
    pub async fn ended(&self) {
        // Only now, since most never have to wait for it.
        let mut end = self.end.subscribe();
        if end.wait_for(|end| *end).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending::<()>().await;
        }
    }
}

/// The end that [`Gate::end`] brings.
pub struct End {
    told: watch::Receiver<bool>,
    waiting: Pin<Box<dyn Future<Output = ()>>>,
}

impl End {
    /// Whether it may have come since this began, which costs less than waiting for it.
    pub fn may_have_come(&self) -> bool {
        self.told.has_changed().unwrap_or(true)
    }

    /// Ready when it has come.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.waiting.as_mut().poll(context)
    }
}

impl Memory {
    /// Takes `bytes` more, as they come: what a client only announces costs nobody anything.
    /// Errors: 503 when they are not to be had.
    pub fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        let before = self.all.fetch_add(bytes, Ordering::AcqRel);
        self.bytes += bytes;
        if before.saturating_add(bytes) <= self.limit { Ok(()) } else { Err(too_much()) }
    }

    /// Whether `bytes` more are to be had just now. Errors: 503 when not.
    pub fn has_room_for(&self, bytes: usize) -> Result<(), ApiError> {
        let held = self.all.load(Ordering::Acquire);
        if held.saturating_add(bytes.max(1)) <= self.limit { Ok(()) } else { Err(too_much()) }
    }
}

fn too_much() -> ApiError {
    ApiError {
        retry_after: Some(Duration::from_secs(1)),
        ..ApiError::new(
            503,
            Kind::Overloaded,
            "too_much_memory_in_use",
            "the requests being served take too much memory; try again shortly",
        )
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::AcqRel);
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
        let gate = Gate::new(2, 0);
        let first = gate.enter().expect("room");
        let _second = gate.enter().expect("room");
        assert_eq!(gate.enter().expect_err("full").status, 503);
        drop(first);
        let _third = gate.enter().expect("room again");
        assert_eq!(gate.inside(), 2);
    }
    #[test]
    fn memory_is_bounded_over_all_and_free_again_when_left() {
        let gate = Gate::new(2, 100);
        let (mut first, mut second) = (gate.memory(), gate.memory());
        first.take(60).expect("room");
        second.has_room_for(40).expect("room");
        assert_eq!(second.has_room_for(41).expect_err("full").status, 503);
        second.take(40).expect("room");
        assert!(second.has_room_for(0).is_err(), "not one byte is left");
        let error = second.take(1).expect_err("full");
        assert_eq!((error.status, error.retry_after), (503, Some(Duration::from_secs(1))));
        drop(second);
        assert_eq!(gate.memory_held(), 60);
        first.has_room_for(40).expect("room again");
        drop(first);
        assert_eq!(gate.memory_held(), 0);
    }
}

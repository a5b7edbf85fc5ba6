//! The body of a plain answer.

use super::admission::Place;
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A plain answer on its way to the client, whose record is written.
pub struct Whole {
    body: Option<Bytes>,
    _place: Place,
}

impl Whole {
    /// The answer `body`.
    pub fn new(body: Bytes, place: Place) -> Whole {
        Whole { body: Some(body), _place: place }
    }
}

impl MessageBody for Whole {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.body.take().map(Ok))
    }
}

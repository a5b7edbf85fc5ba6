//! The body of a plain answer: completed once it is handed to the connection, and written before that.

use super::admission::Place;
use super::record::Record;
use crate::domain::usage::Outcome;
use crate::usage::Written;
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A plain answer on its way to the client; finishes the record.
pub struct Whole {
    body: Option<Bytes>,
    record: Option<Box<Record>>,
    written: Written,
    _place: Place,
}

impl Whole {
    /// The answer `body`.
    pub fn new(body: Bytes, record: Box<Record>, place: Place) -> Whole {
        Whole { body: Some(body), record: Some(record), written: Written::default(), _place: place }
    }
}

impl MessageBody for Whole {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if let Some(record) = self.record.take() {
            self.written = record.finish(Outcome::Completed, None);
        }
        ready!(self.written.poll_done(context));
        Poll::Ready(self.body.take().map(Ok))
    }
}

//! Work on long bodies, beside the worker thread, which serves its other clients meanwhile.
//!
//! Looking through a megabyte takes one to two milliseconds each time, counting its tokens fifty or
//! more (`docs/BENCHMARKS.md`). Short work stays where it is: handing it over costs more than it saves.

use super::errors::{ApiError, Kind};
use crate::shape::body::{BodyFault, Document};
use bytes::Bytes;
use tokio::task::spawn_blocking;

/// Looking through so many bytes takes less than a tenth of a millisecond, where they are a few long texts.
const SHORT_BODY: usize = 128 * 1024;
/// So many values, names and escapes are more than a few plain texts: tens of thousands of small values, or of
/// escapes, take milliseconds, and whoever sends them need not mean well.
const FEW_STEPS: usize = 4096;

/// The body as a document, or what is wrong with it; `None`: it is better looked through beside the worker thread.
pub fn parse_short(body: &Bytes) -> Option<Result<Document, BodyFault>> {
    if body.len() > SHORT_BODY {
        return None;
    }
    Document::parse_within(body.clone(), FEW_STEPS)
}

/// What `work` gives: done here, or on a thread for blocking work if it is `long`.
///
/// Errors: 500 when the work panicked there; here a panic goes its usual way.
pub async fn run<T: Send + 'static>(
    long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if !long {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|error| {
        log::error!("work on a body ended early: {error}");
        let message = "this proxy failed; tell its operator the request id";
        ApiError::new(500, Kind::Internal, "internal_error", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_body_is_long_by_its_bytes_or_by_what_is_in_it() {
        let text = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
        let numbers = |count: usize| format!(r#"{{"a":[{}0]}}"#, "1,".repeat(count));
        for (body, long) in [
            (text(SHORT_BODY), false),
            (text(SHORT_BODY + 1), true),
            (numbers(FEW_STEPS / 2), false),
            (numbers(FEW_STEPS), true),
            (text(SHORT_BODY).replace("xx", ",,"), false),
            (text(2 * FEW_STEPS + 8).replace("xx", r"\n"), true),
            (numbers(FEW_STEPS / 2) + "}", false),
            (String::new(), false),
        ] {
            assert_eq!(parse_short(&body.clone().into()).is_none(), long, "{} bytes", body.len());
        }
    }

    #[tokio::test]
    async fn only_long_work_leaves_the_thread() {
        let here = thread::current().id();
        assert_eq!(run(false, || thread::current().id()).await.expect("done"), here);
        assert_ne!(run(true, || thread::current().id()).await.expect("done"), here);
    }

    #[tokio::test]
    async fn a_panic_beside_is_an_error_here() {
        let error = run(true, || panic!("on purpose")).await.err().map(|error| error.status);
        assert_eq!(error, Some(500));
    }
}

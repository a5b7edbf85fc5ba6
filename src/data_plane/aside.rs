//! Work on long bodies, beside the worker thread, which serves its other clients meanwhile.
//!
//! Looking through a megabyte takes one to two milliseconds each time, counting its tokens fifty or
//! more (`docs/BENCHMARKS.md`). Short work stays where it is: handing it over costs more than it saves.

use super::errors::{ApiError, Kind};
use tokio::task::spawn_blocking;

/// Looking through so many bytes takes less than a tenth of a millisecond, where they are a few long texts.
const SHORT_BODY: usize = 128 * 1024;
/// Through so many it takes well below a millisecond, whatever they are.
const SHORT_ANYHOW: usize = 8 * 1024;
/// So many quotes, commas and backslashes are more than a few plain texts: tens of thousands of small values, or
/// of escapes, take milliseconds, and whoever sends them need not mean well.
const FEW_MARKS: usize = 4096;

/// Whether a body is better looked through beside the worker thread.
pub fn is_long(body: &[u8]) -> bool {
    body.len() > SHORT_BODY || (body.len() > SHORT_ANYHOW && marks(body) > FEW_MARKS)
}

/// How many bytes of a body begin, end or part something.
fn marks(body: &[u8]) -> usize {
    // No more than a byte can count, so that many are looked at in one instruction, which a check for overflow
    // would prevent.
    const BLOCK: usize = 128;
    let is_mark = |byte: u8| u8::from(matches!(byte, b'"' | b',' | b'\\'));
    let count = |block: &[u8]| block.iter().fold(0_u8, |count, byte| count.wrapping_add(is_mark(*byte)));
    body.chunks(BLOCK).map(|block| usize::from(count(block))).sum()
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
        let texts = |count: usize| r#""a""#.repeat(count);
        for (body, long) in [
            ("x".repeat(SHORT_BODY), false),
            ("x".repeat(SHORT_BODY + 1), true),
            (texts(SHORT_ANYHOW / 3), false),
            (texts(SHORT_ANYHOW), true),
            (format!("{}{}", texts(FEW_MARKS / 2), "x".repeat(SHORT_ANYHOW)), false),
            (format!("{},{}", texts(FEW_MARKS / 2), "x".repeat(SHORT_ANYHOW)), true),
            ("{},".repeat(FEW_MARKS), false),
            ("{},".repeat(FEW_MARKS + 1), true),
            ("1,".repeat(FEW_MARKS + 1), true),
            (r"\n".repeat(FEW_MARKS + 1), true),
        ] {
            assert_eq!(is_long(body.as_bytes()), long, "{} bytes", body.len());
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

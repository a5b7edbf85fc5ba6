//! Reads a request's body: within its limit, within its deadline, at a minimum rate, and within the memory
//! that all bodies may take together.
//!
//! actix has no timeout on bodies of its own (stack facts B6).

use super::admission::Memory;
use super::errors::{ApiError, Kind};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::future::poll_fn;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Beyond its deadline a body may take the time that its bytes take at this rate, in bytes a second.
const LOWEST_RATE: u64 = 16 * 1024;

/// How a body may come.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most bytes.
    pub limit: usize,
    /// How long it may take, and longer by the time that its bytes take at the lowest rate.
    pub timeout: Duration,
}

/// The whole body, whose bytes `memory` holds. Errors: 413 over the limit (by its declared length before a
/// byte is read), 408 too slow, 400 broken off, 415 compressed, 503 when there is no memory for it.
pub async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    bounds: Bounds,
    memory: &mut Memory,
) -> Result<Bytes, ApiError> {
    let Bounds { limit, timeout } = bounds;
    let declared: Option<u64> = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let message = "compressed bodies are not read; send the JSON as it is";
        return Err(ApiError::new(415, Kind::InvalidRequest, "unsupported_encoding", message));
    }
    if request.content_type().starts_with("multipart/") {
        let message = "send a JSON body with content-type application/json";
        return Err(ApiError::new(415, Kind::InvalidRequest, "unsupported_content_type", message));
    }
    let whole = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    memory.has_room_for(whole)?;
    let start = Instant::now();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let received = (first.len() + rest.len()) as u64;
        let deadline = start + timeout + Duration::from_secs(received / LOWEST_RATE);
        let Ok(next) = timeout_at(deadline, next(&mut payload)).await else {
            let message = "the request body came too slowly";
            return Err(ApiError::new(408, Kind::Timeout, "body_timeout", message));
        };
        let chunk = match next {
            None => break,
            Some(Ok(chunk)) => chunk,
            Some(Err(_)) => {
                return Err(ApiError::bad_request("body_broken_off", "the request body broke off", None));
            }
        };
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        memory.take(chunk.len())?;
        if first.is_empty() && rest.is_empty() {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(whole.max(first.len() + chunk.len()));
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&chunk);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The next bytes of the body.
///
/// They come to the connection, whose own task this is a part of: it reads them, then polls this, with every
/// wake-up of its socket. To be woken by the payload too would have it polled once more for each request.
async fn next(payload: &mut Payload) -> Option<Result<Bytes, PayloadError>> {
    poll_fn(|_| payload.poll_next_unpin(&mut Context::from_waker(Waker::noop()))).await
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the request body is larger than {limit} bytes");
    ApiError::new(413, Kind::InvalidRequest, "body_too_large", message)
}

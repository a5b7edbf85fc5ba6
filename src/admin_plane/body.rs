//! Reads bodies: JSON objects of a bounded size, judged field by field.

use super::fields::{Field, Given};
use super::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of a body.
pub const LIMIT: usize = 64 * 1024;
/// The most bytes of a text with many keys in it, and of the body that it comes in: JSON writes some
/// characters with six.
pub const IMPORT_TEXT: usize = 1024 * 1024;
pub const IMPORT_LIMIT: usize = 6 * IMPORT_TEXT + 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A JSON object with `fields`, of at most `limit` bytes. Errors: 400, 408, 413 or 415.
pub async fn read(
    request: &HttpRequest,
    payload: Payload,
    fields: &[Field],
    limit: usize,
) -> Result<Given, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(415, "send the body as `Content-Type: application/json`"));
    }
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let reading = timeout(PATIENCE, bytes(payload, limit)).await;
    let bytes = reading.map_err(|_| Problem::new(408, "the body took too long"))??;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Given::judge(members, fields),
        Ok(_) => Err(Problem::of_field("", "the body must be a JSON object")),
        Err(error) => Err(Problem::of_field("", format!("the body is no JSON: {error}"))),
    }
}

async fn bytes(mut payload: Payload, limit: usize) -> Result<BytesMut, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(400, "the body broke off"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(413, format!("the body may have at most {limit} bytes"))
}

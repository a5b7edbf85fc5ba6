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
/// The most bytes of a body with many keys in it.
pub const IMPORT_LIMIT: usize = 1024 * 1024;
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
            return Err(Problem::new(413, format!("the body may have at most {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

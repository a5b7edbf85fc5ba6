//! What an admitted client may do: the limits and the models of its token. Clients without a token may
//! do what the proxy as a whole may.

use super::Plane;
use super::access::Admitted;
use super::errors::{ApiError, Kind};
use super::record::Record;
use crate::shape::body::Document;
use crate::tokens::{Exhausted, Limit};

/// Takes one request from the limits of the client's token; the record gives it back unless an attempt
/// is sent. Errors: 429, with the time from which there is room again.
pub async fn reserve(admitted: &Admitted, plane: &Plane, record: &mut Record) -> Result<(), ApiError> {
    if let Some(token) = &admitted.token {
        record.reserved(plane.tokens.reserve(token).await.map_err(exhausted)?);
    }
    Ok(())
}

/// Of the candidates for a body, the models that the client may use. Errors: 403 naming what it may use.
pub fn models(
    admitted: &Admitted,
    document: &Document,
    models: Vec<String>,
) -> Result<Vec<String>, ApiError> {
    let Some(allowed) = admitted.token.as_ref().and_then(|token| token.allowed.as_ref()) else {
        return Ok(models);
    };
    allowed.check(document, models).map_err(|fault| ApiError {
        param: Some(fault.field.clone()),
        ..ApiError::new(403, Kind::Permission, "model_not_allowed", fault.to_string())
    })
}

fn exhausted(exhausted: Exhausted) -> ApiError {
    let (code, span, until) = match exhausted.limit {
        Limit::Day => ("token_daily_limit", "day", "it resets at 00:00 UTC"),
        Limit::Minute => ("token_minute_limit", "minute", "try again shortly"),
    };
    let admits = exhausted.admits;
    let message = format!("this token's limit of {admits} requests a {span} is used up; {until}");
    ApiError { retry_after: Some(exhausted.wait), ..ApiError::new(429, Kind::RateLimit, code, message) }
}

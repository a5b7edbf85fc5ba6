//! Lets nobody past without the admin password.

use super::Plane;
use super::problem::Problem;
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Data;

/// The middleware around everything that needs the password.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match refusal(&request).await {
        Some(problem) => Ok(request.into_response(problem.response())),
        None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
    }
}

async fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let Some(plane) = request.app_data::<Data<Plane>>() else {
        return Some(Problem::new(503, "the admin plane is not ready"));
    };
    let Some(offered) = bearer(request.headers()) else {
        return Some(Problem::new(401, "send `Authorization: Bearer <admin password>`"));
    };
    match plane.password.is_right(offered).await {
        Ok(true) => None,
        Ok(false) => Some(Problem::new(401, "that is not the admin password")),
        Err(busy) => Some(Problem::new(503, busy.to_string())),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

//! Around every route: a name of ours in each request, an answer even to a panic, and nobody past
//! without a credential where one is needed.

use super::problem::Problem;
use super::{Plane, policy};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HOST};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// The middleware around the whole plane: host names, and an answer even to a panic.
pub async fn outer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(plane) = request.app_data::<Data<Plane>>().cloned() else {
        return Ok(request.into_response(Problem::new(503, "the admin plane is not ready").response()));
    };
    if let Err(problem) = plane.door.check_host(request.request()) {
        return Ok(request.into_response(problem.response()));
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let data_plane = plane.reach.origin(host);
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(served) => served.map(|response| {
            let mut response = in_our_words(response.map_into_boxed_body());
            policy::admit(&data_plane, response.headers_mut());
            response
        }),
        Err(_) => {
            log::error!("a handler of the admin plane panicked");
            Err(Problem::new(500, "this program failed; its log says more").into())
        }
    }
}

/// What the framework refuses by itself, such as a path that names a hidden file, as a problem.
fn in_our_words(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_ours = kind.is_some_and(|kind| kind == "application/problem+json");
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = Problem::new(status.as_u16(), "this address cannot be served; check how it is spelt");
    response.into_response(problem.response())
}

/// The middleware around everything that needs a credential.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(plane) = request.app_data::<Data<Plane>>().cloned() else {
        return Ok(request.into_response(Problem::new(503, "the admin plane is not ready").response()));
    };
    match plane.door.admit(request.request()).await {
        Ok(pass) => {
            request.extensions_mut().insert(pass);
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(problem) => Ok(request.into_response(problem.response())),
    }
}

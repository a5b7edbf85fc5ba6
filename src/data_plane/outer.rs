//! Around every route: a request id on each answer, who may read it, how it ends for old clients; and
//! a panic becomes a 500 instead of silence (stack facts B11).

use super::Plane;
use super::cors::Grant;
use super::errors::{ApiError, Kind};
use crate::domain::ids::RequestId;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// The middleware of this plane.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = request.app_data::<Data<Plane>>().map(|plane| plane.ids.next(plane.clock.now()));
    let id = id.unwrap_or_else(nameless);
    request.extensions_mut().insert(id);
    let grant = request.app_data::<Data<Plane>>().map(|plane| Grant::of(&plane.access, request.headers()));
    let said = Said { id, grant: grant.unwrap_or(Grant::None) };
    let version = request.version();
    let served = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let served = served.unwrap_or_else(|_| Err(Panicked(said.clone()).into()));
    let mut response = served?.map_into_boxed_body();
    said.on(response.headers_mut());
    if version < Version::HTTP_11 {
        unchunked(response.response_mut());
    }
    Ok(response)
}

/// Clients of HTTP/1.0 know no chunks (RFC 9112, 6.1): for them a stream ends with the connection.
fn unchunked(response: &mut HttpResponse<BoxBody>) {
    if response.body().size() == BodySize::Stream {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// What every answer says.
#[derive(Debug, Clone)]
struct Said {
    id: RequestId,
    grant: Grant,
}

impl Said {
    fn on(&self, answer: &mut HeaderMap) {
        answer.insert(REQUEST_ID, header_value(self.id));
        self.grant.tell(answer);
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn header_value(id: RequestId) -> HeaderValue {
    HeaderValue::from_maybe_shared(id.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// A handler panicked while it served this request.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked(Said);

impl ResponseError for Panicked {
    fn error_response(&self) -> HttpResponse {
        let Panicked(said) = self;
        log::error!("request {}: a handler panicked", said.id);
        let message = "this proxy failed; tell its operator the request id";
        let error = ApiError::new(500, Kind::Internal, "internal_error", message);
        let mut response = error.response(None, &said.id.to_string());
        said.on(response.headers_mut());
        response
    }
}

/// The id that [`guard`] gave this request.
pub fn request_id(request: &HttpRequest) -> RequestId {
    let given = request.extensions().get::<RequestId>().copied();
    given.unwrap_or_else(nameless)
}

/// For what reaches no plane, which no set-up of ours allows.
fn nameless() -> RequestId {
    RequestId::new(crate::domain::time::Timestamp::from_millis(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::middleware::from_fn;
    use actix_web::{App, test, web};

    async fn panics() -> HttpResponse {
        panic!("on purpose")
    }

    #[actix_web::test]
    async fn a_panic_is_a_500_that_names_the_request() {
        let app = App::new().wrap(from_fn(guard)).route("/", web::get().to(panics));
        let app = test::init_service(app).await;
        let response = test::try_call_service(&app, test::TestRequest::default().to_request()).await;
        let error = response.expect_err("an error, which the server turns into its answer");
        let response = error.error_response();
        assert_eq!(response.status(), 500);
        let id = response.headers().get(&REQUEST_ID).cloned().expect("a request id");
        assert!(id.to_str().is_ok_and(|id| id.len() == 36), "{id:?}");
        let body = actix_web::body::to_bytes(response.into_body()).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["error"]["type"], "internal_error");
        assert_eq!(body["error"]["code"], "internal_error");
    }
}

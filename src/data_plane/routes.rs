//! The routes of the data plane, under `/v1` and, for OpenRouter's own SDKs, `/api/v1`.

use super::errors::{ApiError, Kind};
use super::outer::request_id;
use super::{cors, health, key, models, request};
use actix_web::guard::fn_guard;
use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};

/// What `GET /` lists.
pub const ENDPOINTS: &[&str] = &[
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1/embeddings",
    "GET /v1/models",
    "GET /v1/models/{author}/{slug}",
    "GET /v1/key",
    "GET /health",
    "GET /ready",
];

/// Adds every route.
pub fn configure(config: &mut ServiceConfig) {
    for base in ["/v1", "/api/v1"] {
        config
            .service(posted(&format!("{base}/chat/completions")).route(on(Method::POST).to(request::chat)))
            .service(posted(&format!("{base}/completions")).route(on(Method::POST).to(request::completions)))
            .service(posted(&format!("{base}/responses")).route(on(Method::POST).to(request::responses)))
            .service(posted(&format!("{base}/messages")).route(on(Method::POST).to(request::messages)))
            .service(posted(&format!("{base}/embeddings")).route(on(Method::POST).to(request::embeddings)))
            .service(read(&format!("{base}/key")).route(on(Method::GET).to(key::key)))
            .service(read(&format!("{base}/models")).route(on(Method::GET).to(models::list)))
            .service(read(&format!("{base}/models/{{id:.+}}")).route(on(Method::GET).to(models::one)));
    }
    config
        .service(read("/").route(on(Method::GET).to(health::root)).route(on(Method::HEAD).to(health::root)))
        .service(
            read("/health")
                .route(on(Method::GET).to(health::health))
                .route(on(Method::HEAD).to(health::health)),
        )
        .service(
            read("/ready").route(on(Method::GET).to(health::ready)).route(on(Method::HEAD).to(health::ready)),
        )
        .default_service(web::to(not_found));
}

fn posted(path: &str) -> Resource {
    resource(path, "POST")
}

fn read(path: &str) -> Resource {
    resource(path, "GET")
}

/// A route of one method. actix's own notes for every request which methods it was held against, for an answer
/// that [`wrong_method`] gives here.
fn on(method: Method) -> Route {
    web::route().guard(fn_guard(move |context| context.head().method == method))
}

/// A route that takes `method`, and says so to browsers that ask and to clients that try another.
fn resource(path: &str, method: &'static str) -> Resource {
    let asked = move |request: HttpRequest| async move { cors::preflight(&request, method) };
    let other = move |request: HttpRequest| async move { wrong_method(&request, method) };
    web::resource(path).route(on(Method::OPTIONS).to(asked)).default_service(web::to(other))
}

fn wrong_method(request: &HttpRequest, allowed: &'static str) -> HttpResponse {
    let message = format!("this route takes {allowed} only");
    let error = ApiError::new(405, Kind::InvalidRequest, "method_not_allowed", message);
    let mut response = error.response(None, &request_id(request).to_string());
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let message = "no such route; `GET /` lists what there is";
    let error = ApiError::new(404, Kind::NotFound, "unknown_route", message);
    error.response(None, &request_id(&request).to_string())
}

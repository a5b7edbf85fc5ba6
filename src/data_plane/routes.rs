//! The routes of the data plane, under `/v1` and, for OpenRouter's own SDKs, `/api/v1`.

use super::errors::{ApiError, Kind};
use super::outer::request_id;
use super::{cors, health, key, models, request};
use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};

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
            .service(posted(&format!("{base}/chat/completions")).route(web::post().to(request::chat)))
            .service(posted(&format!("{base}/completions")).route(web::post().to(request::completions)))
            .service(posted(&format!("{base}/responses")).route(web::post().to(request::responses)))
            .service(posted(&format!("{base}/messages")).route(web::post().to(request::messages)))
            .service(posted(&format!("{base}/embeddings")).route(web::post().to(request::embeddings)))
            .service(read(&format!("{base}/key")).route(web::get().to(key::key)))
            .service(read(&format!("{base}/models")).route(web::get().to(models::list)))
            .service(read(&format!("{base}/models/{{id:.+}}")).route(web::get().to(models::one)));
    }
    config
        .service(read("/").route(web::get().to(health::root)).route(web::head().to(health::root)))
        .service(read("/health").route(web::get().to(health::health)).route(web::head().to(health::health)))
        .service(read("/ready").route(web::get().to(health::ready)).route(web::head().to(health::ready)))
        .default_service(web::to(not_found));
}

fn posted(path: &str) -> Resource {
    resource(path, "POST")
}

fn read(path: &str) -> Resource {
    resource(path, "GET")
}

/// A route that takes `method`, and says so to browsers that ask and to clients that try another.
fn resource(path: &str, method: &'static str) -> Resource {
    let asked = move |request: HttpRequest| async move { cors::preflight(&request, method) };
    let other = move |request: HttpRequest| async move { wrong_method(&request, method) };
    web::resource(path).route(web::method(Method::OPTIONS).to(asked)).default_service(web::to(other))
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

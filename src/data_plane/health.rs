//! Whether this program lives, whether it can serve, and what it is. Open to everyone.

use super::Plane;
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

/// `GET /health`: the process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// `GET /ready`: 200 when a request could be served, else 503 and why not.
pub async fn ready(plane: Data<Plane>) -> HttpResponse {
    let mut missing = Vec::new();
    if plane.gate.is_draining() {
        missing.push("draining");
    }
    // Clients that bring their own keys need neither ours nor our list.
    let own = plane.access.pass_through;
    if !own && plane.pool.usable() == 0 {
        missing.push("no usable key");
    }
    if !own && plane.catalog.get().is_empty() {
        missing.push("no model list");
    }
    if plane.usage.is_full() {
        missing.push("usage rows cannot be stored");
    }
    if missing.is_empty() {
        HttpResponse::Ok().json(json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "missing": missing}))
    }
}

/// `GET /`: name, version and routes.
pub async fn root() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": super::routes::ENDPOINTS,
    }))
}

//! The admin plane: the operator's port. Its own app, its own routes; shares nothing with the data
//! plane but the rooms below both.
//!
//! Protected by default: the guard wraps everything under `/api`; open are `/health` and the pages.

mod guard;
mod problem;
mod status;

use crate::catalog::CatalogHandle;
use crate::credentials::{AdminAsClient, AdminPassword};
use crate::domain::time::Clock;
use crate::keypool::KeyPoolHandle;
use crate::tokens::TokensHandle;
use crate::usage::UsageHandle;
use actix_files::Files;
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use problem::Problem;
use serde_json::json;
use std::path::PathBuf;

/// What the threads of the admin plane share.
#[derive(Clone)]
pub struct Plane {
    /// The password.
    pub password: AdminPassword,
    /// The keys.
    pub pool: KeyPoolHandle,
    /// The models.
    pub catalog: CatalogHandle,
    /// The client tokens.
    pub tokens: TokensHandle,
    /// Uses of the admin password as a client's credential.
    pub admin_uses: AdminAsClient,
    /// The rows.
    pub usage: UsageHandle,
    /// The time.
    pub clock: Clock,
    /// The database, for people: without a password.
    pub database: String,
    /// The folder of the pages; `None`: there are no pages.
    pub static_dir: Option<PathBuf>,
}

/// The content policy of every page: nothing from elsewhere, no inline script or style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of every answer.
pub fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, POLICY))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
        .add((header::CACHE_CONTROL, "no-store"))
}

/// Adds every route of `plane`.
pub fn configure(config: &mut ServiceConfig, plane: &Plane) {
    config
        .app_data(web::Data::new(plane.clone()))
        .service(web::resource("/health").route(web::get().to(health)).default_service(web::to(wrong_method)))
        .service(
            web::scope("/api")
                .wrap(from_fn(guard::guard))
                .service(
                    web::resource("/status")
                        .route(web::get().to(status::status))
                        .default_service(web::to(wrong_method)),
                )
                .default_service(web::to(not_found)),
        );
    if let Some(folder) = &plane.static_dir {
        config.service(
            Files::new("/", folder)
                .index_file("index.html")
                .prefer_utf8(true)
                .default_handler(web::to(not_found)),
        );
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// What answers where nothing else does.
pub async fn not_found(_: HttpRequest) -> HttpResponse {
    Problem::new(404, "there is nothing at this address").response()
}

async fn wrong_method(_: HttpRequest) -> HttpResponse {
    let mut response = Problem::new(405, "this address takes GET only").response();
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET"));
    response
}

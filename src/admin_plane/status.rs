//! `GET /api/status` and `GET /health`: what stands behind, at a glance.

use super::Plane;
use super::banners::{self, Banner};
use super::instances::{self, Replica};
use super::pages::json;
use super::routes::Route;
use crate::domain::time::Timestamp;
use crate::keypool::PoolView;
use actix_web::http::header::HOST;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/health", || web::get().to(health))
            .says("Whether this program lives.")
            .open()
            .gives::<Health>(200),
        Route::get("/api/status", || web::get().to(status))
            .says("Versions, database, actors, keys and models at a glance.")
            .gives::<Status>(200),
    ]
}

/// Whether this program lives.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// The state of this process.
#[derive(Serialize, JsonSchema)]
struct Status {
    version: &'static str,
    time: String,
    /// Where the database is, without a password.
    database: String,
    started_at: String,
    /// What needs the operator.
    warnings: Vec<Banner>,
    /// Whether the database is away, no row can be kept, or a part of the program has died.
    degraded: bool,
    actors: Actors,
    /// The processes on this database that were heard of lately, this one included.
    instances: Vec<Replica>,
    /// Usage rows that have not reached the database yet.
    usage_rows_waiting: usize,
    journal: Journal,
    /// Requests of clients being served.
    requests_in_flight: usize,
    keys: KeyCounts,
    models: Models,
    /// The origin under which browsers see the dashboard, if it was configured.
    public_origin: Option<String>,
    /// What clients take as their base URL, seen from whoever asks.
    client_base_url: String,
}

/// The local journal, which holds usage rows until the database has them.
#[derive(Serialize, JsonSchema)]
struct Journal {
    /// Rows in it.
    rows: usize,
    /// Bytes that they take.
    bytes: u64,
    /// Whether new requests are turned away, because it is full or its disk takes nothing.
    full: bool,
    /// Files in its folder that were damaged and are kept aside.
    damaged_files: usize,
}

/// Which parts live.
#[derive(Serialize, JsonSchema)]
struct Actors {
    key_pool: bool,
    model_catalog: bool,
    token_book: bool,
    usage_sink: bool,
}

/// How many keys there are.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyCounts {
    count: usize,
    /// Those that may be used now.
    usable: usize,
    /// Attempts under way.
    in_flight: u64,
}

impl KeyCounts {
    /// The keys of the pool's view.
    pub fn of(pool: &PoolView) -> KeyCounts {
        let in_flight = pool.keys.iter().map(|key| u64::from(key.in_flight)).sum();
        KeyCounts { count: pool.keys.len(), usable: pool.usable, in_flight }
    }
}

/// How many models there are.
#[derive(Serialize, JsonSchema)]
struct Models {
    count: usize,
    free: usize,
    /// When the list was fetched; null before the first one.
    fetched_at: Option<String>,
}

async fn health() -> HttpResponse {
    json(200, &Health { status: "ok" })
}

async fn status(request: HttpRequest, plane: Data<Plane>) -> HttpResponse {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let pool = plane.pool.view();
    let catalog = plane.catalog.get();
    let actors = Actors {
        key_pool: plane.pool.is_alive(),
        model_catalog: plane.catalog.is_alive(),
        token_book: plane.tokens.is_alive(),
        usage_sink: plane.usage.is_alive(),
    };
    // Asked now, so that the answer is true now.
    let away = plane.ledger.ping().await.is_err() || plane.usage.is_database_away();
    let depth = plane.usage.depth();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        time: plane.clock.now().rfc3339(),
        database: plane.database.clone(),
        started_at: plane.started_at.rfc3339(),
        warnings: banners::all(&plane, &pool),
        degraded: away
            || plane.usage.is_full()
            || !(actors.key_pool && actors.model_catalog && actors.token_book && actors.usage_sink),
        actors,
        instances: instances::all(&plane),
        usage_rows_waiting: depth.rows,
        journal: Journal {
            rows: depth.rows,
            bytes: depth.bytes,
            full: plane.usage.is_full(),
            damaged_files: plane.usage.set_aside(),
        },
        requests_in_flight: (plane.requests_in_flight)(),
        keys: KeyCounts::of(&pool),
        models: Models {
            count: catalog.all().len(),
            free: catalog.free().count(),
            fetched_at: catalog.fetched_at.map(Timestamp::rfc3339),
        },
        public_origin: plane.door.hosts().public().map(ToString::to_string),
        client_base_url: plane.reach.base_url(host),
    };
    json(200, &status)
}

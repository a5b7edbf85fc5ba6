//! The admin plane: the operator's port. Its own app, its own routes; shares nothing with the data
//! plane but the rooms below both.
//!
//! Protected by default: [`routes`] lays every route behind the guard but the few that say they are
//! open; [`door`] decides who gets in. It never names the store: [`crate::ledger`] goes there.

mod accounts;
mod banners;
mod body;
pub mod door;
mod events;
mod fields;
mod guard;
mod instances;
mod keys;
mod keys_bulk;
mod log_filter;
mod metrics;
mod models;
pub mod openapi;
mod overview;
mod pages;
mod policy;
mod problem;
mod reach;
pub mod routes;
mod session;
mod settings;
mod stats;
mod status;
mod tokens;
mod usage;

pub use guard::outer;
pub use policy::security_headers;
pub use problem::below_every_route;
pub use reach::Reach;
pub use settings::LiveSettings;

use crate::catalog::CatalogHandle;
use crate::credentials::AdminAsClient;
use crate::domain::time::{Clock, Timestamp};
use crate::keypool::KeyPoolHandle;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::replicas::ReplicasHandle;
use crate::tokens::TokensHandle;
use crate::usage::UsageHandle;
use actix_files::Files;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use door::Door;
use problem::Problem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// When a database that is away is worth another try.
const DATABASE_PAUSE: Duration = Duration::from_secs(5);

/// What the threads of the admin plane share.
#[derive(Clone)]
pub struct Plane {
    /// Who gets in.
    pub door: Arc<Door>,
    /// The keys.
    pub pool: KeyPoolHandle,
    /// The models.
    pub catalog: CatalogHandle,
    /// The client tokens.
    pub tokens: TokensHandle,
    /// How often clients came with the admin password.
    pub admin_uses: AdminAsClient,
    /// The rows.
    pub usage: UsageHandle,
    /// What is read and changed in the database.
    pub ledger: Ledger,
    /// What is counted.
    pub metrics: Metrics,
    /// How many requests of clients are being served.
    pub requests_in_flight: Arc<dyn Fn() -> usize + Send + Sync>,
    /// The processes on this database.
    pub instances: ReplicasHandle,
    /// The time.
    pub clock: Clock,
    /// When the program started.
    pub started_at: Timestamp,
    /// What holds, and what can change while the program runs.
    pub settings: Arc<LiveSettings>,
    /// Why the admin password is guessed soon, where other machines may try.
    pub weak_password: Option<&'static str>,
    /// How old the model list may grow before it is fetched again.
    pub model_max_age: Duration,
    /// Where clients reach the data plane.
    pub reach: Reach,
    /// The database, for people: without a password.
    pub database: String,
    /// The folder of the pages; `None`: there are no pages.
    pub static_dir: Option<PathBuf>,
}

/// Adds every route of `plane`.
pub fn configure(config: &mut ServiceConfig, plane: &Plane) {
    config.app_data(web::Data::new(plane.clone()));
    routes::configure(config);
    if let Some(folder) = &plane.static_dir {
        config.service(
            Files::new("/", folder)
                .index_file("index.html")
                .prefer_utf8(true)
                .default_handler(web::to(not_found)),
        );
    }
}

/// What answers where nothing else does.
pub async fn not_found(_: HttpRequest) -> HttpResponse {
    Problem::new(404, "there is nothing at this address").response()
}

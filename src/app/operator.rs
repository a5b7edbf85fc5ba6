//! Lays the pipes of the admin plane.

use crate::admin_plane::door::{Door, Hosts};
use crate::admin_plane::{LiveSettings, Plane, Reach};
use crate::catalog::CatalogHandle;
use crate::config::Settings;
use crate::credentials::{AdminAsClient, AdminPassword, Guesses};
use crate::data_plane;
use crate::domain::time::Clock;
use crate::keypool::KeyPoolHandle;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::replicas::ReplicasHandle;
use crate::store::Store;
use crate::tokens::TokensHandle;
use crate::usage::UsageHandle;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The parts that the admin plane looks at.
pub(super) struct Parts {
    pub password: AdminPassword,
    pub store: Store,
    pub pool: KeyPoolHandle,
    pub catalog: CatalogHandle,
    pub tokens: TokensHandle,
    pub admin_uses: AdminAsClient,
    pub usage: UsageHandle,
    pub metrics: Metrics,
    pub instances: ReplicasHandle,
    pub guesses_of_clients: Guesses,
    pub clock: Clock,
}

/// The admin plane over these parts.
pub(super) fn plane(
    settings: &Settings,
    data_address: SocketAddr,
    shared: Arc<data_plane::Shared>,
    live: LiveSettings,
    parts: Parts,
) -> Plane {
    let admin = &settings.admin;
    let hosts = Hosts::new(admin.host.clone(), admin.public_origin.clone());
    let is_proxied = settings.server.trust_forwarded_for.unwrap_or(admin.public_origin.is_some());
    let Parts { password, store, pool, catalog, tokens, admin_uses, usage, metrics, .. } = parts;
    let Parts { instances, guesses_of_clients, clock, .. } = parts;
    let ledger = Ledger::new(store, metrics.clone(), clock.clone());
    let door =
        Arc::new(Door::new(password, guesses_of_clients, hosts, is_proxied, ledger.clone(), clock.clone()));
    Door::keep(&door);
    Plane {
        door,
        ledger,
        instances,
        pool,
        catalog,
        tokens,
        admin_uses,
        usage,
        metrics,
        requests_in_flight: Arc::new(move || shared.gate.inside()),
        started_at: clock.now(),
        clock,
        settings: Arc::new(live),
        weak_password: admin.weakness.filter(|_| !admin.host.is_loopback()),
        model_max_age: settings.openrouter.model_cache_timeout,
        reach: Reach {
            bound: data_address,
            https: settings.server.tls.is_some(),
            public: settings.server.public_origin.clone(),
        },
        database: settings.database.url.to_string(),
        static_dir: static_dir(admin.static_dir.clone()),
    }
}

/// The folder of the pages: as configured, else `static`, else `static` beside the program.
fn static_dir(configured: Option<PathBuf>) -> Option<PathBuf> {
    let beside = crate::config::sources::program_folder().map(|folder| folder.join("static"));
    let candidates = [configured, Some(PathBuf::from("static")), beside];
    let found = candidates.into_iter().flatten().find(|folder| folder.join("index.html").is_file());
    if found.is_none() {
        log::warn!("the admin pages were not found: set admin.static_dir to the folder `static`");
    }
    found
}

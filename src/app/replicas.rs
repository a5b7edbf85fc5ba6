//! Lays the pipes between this process and the others on its database.

use crate::admin_plane::door::Door;
use crate::catalog::CatalogHandle;
use crate::domain::instance::Instance;
use crate::domain::replicas::Replicas;
use crate::domain::time::Clock;
use crate::keypool::KeyPoolHandle;
use crate::replicas::{News, ReplicasHandle};
use crate::store::{Store, StoreError, Topic};
use crate::tokens::TokensHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Those who keep in memory what other processes may change.
pub(super) struct Keepers {
    pub pool: KeyPoolHandle,
    pub catalog: CatalogHandle,
    pub tokens: TokensHandle,
    pub password: Arc<Notify>,
    pub door: Arc<Door>,
}

/// Joins the processes on this database, with the addresses of both planes. Must run inside an actix
/// system.
///
/// # Errors
/// When the database does not take the first heartbeat.
pub(super) fn join(
    store: &Store,
    (data, admin): (SocketAddr, SocketAddr),
    live: Replicas,
    clock: Clock,
) -> Result<ReplicasHandle, StoreError> {
    let me = Instance {
        id: Instance::new_id(clock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
        data_address: data.to_string(),
        admin_address: admin.to_string(),
        started_at: clock.now(),
    };
    ReplicasHandle::start(store.clone(), me, live, clock)
}

/// Has everyone read again what another process changed, as soon as the database says so; they look
/// each second anyway.
pub(super) fn listen(store: &Store, keepers: Keepers) -> News {
    News::listen(store, move |topic| match topic {
        Topic::Keys | Topic::Cooldowns => keepers.pool.edited(),
        Topic::Tokens => keepers.tokens.edited_elsewhere(),
        Topic::Models | Topic::Listings => keepers.catalog.edited(),
        Topic::Password => keepers.password.notify_one(),
        Topic::Sessions => keepers.door.edited(),
    })
}

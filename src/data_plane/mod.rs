//! The data plane: the public port. OpenAI-compatible routes, access, the path of a request, relay.
//!
//! Knows neither the store nor the admin plane; no database call happens while a client waits.
//! Start reading at [`request`]: it is the path of a request, top to bottom.

pub mod access;
mod admission;
mod aside;
mod attempt;
mod body;
mod cors;
mod early;
mod ending;
mod errors;
mod failover;
mod headers;
mod health;
mod key;
mod models;
mod outbox;
mod outer;
mod patience;
mod reading;
mod record;
mod relay;
mod request;
mod rights;
mod routes;
mod scrub;
pub mod shaping;
mod telling;
mod whole;

pub use admission::Gate;
pub use errors::below_every_route;
pub use outer::guard;
pub use routes::configure;

use crate::catalog::CatalogHandle;
use crate::domain::ids::RequestIds;
use crate::domain::published::Published;
use crate::domain::time::Clock;
use crate::keypool::KeyPoolHandle;
use crate::shape::free_rule::FreeRule;
use crate::tokens::TokensHandle;
use crate::upstream::client::{Client, Connection};
use crate::usage::UsageHandle;
use access::Access;
use shaping::Shaping;
use std::sync::Arc;
use std::time::Duration;

/// What the operator chose for this plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// The free rule; `None`: every model on offer may be used.
    pub free_rule: Option<FreeRule>,
    /// The most bytes of a request body.
    pub max_body_bytes: usize,
    /// For the body of a request; longer by the time that its bytes take at the lowest rate.
    pub body_timeout: Duration,
    /// The most attempts that may have cost quota or reached a model.
    pub max_attempts: u32,
    /// After this long the head of a stream goes out although nothing has come yet; `None`: never.
    pub early_headers: Option<Duration>,
    /// Whether the turns of one conversation prefer one account.
    pub session_affinity: bool,
    /// How long a request may wait for a key whose limit resets by then.
    pub queue_timeout: Duration,
    /// To the head of an answer.
    pub first_byte_timeout: Duration,
    /// Between two chunks of an answer.
    pub idle_timeout: Duration,
    /// To the first content of a stream, or to the whole of a plain answer.
    pub request_timeout: Duration,
    /// For a whole stream.
    pub stream_timeout: Duration,
    /// Whether output limits are set and corrected.
    pub auto_max_tokens: bool,
}

/// What all threads of the data plane share.
pub struct Shared {
    /// What the operator chose, as it holds now.
    pub options: Published<Options>,
    /// Who may come in.
    pub access: Access,
    /// How bodies are shaped.
    pub shaping: Shaping,
    /// How many are in, and whether more may come.
    pub gate: Gate,
    /// The keys.
    pub pool: KeyPoolHandle,
    /// The models.
    pub catalog: CatalogHandle,
    /// The client tokens.
    pub tokens: TokensHandle,
    /// The rows.
    pub usage: UsageHandle,
    /// The time.
    pub clock: Clock,
    /// Names for requests.
    pub ids: RequestIds,
}

/// What one worker thread holds: the shared parts and a client of its own, since awc's cannot cross
/// threads.
#[derive(Clone)]
pub struct Plane {
    shared: Arc<Shared>,
    upstream: Client,
    models: models::Cache,
}

impl Plane {
    /// For the worker thread that calls this.
    pub fn new(shared: Arc<Shared>, connection: &Connection) -> Plane {
        Plane { shared, upstream: connection.client(), models: models::Cache::default() }
    }
}

impl std::ops::Deref for Plane {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

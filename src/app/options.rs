//! What each part is told of the configuration.

use crate::catalog::CatalogOptions;
use crate::config::Settings;
use crate::config::openrouter::OpenRouter;
use crate::data_plane;
use crate::keypool::{self, FreeLimits, PoolOptions};
use crate::listener::Deadlines;
use crate::shape::free_rule::FreeRule;
use crate::usage::journal;

/// The KeyPool.
pub(super) fn pool_options(settings: &Settings) -> keypool::Options {
    keypool::Options { pool: choices(settings), look_every: settings.openrouter.key_check_interval }
}

/// The ModelCatalog.
pub(super) fn catalog_options(openrouter: &OpenRouter) -> CatalogOptions {
    CatalogOptions {
        free_suffix: openrouter.free_model_suffix.clone(),
        update_on_start: openrouter.auto_update_models_on_startup,
        max_age: openrouter.model_cache_timeout,
        timeout: openrouter.first_byte_timeout,
    }
}

/// The data plane.
pub(super) fn data_options(settings: &Settings, deadlines: Deadlines) -> data_plane::Options {
    let openrouter = &settings.openrouter;
    let rule = FreeRule { suffix: openrouter.free_model_suffix.clone() };
    data_plane::Options {
        free_rule: settings.proxy.free_models_only.then_some(rule),
        max_body_bytes: settings.server.max_body_bytes,
        body_timeout: deadlines.body,
        max_attempts: settings.proxy.max_attempts,
        early_headers: settings.proxy.early_headers,
        session_affinity: settings.proxy.session_affinity,
        queue_timeout: settings.proxy.queue_timeout,
        first_byte_timeout: openrouter.first_byte_timeout,
        idle_timeout: openrouter.idle_timeout,
        request_timeout: openrouter.request_timeout,
        stream_timeout: openrouter.stream_timeout,
        auto_max_tokens: settings.proxy.auto_max_tokens,
    }
}

/// The journal.
pub(super) fn journal_options(settings: &Settings) -> journal::Options {
    journal::Options {
        folder: settings.database.data_dir.join("journal"),
        most_bytes: settings.usage.journal_max_bytes,
        durability: settings.usage.durability,
    }
}

/// The KeyPool's brain.
pub(super) fn choices(settings: &Settings) -> PoolOptions {
    let proxy = &settings.proxy;
    let limits = FreeLimits { daily: proxy.free_daily_limit, minute: proxy.free_minute_limit };
    PoolOptions { strategy: proxy.load_balance_strategy, limits }
}

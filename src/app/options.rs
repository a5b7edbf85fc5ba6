//! What each part is told of the settings, in its own words. Reads settings alone; starts nothing but the
//! loading of the tokenizer.

use super::StartError;
use crate::catalog::CatalogOptions;
use crate::config::Settings;
use crate::config::openrouter::OpenRouter;
use crate::credentials::{AdminPassword, Guesses};
use crate::data_plane::{self, access::Access, shaping::Shaping};
use crate::keypool::{self, FreeLimits, PoolOptions};
use crate::listener::Deadlines;
use crate::shape::alias::Aliases;
use crate::shape::free_rule::FreeRule;
use crate::shape::rules::Rules;
use crate::shape::tokens;
use crate::usage::journal;

/// Where the journal lies, and how much it may hold.
pub(super) fn journal_options(settings: &Settings) -> journal::Options {
    journal::Options {
        folder: settings.database.data_dir.join("journal"),
        most_bytes: settings.usage.journal_max_bytes,
        durability: settings.usage.durability,
    }
}

/// For the KeyPool.
pub(super) fn pool_options(settings: &Settings) -> keypool::Options {
    keypool::Options { pool: choices(settings), look_every: settings.openrouter.key_check_interval }
}

/// How keys are chosen, and within which limits.
pub(super) fn choices(settings: &Settings) -> PoolOptions {
    let proxy = &settings.proxy;
    let limits = FreeLimits { daily: proxy.free_daily_limit, minute: proxy.free_minute_limit };
    PoolOptions { strategy: proxy.load_balance_strategy, limits }
}

/// For the ModelCatalog.
pub(super) fn catalog_options(openrouter: &OpenRouter) -> CatalogOptions {
    CatalogOptions {
        free_suffix: openrouter.free_model_suffix.clone(),
        update_on_start: openrouter.auto_update_models_on_startup,
        max_age: openrouter.model_cache_timeout,
        timeout: openrouter.first_byte_timeout,
    }
}

/// For the path of a request.
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

/// Who may come in; wrong credentials are counted in `guesses`.
pub(super) fn access(settings: &Settings, admin: &AdminPassword, guesses: Guesses) -> Access {
    let chosen = &settings.access;
    let open = chosen.anonymous || chosen.pass_through || chosen.accept_admin_password;
    if chosen.password.is_none() && !open {
        log::warn!("no client can come in: set access.password, or access.accept_admin_password to true");
    }
    let admin = chosen.accept_admin_password.then(|| admin.clone());
    let mut access = Access::new(chosen.password.as_ref(), admin);
    access.pass_through = chosen.pass_through;
    access.anonymous = chosen.anonymous;
    access.guesses = Some(guesses);
    let server = &settings.server;
    access.is_proxied = server.trust_forwarded_for.unwrap_or(server.public_origin.is_some());
    access
}

/// How bodies are shaped.
///
/// # Errors
/// When the aliases make no sense together.
pub(super) fn shaping(settings: &Settings) -> Result<Shaping, StartError> {
    let proxy = &settings.proxy;
    let mut rules = Rules { cache_control: proxy.cache_control, ..Rules::default() };
    for rule in &proxy.model_provider_mapping {
        rules.providers.add(&rule.pattern, rule.providers.clone());
    }
    let entries = proxy.model_aliases.iter().map(|alias| (alias.name.clone(), alias.models.clone()));
    let aliases = Aliases::new(entries).map_err(StartError::Aliases)?;
    if proxy.auto_max_tokens {
        warm_up();
    }
    Ok(Shaping::new(rules, aliases))
}

/// Loading the tokenizer takes longer than a client should wait for its first count.
pub(super) fn warm_up() {
    std::thread::spawn(tokens::warm_up);
}

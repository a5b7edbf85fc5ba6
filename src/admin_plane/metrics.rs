//! `GET /metrics`: what is counted, in Prometheus text.

use super::Plane;
use super::problem::Problem;
use super::routes::Route;
use crate::domain::cooldown::Place;
use crate::keypool::{KeyView, PoolView};
use crate::metrics::{AccountGauge, Gauges};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Data};

/// The exposition format of Prometheus, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/metrics", || web::get().to(metrics))
            .says("What is counted, in Prometheus text.")
            .gives_text(&["text/plain"]),
    ]
}

async fn metrics(plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    // Asked now, so that a scrape shows an outage and its latency.
    let database_up = plane.ledger.ping().await.is_ok() && !plane.usage.is_database_away();
    let gauges = Gauges { database_up, ..gauges(&plane, &plane.pool.look().await) };
    let text = plane.metrics.text(&gauges).map_err(|error| Problem::new(500, error.to_string()))?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, TEXT)).body(text))
}

fn gauges(plane: &Plane, pool: &PoolView) -> Gauges {
    let catalog = plane.catalog.get();
    let now = plane.clock.now();
    let with_keys = pool.accounts.iter().filter(|account| !account.keys.is_empty());
    Gauges {
        requests_in_flight: (plane.requests_in_flight)(),
        requests_waiting: pool.waiting,
        leases_in_flight: pool.keys.iter().map(|key| u64::from(key.in_flight)).sum(),
        keys: tally(["active", "disabled", "resting", "dead"], pool.keys.iter().map(state)),
        cooldowns: tally(PLACES, pool.rests.iter().map(|(place, _)| kind(place))),
        accounts: with_keys
            .map(|account| AccountGauge {
                id: account.record.id.0,
                used: account.record.used_today,
                limit: account.daily_limit,
            })
            .collect(),
        usage_rows_waiting: plane.usage.waiting(),
        journal_bytes: plane.usage.depth().bytes,
        journal_full: plane.usage.is_full(),
        journal_damaged_files: plane.usage.set_aside(),
        database_up: true,
        models: (catalog.all().len(), catalog.free().count()),
        models_age: catalog.fetched_at.map(|at| now.since(at).as_secs()),
        sign_ins_refused: plane.door.refused(),
        admin_password_as_client: plane.admin_uses.count(),
        listeners: plane.usage.listeners(),
        uptime: now.since(plane.started_at).as_secs(),
    }
}

/// How often each of `words` stands among `found`; those that do not are told as zero.
fn tally<const N: usize>(
    words: [&'static str; N],
    found: impl Iterator<Item = &'static str>,
) -> Vec<(&'static str, usize)> {
    let found: Vec<&str> = found.collect();
    words.map(|word| (word, found.iter().filter(|other| **other == word).count())).into()
}

/// The state of a key in a word.
pub fn state(view: &KeyView) -> &'static str {
    match &view.rest {
        _ if !view.record.enabled => "disabled",
        Some(rest) if rest.until.is_none() => "dead",
        Some(_) => "resting",
        None => "active",
    }
}

const PLACES: [&str; 6] = ["key", "path", "account", "model", "account_model", "everything"];

fn kind(place: &Place) -> &'static str {
    match place {
        Place::Key(_) => "key",
        Place::KeyPath(_) => "path",
        Place::Account(_) => "account",
        Place::Model(_) => "model",
        Place::AccountModel(..) => "account_model",
        Place::Everything => "everything",
    }
}

//! `/api/settings`: what holds and where it comes from. Few settings can change while the program
//! runs; those do so until it is started again.

use super::fields::{Field, Kind};
use super::pages::json;
use super::problem::Problem;
use super::routes::Route;
use super::{Plane, body};
use crate::domain::strategy::Strategy;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::PoisonError;

const STRATEGY: &str = "proxy.load_balance_strategy";
const CHANGE: &[Field] = &[Field::required(
    STRATEGY,
    Kind::Word(&["round_robin", "least_used", "random", "most_remaining"]),
    "How a key is chosen, until the program is started again.",
)];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/settings", || web::get().to(list))
            .says("Every setting that holds, with its source; secrets masked.")
            .gives::<Settings>(200),
        Route::patch("/api/settings", || web::patch().to(change))
            .says("Change what can change while the program runs.")
            .body(CHANGE)
            .gives::<Settings>(200),
    ]
}

/// One setting as it was at the start.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// Its key.
    pub key: &'static str,
    /// Its value as it may be shown.
    pub value: String,
    /// Who gave it.
    pub source: String,
    /// Whether the true value is hidden.
    pub secret: bool,
}

/// Every setting.
#[derive(Serialize, JsonSchema)]
struct Settings {
    data: Vec<Setting>,
}

/// One setting.
#[derive(Serialize, JsonSchema)]
struct Setting {
    key: String,
    /// Its value as it may be shown.
    value: String,
    /// Who gave it.
    source: String,
    /// Whether the true value is hidden.
    secret: bool,
    /// Whether it can change while the program runs.
    live: bool,
}

impl Settings {
    fn of(plane: &Plane) -> Settings {
        let chosen = *plane.strategy.lock().unwrap_or_else(PoisonError::into_inner);
        let setting = |row: &SettingRow| {
            let live = row.key == STRATEGY;
            let chosen = chosen.filter(|_| live);
            Setting {
                key: row.key.to_owned(),
                value: chosen.map_or_else(|| row.value.clone(), |strategy| strategy.word().to_owned()),
                source: chosen
                    .map_or_else(|| row.source.clone(), |_| "changed here, until the restart".to_owned()),
                secret: row.secret,
                live,
            }
        };
        Settings { data: plane.settings.iter().map(setting).collect() }
    }
}

async fn list(plane: Data<Plane>) -> HttpResponse {
    json(200, &Settings::of(&plane))
}

async fn change(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    let word = given.text(STRATEGY).unwrap_or_default();
    if let Some(strategy) = Strategy::ALL.into_iter().find(|strategy| strategy.word() == word) {
        plane.pool.choose(strategy);
        *plane.strategy.lock().unwrap_or_else(PoisonError::into_inner) = Some(strategy);
        log::info!("keys are chosen by {word} from now on");
    }
    Ok(json(200, &Settings::of(&plane)))
}

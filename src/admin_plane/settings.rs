//! `/api/settings`: what holds and where it comes from; and what can change while the program runs,
//! until it is started again. The table of settings says which those are.

use super::fields::{Field, Kind};
use super::pages::json;
use super::problem::{FieldFault, Problem};
use super::routes::Route;
use super::{Plane, body};
use crate::config::json::Json;
use crate::config::live::live_rows;
use crate::config::table::{self, Preset, Row};
use crate::config::{self, fault::Faults};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What a change may hold: a field for each live row.
static CHANGE: LazyLock<Vec<Field>> = LazyLock::new(|| live_rows().filter_map(field).collect());

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/settings", || web::get().to(list))
            .says("Every setting that holds, with its source; secrets masked.")
            .gives::<Listed>(200),
        Route::patch("/api/settings", || web::patch().to(change))
            .says("Change what can change while the program runs, until it is started again.")
            .body(&CHANGE)
            .gives::<Listed>(200),
    ]
}

/// What holds, and who is told when it changes. The lock is the admin plane's own: a request of a
/// client never meets it.
pub struct LiveSettings {
    start: config::Settings,
    now: Mutex<config::Settings>,
    carry: Box<dyn Fn(&config::Settings) + Send + Sync>,
}

impl LiveSettings {
    /// As at the start; `carry` takes what has changed to the parts that go by it.
    pub fn new(
        settings: config::Settings,
        carry: impl Fn(&config::Settings) + Send + Sync + 'static,
    ) -> LiveSettings {
        LiveSettings { start: settings.clone(), now: Mutex::new(settings), carry: Box::new(carry) }
    }

    fn now(&self) -> MutexGuard<'_, config::Settings> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, changes: &BTreeMap<&'static str, Json>) -> Result<(), Faults> {
        let mut now = self.now();
        *now = now.changed(changes)?;
        (self.carry)(&now);
        Ok(())
    }
}

/// Every setting.
#[derive(Serialize, JsonSchema)]
struct Listed {
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
    /// What it does.
    about: String,
    /// Of a live setting, what it takes: `switch`, `choice`, `whole`, `limit`, `seconds` or `text`.
    takes: Option<&'static str>,
    /// The words of a choice.
    choices: Vec<String>,
    /// Of one that was changed, the value that holds again after the next start.
    configured: Option<String>,
}

impl Listed {
    fn of(live: &LiveSettings) -> Listed {
        let now = live.now();
        let rows = table::rows().map(|row| setting(row, &live.start, &now));
        Listed { data: rows.flatten().collect() }
    }
}

fn setting(row: &Row, start: &config::Settings, now: &config::Settings) -> Option<Setting> {
    let find =
        |settings: &config::Settings| settings.origins().iter().find(|origin| origin.key == row.key).cloned();
    let (origin, before) = (find(now)?, find(start)?);
    let choices = if let table::Kind::Choice(words) = row.kind { words } else { &[] };
    Some(Setting {
        key: row.key.to_owned(),
        configured: (origin != before).then_some(before.value),
        value: origin.value,
        source: origin.source.to_string(),
        secret: origin.secret,
        live: row.live,
        about: row.doc.to_owned(),
        takes: takes(row),
        choices: choices.iter().map(|word| (*word).to_owned()).collect(),
    })
}

fn takes(row: &Row) -> Option<&'static str> {
    row.live.then_some(match row.kind {
        table::Kind::Switch => "switch",
        table::Kind::Choice(_) => "choice",
        table::Kind::Whole { .. } => "whole",
        table::Kind::Limit => "limit",
        table::Kind::Seconds { .. } => "seconds",
        _ => "text",
    })
}

/// The field of a change for a live row; `None`: a kind that cannot be given here.
fn field(row: &Row) -> Option<Field> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let kind = match row.kind {
        table::Kind::Switch => Kind::Switch,
        table::Kind::Choice(words) => Kind::Word(words),
        table::Kind::Whole { min, max } => Kind::Whole { min: whole(min), max: whole(max) },
        table::Kind::Limit => Kind::Whole { min: -1, max: i64::from(u32::MAX) },
        table::Kind::Seconds { min, max } => Kind::Seconds { min, max },
        _ if row.key == "log.level" => Kind::LogFilter,
        _ => return None,
    };
    Some(match row.preset {
        Preset::Unset(_) => Field::nullable(row.key, kind, row.doc),
        Preset::Value(_) => Field::optional(row.key, kind, row.doc),
    })
}

async fn list(plane: Data<Plane>) -> HttpResponse {
    json(200, &Listed::of(&plane.settings))
}

async fn change(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, &CHANGE, body::LIMIT).await?;
    let mut changes = BTreeMap::new();
    for field in CHANGE.iter().filter(|field| given.has(field.name)) {
        let value = match field.kind {
            // JSON does not tell 50.0 from 50.
            Kind::Whole { .. } => given.whole(field.name).map_or(Value::Null, Value::from),
            _ => given.value(field.name).cloned().unwrap_or(Value::Null),
        };
        changes.insert(field.name, Json::from(value));
    }
    plane.settings.change(&changes)?;
    for origin in plane.settings.now().origins().iter().filter(|origin| changes.contains_key(origin.key)) {
        log::info!("{} is {} from now on, until the next start", origin.key, origin.value);
    }
    Ok(json(200, &Listed::of(&plane.settings)))
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Problem {
        let fault = |fault: &config::fault::Fault| FieldFault {
            field: fault.key.to_owned(),
            detail: fault.message.clone(),
        };
        Problem::of_fields(faults.0.iter().map(fault).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_setting_can_be_changed_here() {
        let keys: Vec<&str> = live_rows().map(|row| row.key).collect();
        let fields: Vec<&str> = CHANGE.iter().map(|field| field.name).collect();
        assert_eq!(keys, fields);
        assert!(keys.len() > 10);
    }
}

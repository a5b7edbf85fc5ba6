//! `/api/keys`: the upstream keys, masked.

use super::fields::{Field, Given, Kind};
use super::pages::{self, List, json};
use super::problem::Problem;
use super::routes::Route;
use super::{Plane, body, keys_bulk};
use crate::domain::cooldown::Place;
use crate::domain::ids::KeyId;
use crate::domain::key::{KeyRecord, NewKey};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::keypool::{PoolView, Rest};
use crate::ledger::{KeyChange, LedgerError};
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;

/// How often, and with what pause, it is looked whether the pool has taken a change over.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

const LABEL: Kind = Kind::Text { min: 0, max: 200 };
const DAILY_LIMIT: Field = Field::nullable(
    "daily_limit",
    Kind::Whole { min: 1, max: u32::MAX as i64 },
    "Requests a UTC day through this key; null: no limit of its own.",
);
const NEW: &[Field] = &[
    Field::required("key", Kind::UpstreamKey, "The OpenRouter key."),
    Field::optional("label", LABEL, "What to call it."),
    DAILY_LIMIT,
    Field::optional("enabled", Kind::Switch, "Whether it may be used; true when left out."),
];
const CHANGE: &[Field] = &[
    Field::optional("label", LABEL, "What to call it."),
    DAILY_LIMIT,
    Field::optional("enabled", Kind::Switch, "Whether it may be used."),
];
const PAGE: &[Field] = &[pages::LIMIT, pages::AFTER_NUMBER];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::get("/api/keys", || web::get().to(list))
            .says("The upstream keys, by id.")
            .query(PAGE)
            .gives::<List<Key>>(200),
        Route::post("/api/keys", || web::post().to(add))
            .says("Add an upstream key.")
            .body(NEW)
            .gives::<Key>(201)
            .problems(&[409]),
    ];
    routes.extend(keys_bulk::routes());
    routes.extend([
        Route::get("/api/keys/{id}", || web::get().to(one)).says("One upstream key.").gives::<Key>(200),
        Route::patch("/api/keys/{id}", || web::patch().to(change))
            .says("Change a key.")
            .body(CHANGE)
            .gives::<Key>(200),
        Route::post("/api/keys/{id}/check", || web::post().to(check))
            .says("Ask OpenRouter about a key; one that it knows comes back into use.")
            .gives::<Checked>(200)
            .problems(&[502]),
        Route::post("/api/keys/{id}/reset", || web::post().to(reset))
            .says("End the rests of a key and of its account.")
            .gives::<Key>(200),
        Route::delete("/api/keys/{id}", || web::delete().to(remove)).says("Remove a key; its history stays."),
    ]);
    routes
}

/// An upstream key as the operator sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Key {
    id: i64,
    /// What the operator calls it.
    label: String,
    /// Its last characters, all that is ever shown of it.
    hint: String,
    /// The account whose quotas it uses.
    account_id: i64,
    enabled: bool,
    /// Requests a UTC day through this key; null: no limit of its own.
    daily_limit: Option<u32>,
    used_today: u64,
    used_total: u64,
    last_used: Option<String>,
    /// Attempts under way.
    in_flight: u32,
    /// `active`, `disabled`, `resting`, or `dead`: out of use until the operator acts.
    state: &'static str,
    resting: Option<Resting>,
}

/// What OpenRouter says of a key.
#[derive(Serialize, JsonSchema)]
struct Checked {
    /// Whether OpenRouter knows the key.
    valid: bool,
    detail: String,
    /// Whether its account never bought credits.
    is_free_tier: Option<bool>,
    /// Requests to free models today, and how many are allowed.
    free_used: Option<u64>,
    free_limit: Option<u64>,
    /// USD that the key may still spend.
    limit_remaining: Option<f64>,
    expires_at: Option<String>,
    key: Key,
}

/// Why something is not used just now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Resting {
    /// What rests, e.g. `key:1`, `account:3`, `model:a/b:free`.
    pub place: String,
    /// Why, in a word.
    pub cause: String,
    /// Until when; null: until the operator acts.
    pub until: Option<String>,
    /// How often in a row.
    pub strikes: u32,
}

impl Resting {
    /// A rest of `place`.
    pub fn of(place: Place, rest: &Rest) -> Resting {
        Resting {
            place: place.to_string(),
            cause: rest.cause.to_owned(),
            until: rest.until.map(Timestamp::rfc3339),
            strikes: rest.strikes,
        }
    }
}

/// Whether it is the key itself that rests, or its account.
fn place_of_key(record: &KeyRecord, rest: &Rest, pool: &PoolView) -> Place {
    let account = pool.accounts.iter().find(|account| account.record.id == record.account);
    let of_account = account.and_then(|account| account.rest.as_ref()).is_some_and(|other| other == rest);
    if of_account { Place::Account(record.account) } else { Place::Key(record.id) }
}

impl Key {
    /// `record` as it is stored, with what the pool knows beyond it.
    pub fn new(record: KeyRecord, pool: &PoolView) -> Key {
        let view = pool.keys.iter().find(|view| view.record.id == record.id);
        let rest = view.and_then(|view| view.rest.as_ref());
        let resting = rest.map(|rest| Resting::of(place_of_key(&record, rest, pool), rest));
        let state = match &resting {
            _ if !record.enabled => "disabled",
            Some(Resting { until: None, .. }) => "dead",
            Some(_) => "resting",
            None => "active",
        };
        // The pool counts ahead of the store.
        let counted = view.map_or(&record, |view| &view.record);
        Key {
            id: record.id.0,
            used_today: counted.used_today,
            used_total: counted.used_total,
            last_used: counted.last_used.map(Timestamp::rfc3339),
            in_flight: view.map_or(0, |view| view.in_flight),
            label: record.label,
            hint: record.hint,
            account_id: record.account.0,
            enabled: record.enabled,
            daily_limit: record.daily_limit,
            state,
            resting,
        }
    }
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let (after, limit) = (pages::after_number(&given)?, pages::limit(&given));
    let pool = plane.pool.view();
    let records = match plane.ledger.keys(plane.clock.now().day()).await {
        Ok(records) => records,
        // While the database is away, what is in memory is the best there is.
        Err(LedgerError::Away(_)) => pool.keys.iter().map(|view| view.record.clone()).collect(),
        Err(error) => return Err(error.into()),
    };
    let page = pages::page(records, |record| record.id.0, after, limit);
    let data = page.data.into_iter().map(|record| Key::new(record, &pool)).collect();
    Ok(json(200, &List { data, next_cursor: page.next_cursor }))
}

async fn one(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let record = plane.ledger.key(key_id(&id)?, plane.clock.now().day()).await?;
    Ok(json(200, &Key::new(record, &plane.pool.view())))
}

async fn add(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, NEW, body::LIMIT).await?;
    let key = NewKey {
        secret: Secret::new(given.text("key").unwrap_or_default()),
        label: given.text("label").unwrap_or_default().to_owned(),
        daily_limit: daily_limit(&given),
    };
    let enabled = given.switch("enabled").unwrap_or(true);
    let record = plane.ledger.add_key(key, enabled, plane.clock.now()).await?;
    taken_over(&plane, |pool| pool.keys.iter().any(|view| view.record.id == record.id)).await;
    log::info!("key {} was added", record.id);
    let location = format!("/api/keys/{}", record.id);
    Ok(pages::created(&location, &Key::new(record, &plane.pool.view())))
}

async fn change(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    plane: Data<Plane>,
) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    let id = key_id(&id)?;
    let change = KeyChange {
        label: given.text("label").map(str::to_owned),
        daily_limit: given.has("daily_limit").then(|| daily_limit(&given)),
        enabled: given.switch("enabled"),
    };
    let record = plane.ledger.change_key(id, change, plane.clock.now().day()).await?;
    let is_same = |other: &KeyRecord| {
        (other.id, other.enabled, other.daily_limit, &other.label)
            == (record.id, record.enabled, record.daily_limit, &record.label)
    };
    taken_over(&plane, |pool| pool.keys.iter().any(|view| is_same(&view.record))).await;
    Ok(json(200, &Key::new(record, &plane.pool.view())))
}

async fn remove(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = key_id(&id)?;
    plane.ledger.remove_key(id, plane.clock.now()).await?;
    taken_over(&plane, |pool| pool.keys.iter().all(|view| view.record.id != id)).await;
    log::info!("key {id} was removed");
    Ok(HttpResponse::NoContent().finish())
}

async fn check(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = key_id(&id)?;
    let asked = plane.pool.check(id).await.ok_or_else(|| Problem::unknown("key"))?;
    let (info, detail) = match asked {
        Ok(info) => (Some(info), "OpenRouter knows this key".to_owned()),
        Err(KeyCheckFault::Rejected) => (None, KeyCheckFault::Rejected.to_string()),
        Err(fault) => return Err(Problem::new(502, format!("OpenRouter could not be asked: {fault}"))),
    };
    let record = plane.ledger.key(id, plane.clock.now().day()).await?;
    let valid = info.is_some();
    let KeyInfo { is_free_tier, free_used, free_limit, limit_remaining, expires_at, .. } =
        info.unwrap_or_default();
    let key = Key::new(record, &plane.pool.look().await);
    Ok(json(
        200,
        &Checked { valid, detail, is_free_tier, free_used, free_limit, limit_remaining, expires_at, key },
    ))
}

async fn reset(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = key_id(&id)?;
    if !plane.pool.clear_key(id).await {
        return Err(Problem::unknown("key"));
    }
    let record = plane.ledger.key(id, plane.clock.now().day()).await?;
    Ok(json(200, &Key::new(record, &plane.pool.look().await)))
}

/// Has the pool read again what was changed, and waits a little until it has: what an answer says
/// should hold when it arrives.
pub async fn taken_over(plane: &Plane, is_so: impl Fn(&PoolView) -> bool) {
    for _ in 0..LOOKS {
        plane.pool.edited();
        if is_so(&plane.pool.look().await) {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn daily_limit(given: &Given) -> Option<u32> {
    given.whole("daily_limit").and_then(|limit| u32::try_from(limit).ok())
}

/// The id in a path. Errors: 404, since no key has another kind of id.
fn key_id(text: &str) -> Result<KeyId, Problem> {
    text.parse().map(KeyId).map_err(|_| Problem::unknown("key"))
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Problem {
        match error {
            LedgerError::DuplicateKey(_) => Problem::new(409, error.to_string()),
            LedgerError::Unknown(what) => Problem::unknown(what),
            LedgerError::Away(_) => Problem::new(503, error.to_string()).retry_after(super::DATABASE_PAUSE),
            LedgerError::Broken => Problem::new(500, error.to_string()),
        }
    }
}

//! `/api/accounts`: which keys share what quota.

use super::fields::{Field, Given, Kind};
use super::keys::{Resting, taken_over};
use super::pages::{self, List, json};
use super::problem::Problem;
use super::routes::Route;
use super::{Plane, body};
use crate::domain::account::{AccountEdit, Limit};
use crate::domain::cooldown::Place;
use crate::domain::ids::AccountId;
use crate::domain::time::Timestamp;
use crate::keypool::{AccountView, PoolView};
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

const LIMIT: Kind = Kind::Whole { min: -1, max: u32::MAX as i64 };
const CHANGE: &[Field] = &[
    Field::nullable(
        "daily_limit",
        LIMIT,
        "Requests to free models a UTC day; -1: no limit, null: what is learned.",
    ),
    Field::nullable(
        "minute_limit",
        LIMIT,
        "Requests to free models a minute; -1: no limit, null: the usual.",
    ),
];
const PAGE: &[Field] = &[pages::LIMIT, pages::AFTER_NUMBER];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/accounts", || web::get().to(list))
            .says("The accounts behind the keys, by id, with what is left of their quotas.")
            .query(PAGE)
            .gives::<List<Account>>(200),
        Route::patch("/api/accounts/{id}", || web::patch().to(change))
            .says("Change an account's limits.")
            .body(CHANGE)
            .gives::<Account>(200),
        Route::post("/api/accounts/{id}/reset", || web::post().to(reset))
            .says("End the rest of an account, and of models with it.")
            .gives::<Account>(200),
    ]
}

/// An account as the operator sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Account {
    id: i64,
    /// The ids of its keys.
    keys: Vec<i64>,
    /// The names it goes by at OpenRouter.
    users: Vec<String>,
    /// Whether it never bought credits.
    free_tier: Option<bool>,
    /// What the operator set; -1: no limit.
    daily_limit: Option<i64>,
    /// What the operator set; -1: no limit.
    minute_limit: Option<i64>,
    /// What OpenRouter said.
    learned_daily_limit: Option<u32>,
    /// Requests to free models since 00:00 UTC.
    used_today: u64,
    /// Requests to free models a day that hold just now; null: no limit.
    limit_today: Option<u32>,
    left_today: Option<u64>,
    /// Requests to free models in this minute.
    used_minute: u32,
    /// Requests to free models a minute that hold just now; null: no limit.
    limit_minute: Option<u32>,
    /// When the day's quota begins anew.
    resets_at: String,
    resting: Option<Resting>,
    /// Models that its keys are not used for just now, such as those that its privacy settings rule out.
    resting_models: Vec<Resting>,
}

impl Account {
    /// What the pool knows of an account.
    pub fn new(view: &AccountView, now: Timestamp) -> Account {
        let record = &view.record;
        let limit = view.daily_limit;
        Account {
            id: record.id.0,
            keys: view.keys.iter().map(|key| key.0).collect(),
            users: record.users.clone(),
            free_tier: record.free_tier,
            daily_limit: record.daily_limit.map(Limit::number),
            minute_limit: record.minute_limit.map(Limit::number),
            learned_daily_limit: record.learned_daily_limit,
            used_today: record.used_today,
            limit_today: limit,
            left_today: limit.map(|limit| u64::from(limit).saturating_sub(record.used_today)),
            used_minute: view.used_minute,
            limit_minute: view.minute_limit,
            resets_at: now.day().end().rfc3339(),
            resting: view.rest.as_ref().map(|rest| Resting::of(Place::Account(record.id), rest)),
            resting_models: view
                .models
                .iter()
                .map(|(model, rest)| Resting::of(Place::AccountModel(record.id, model.clone()), rest))
                .collect(),
        }
    }
}

/// The accounts of the pool's view that have keys.
pub fn of_pool(pool: &PoolView, now: Timestamp) -> Vec<Account> {
    let with_keys = pool.accounts.iter().filter(|account| !account.keys.is_empty());
    with_keys.map(|account| Account::new(account, now)).collect()
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let (after, limit) = (pages::after_number(&given)?, pages::limit(&given));
    let accounts = of_pool(&plane.pool.look().await, plane.clock.now());
    Ok(json(200, &pages::page(accounts, |account| account.id, after, limit)))
}

async fn change(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    plane: Data<Plane>,
) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, CHANGE, body::LIMIT).await?;
    let id = account_id(&id)?;
    let limit = |name: &str| given.has(name).then(|| given.whole(name).map(Limit::from_number));
    let edit = AccountEdit { daily_limit: limit("daily_limit"), minute_limit: limit("minute_limit") };
    plane.ledger.change_account(id, edit).await?;
    taken_over(&plane, |pool| {
        pool.accounts.iter().filter(|account| account.record.id == id).any(|account| {
            edit.daily_limit.is_none_or(|limit| limit == account.record.daily_limit)
                && edit.minute_limit.is_none_or(|limit| limit == account.record.minute_limit)
        })
    })
    .await;
    shown(&plane, id).await
}

async fn reset(id: Path<String>, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let id = account_id(&id)?;
    plane.pool.clear(Place::Account(id)).await;
    shown(&plane, id).await
}

async fn shown(plane: &Plane, id: AccountId) -> Result<HttpResponse, Problem> {
    let pool = plane.pool.look().await;
    let found = pool.accounts.iter().find(|account| account.record.id == id);
    let account = found.ok_or_else(|| Problem::unknown("account"))?;
    Ok(json(200, &Account::new(account, plane.clock.now())))
}

fn account_id(text: &str) -> Result<AccountId, Problem> {
    text.parse().map(AccountId).map_err(|_| Problem::unknown("account"))
}

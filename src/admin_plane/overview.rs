//! `GET /api/overview`: everything the first page shows, in one answer.

use super::Plane;
use super::accounts::{self, Account};
use super::banners::{self, Banner};
use super::fields::{Field, Given, Kind};
use super::pages::json;
use super::problem::Problem;
use super::routes::Route;
use super::stats::{Period, Share, Stats};
use super::status::KeyCounts;
use crate::domain::forecast::lasts_until;
use crate::domain::ids::KeyId;
use crate::domain::time::Timestamp;
use crate::keypool::{AccountView, KeyView, PoolView};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashSet;

/// The most models that are told one by one.
const MODELS: usize = 10;

const QUERY: &[Field] =
    &[Field::optional("days", Kind::Whole { min: 1, max: 90 }, "How many UTC days; 14 when left out.")];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/overview", || web::get().to(overview))
            .says("Everything the first page shows.")
            .query(QUERY)
            .gives::<Overview>(200),
    ]
}

/// Everything the first page shows.
#[derive(Serialize, JsonSchema)]
struct Overview {
    time: String,
    today: Option<Period>,
    /// The whole of yesterday; null when only today was asked for.
    yesterday: Option<Period>,
    /// The last 24 hours, oldest first.
    hours: Vec<Period>,
    /// The UTC days asked for, oldest first.
    days: Vec<Period>,
    /// Most requests over those days first; at most ten.
    models: Vec<Share>,
    keys: KeyCounts,
    accounts: Vec<Account>,
    quota: Quota,
    banners: Vec<Banner>,
}

/// What all accounts with a key in use may together still do today with free models.
#[derive(Serialize, JsonSchema)]
struct Quota {
    /// Requests a day; null: there is an account without a limit, or no account.
    limit: Option<u64>,
    used: u64,
    left: Option<u64>,
    resets_at: String,
    /// When it is used up at today's pace; null: not before the reset.
    lasts_until: Option<String>,
}

impl Quota {
    fn of(pool: &PoolView, now: Timestamp) -> Quota {
        // A key that is out of use until somebody acts lends nothing, nor does an account of such keys.
        let lends = |key: &KeyView| {
            let rest = key.rest.as_ref();
            key.record.enabled && key.record.fault.is_none() && rest.is_none_or(|rest| rest.until.is_some())
        };
        let lending: HashSet<KeyId> =
            pool.keys.iter().filter(|key| lends(key)).map(|key| key.record.id).collect();
        let is_of_use = |account: &&AccountView| account.keys.iter().any(|key| lending.contains(key));
        let accounts: Vec<_> = pool.accounts.iter().filter(is_of_use).collect();
        let used = accounts.iter().map(|account| account.record.used_today).sum();
        let limit = accounts.iter().map(|account| account.daily_limit.map(u64::from)).sum::<Option<u64>>();
        let limit = limit.filter(|_| !accounts.is_empty());
        Quota {
            limit,
            used,
            left: limit.map(|limit| limit.saturating_sub(used)),
            resets_at: now.day().end().rfc3339(),
            lasts_until: limit.and_then(|limit| lasts_until(used, limit, now)).map(Timestamp::rfc3339),
        }
    }
}

async fn overview(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), QUERY)?;
    let days = u32::try_from(given.whole("days").unwrap_or(14)).unwrap_or(14);
    let now = plane.clock.now();
    let stats = Stats::new(&plane.usage.reader().stats(days, now).await?);
    let pool = plane.pool.look().await;
    let mut latest = stats.days.iter().rev();
    let overview = Overview {
        time: now.rfc3339(),
        today: latest.next().cloned(),
        yesterday: latest.next().cloned(),
        keys: KeyCounts::of(&pool),
        accounts: accounts::of_pool(&pool, now),
        quota: Quota::of(&pool, now),
        banners: banners::all(&plane, &pool),
        models: stats.models.into_iter().take(MODELS).collect(),
        hours: stats.hours,
        days: stats.days,
    };
    Ok(json(200, &overview))
}

//! `/api/instances`: the processes on this database, each with its last word.

use super::Plane;
use super::fields::{Field, Given};
use super::pages::{self, List, json};
use super::problem::Problem;
use super::routes::Route;
use crate::domain::instance::InstanceRecord;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

const PAGE: &[Field] = &[pages::LIMIT, pages::AFTER_NAME];

/// The routes of this resource.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/instances", || web::get().to(list))
            .says("The replicas: every process on this database that was heard of lately, the oldest first.")
            .query(PAGE)
            .gives::<List<Replica>>(200),
    ]
}

/// A process on this database.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replica {
    /// New at each start.
    id: String,
    /// Whether it is the one that answers.
    this: bool,
    /// `live`, `draining`: takes no new requests, or `silent`: has not been heard of for ten seconds.
    state: &'static str,
    version: String,
    /// The name of its machine or container.
    host: String,
    pid: u32,
    /// Where clients connect to.
    data_address: String,
    /// Where operators connect to.
    admin_address: String,
    started_at: String,
    /// Its last heartbeat.
    heard_at: String,
}

impl Replica {
    fn of(record: &InstanceRecord, own: &str) -> Replica {
        let InstanceRecord { instance, beat_at, draining, .. } = record;
        let state = match (record.is_live(), draining) {
            (false, _) => "silent",
            (true, true) => "draining",
            (true, false) => "live",
        };
        Replica {
            id: instance.id.clone(),
            this: instance.id == own,
            state,
            version: instance.version.clone(),
            host: instance.host.clone(),
            pid: instance.pid,
            data_address: instance.data_address.clone(),
            admin_address: instance.admin_address.clone(),
            started_at: instance.started_at.rfc3339(),
            heard_at: beat_at.rfc3339(),
        }
    }
}

/// Every process that was heard of lately.
pub fn all(plane: &Plane) -> Vec<Replica> {
    let own = plane.instances.own_id();
    plane.instances.all().iter().map(|record| Replica::of(record, own)).collect()
}

async fn list(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), PAGE)?;
    let after = given.text("cursor").map(str::to_owned);
    let page = pages::page(all(&plane), |replica| replica.id.clone(), after, pages::limit(&given));
    Ok(json(200, &page))
}

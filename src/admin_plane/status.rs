//! `GET /api/status`: versions, database, actors, keys and models at a glance.

use super::Plane;
use crate::keypool::KeyView;
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

/// Answers with the state of this process.
pub async fn status(plane: Data<Plane>) -> HttpResponse {
    let pool = plane.pool.view();
    let catalog = plane.catalog.get();
    let keys: Vec<Value> = pool.keys.iter().map(key).collect();
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": plane.clock.now().rfc3339(),
        "database": plane.database,
        "actors": {
            "key_pool": plane.pool.is_alive(),
            "model_catalog": plane.catalog.is_alive(),
            "token_book": plane.tokens.is_alive(),
            "usage_sink": plane.usage.is_alive(),
        },
        "usage_rows_waiting": plane.usage.waiting(),
        "keys": {"count": keys.len(), "usable": pool.usable, "data": keys},
        "models": {
            "count": catalog.all().len(),
            "free": catalog.free().count(),
            "fetched_at": catalog.fetched_at.map(|at| at.rfc3339()),
        },
    }))
}

fn key(view: &KeyView) -> Value {
    let rest = view
        .rest
        .as_ref()
        .map(|rest| json!({"cause": rest.cause, "until": rest.until.map(|until| until.rfc3339())}));
    let mut shown = view.record.shown();
    shown.insert("in_flight".to_owned(), json!(view.in_flight));
    shown.insert("resting".to_owned(), json!(rest));
    Value::Object(shown)
}

//! What needs the operator: for the first page, for the status, and nowhere else.

use super::Plane;
use crate::keypool::PoolView;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// So many wrong sign-ins are no slip of the finger.
const MANY_REFUSED: u64 = 5;
/// So many waiting rows are no passing delay.
const MANY_ROWS: usize = 2_000;

/// Something that needs the operator.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Banner {
    /// Which kind: a word for pages that translate it.
    kind: &'static str,
    /// `warning` or `critical`.
    severity: &'static str,
    /// What it is and what to do.
    detail: String,
    /// How many, where that says something.
    count: Option<u64>,
    /// The keys it is about.
    ids: Vec<i64>,
}

impl Banner {
    fn new(kind: &'static str, severity: &'static str, detail: impl Into<String>) -> Banner {
        Banner { kind, severity, detail: detail.into(), count: None, ids: Vec::new() }
    }
}

/// Everything that needs the operator now, the worst first.
pub fn all(plane: &Plane, pool: &PoolView) -> Vec<Banner> {
    let found = [database_away(plane), no_usable_key(pool), weak_password(plane), dead_keys(pool)];
    let less = [rows_waiting(plane), catalog_stale(plane), sign_ins_refused(plane), admin_as_client(plane)];
    found.into_iter().chain(less).flatten().collect()
}

fn database_away(plane: &Plane) -> Option<Banner> {
    let detail = "the database does not answer: requests are served, and what they use is written later";
    plane.ledger.is_away().then(|| Banner::new("database_away", "critical", detail))
}

fn no_usable_key(pool: &PoolView) -> Option<Banner> {
    let detail = match pool.keys.len() {
        0 => "there is no upstream key yet: add one",
        _ => "no upstream key can be used just now: look at their states",
    };
    (pool.usable == 0).then(|| Banner::new("no_usable_key", "critical", detail))
}

fn dead_keys(pool: &PoolView) -> Option<Banner> {
    let dead = pool
        .keys
        .iter()
        .filter(|view| view.record.enabled && view.rest.as_ref().is_some_and(|rest| rest.until.is_none()));
    let ids: Vec<i64> = dead.map(|view| view.record.id.0).collect();
    let detail = "OpenRouter refuses these keys: check them, or remove them";
    let banner = Banner::new("key_dead", "warning", detail);
    (!ids.is_empty()).then(|| Banner { count: u64::try_from(ids.len()).ok(), ids, ..banner })
}

fn weak_password(plane: &Plane) -> Option<Banner> {
    let weakness = plane.weak_password?;
    let detail = format!("the admin password {weakness}, and other machines can reach this page: change it");
    Some(Banner::new("weak_password", "critical", detail))
}

fn rows_waiting(plane: &Plane) -> Option<Banner> {
    let waiting = plane.usage.waiting();
    let banner = Banner::new("rows_waiting", "warning", "usage rows wait for the database");
    (waiting > MANY_ROWS).then(|| Banner { count: u64::try_from(waiting).ok(), ..banner })
}

fn catalog_stale(plane: &Plane) -> Option<Banner> {
    let limit = plane.model_max_age.saturating_mul(2).saturating_add(Duration::from_secs(300));
    let detail = match plane.catalog.get().fetched_at {
        None => "the model list was never fetched: is OpenRouter reachable?",
        Some(at) if plane.clock.now().since(at) > limit => {
            "the model list is old: OpenRouter could not be reached for it"
        }
        Some(_) => return None,
    };
    Some(Banner::new("catalog_stale", "warning", detail))
}

fn sign_ins_refused(plane: &Plane) -> Option<Banner> {
    let refused = plane.door.refused_lately();
    let banner = Banner::new("sign_ins_refused", "warning", "wrong admin credentials were offered lately");
    (refused >= MANY_REFUSED).then_some(Banner { count: Some(refused), ..banner })
}

fn admin_as_client(plane: &Plane) -> Option<Banner> {
    let count = plane.admin_uses.count();
    let detail = "clients use the admin password as their key: give them tokens of their own";
    let banner = Banner::new("admin_password_as_client", "warning", detail);
    (count > 0).then_some(Banner { count: Some(count), ..banner })
}

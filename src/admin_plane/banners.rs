//! What needs the operator: for the first page, for the status, and nowhere else.

use super::Plane;
use crate::keypool::PoolView;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// So many wrong sign-ins are no slip of the finger.
const MANY_REFUSED: u64 = 5;
/// So many waiting rows are no passing delay, whether or not the database is known to be away.
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
    let critical = [journal_full(plane), database_away(plane), no_usable_key(pool), weak_password(plane)];
    let journal = [journal_growing(plane), journal_damaged(plane)];
    let less = [dead_keys(pool), catalog_stale(plane), sign_ins_refused(plane), admin_as_client(plane)];
    critical.into_iter().chain(journal).chain(less).flatten().collect()
}

fn database_away(plane: &Plane) -> Option<Banner> {
    let detail = "the database does not answer: requests are served, and what they use is written later";
    let is_away = plane.ledger.is_away() || plane.usage.is_database_away();
    is_away.then(|| Banner::new("database_away", "critical", detail))
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

fn journal_full(plane: &Plane) -> Option<Banner> {
    let detail = if plane.usage.is_failing() {
        "the disk of the journal takes nothing, so new requests are turned away: free some space on it"
    } else {
        "the journal is full, so new requests are turned away: bring the database back, or raise usage.journal_max_bytes"
    };
    plane.usage.is_full().then(|| Banner::new("journal_full", "critical", detail))
}

fn journal_growing(plane: &Plane) -> Option<Banner> {
    let rows = plane.usage.waiting();
    let detail = "the journal is growing: its rows wait for the database";
    let banner = Banner::new("journal_growing", "warning", detail);
    let is_growing = rows > MANY_ROWS || rows > 0 && plane.usage.is_database_away();
    is_growing.then(|| Banner { count: u64::try_from(rows).ok(), ..banner })
}

fn journal_damaged(plane: &Plane) -> Option<Banner> {
    let files = plane.usage.set_aside();
    let detail = "files of the journal were damaged and are kept aside, ending in .damaged: what could be read of them is stored; look at the disk, then move them away";
    let banner = Banner::new("journal_damaged", "warning", detail);
    (files > 0).then(|| Banner { count: u64::try_from(files).ok(), ..banner })
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

//! The control over HTTP, for other processes: plain JSON under `/__simulator/`, no key needed.
//!
//! | request | effect |
//! | --- | --- |
//! | `GET /received` | the requests kept, bodies as text |
//! | `GET /closed` | the clients that left early |
//! | `GET /counts` | keys and accounts with their counts, requests in flight, connections |
//! | `GET /faults` | every fault's name and description, and those that are set |
//! | `POST /faults {"scope":"all\|path\|key\|model","target","fault","times"?}` | sets one; `"fault":null` clears it; a key is healed by `"fault":"good"` |
//! | `POST /accounts {"account","daily_limit"?,"minute_limit"?,"bought"?,"spent"?,"used_today"?,"keys"?:[…]}` | defines one |
//! | `POST /reset` | forgets everything |

use super::accounts::AccountPlan;
use super::control::Control;
use super::faults::{Fault, Misbehaviour};
use super::http::Request;
use super::reply::Reply;
use super::state::Scope;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where the control lives.
pub(super) const BASE: &str = "/__simulator";

/// The reply to a request below [`BASE`].
pub(super) fn respond(control: &Control, request: &Request, route: &str) -> Reply {
    let done = match (request.method.as_str(), route) {
        ("GET", "/received") => Ok(received(control)),
        ("GET", "/closed") => Ok(closed(control)),
        ("GET", "/counts") => Ok(counts(control)),
        ("GET", "/faults") => Ok(faults(control)),
        ("POST", "/faults") => read(request).and_then(|order| set_fault(control, order)),
        ("POST", "/accounts") => read(request).map(|order| set_account(control, &order)),
        ("POST", "/reset") => {
            control.reset();
            Ok(json!({"ok": true}))
        }
        _ => return Reply::json(404, &json!({"error": {"code": 404, "message": "no such control"}})),
    };
    match done {
        Ok(body) => Reply::json(200, &body),
        Err(message) => Reply::json(400, &json!({"error": {"code": 400, "message": message}})),
    }
}

fn read<T: for<'a> Deserialize<'a>>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| format!("unreadable order: {error}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    scope: String,
    #[serde(default)]
    target: String,
    fault: Option<String>,
    times: Option<u32>,
}

fn set_fault(control: &Control, order: FaultOrder) -> Result<Value, String> {
    let scope = match (order.scope.as_str(), order.target.as_str()) {
        ("all", _) => Scope::All,
        (_, "") => return Err("say the target: a key, a model or a path".to_owned()),
        ("path", target) => Scope::Path(target.to_owned()),
        ("key", target) => Scope::Key(target.to_owned()),
        ("model", target) => Scope::Model(target.to_owned()),
        (other, _) => return Err(format!("unknown scope {other}: use all, path, key or model")),
    };
    match (order.fault.as_deref(), &scope) {
        (None, _) => control.clear_fault(&scope),
        (Some("good"), Scope::Key(key)) => control.heal_key(key),
        (Some("good"), _) => control.clear_fault(&scope),
        (Some(name), _) => {
            let fault =
                Misbehaviour::parse(name).ok_or_else(|| format!("unknown fault {name}: see GET /faults"))?;
            control.set_fault(scope, Misbehaviour { times: order.times, ..fault });
        }
    }
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountOrder {
    account: String,
    daily_limit: Option<u64>,
    minute_limit: Option<u64>,
    bought: Option<f64>,
    spent: Option<f64>,
    used_today: Option<u64>,
    #[serde(default)]
    keys: Vec<String>,
}

fn set_account(control: &Control, order: &AccountOrder) -> Value {
    let now = control.account(&order.account).plan;
    let plan = AccountPlan {
        daily_limit: order.daily_limit.or(now.daily_limit),
        minute_limit: order.minute_limit.unwrap_or(now.minute_limit),
        bought: order.bought.unwrap_or(now.bought),
        spent: order.spent.unwrap_or(now.spent),
    };
    control.set_account(&order.account, plan);
    if let Some(used) = order.used_today {
        control.set_used_today(&order.account, used);
    }
    for key in &order.keys {
        control.assign(key, &order.account);
    }
    json!({"ok": true, "user_id": control.account(&order.account).user_id})
}

fn received(control: &Control) -> Value {
    let all = control.received();
    let data: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({"number": one.number, "at": one.at.rfc3339(), "since_start_ms": one.since_start.as_millis() as u64,
                "method": one.method, "path": one.path, "query": one.query, "headers": one.headers,
                "body": String::from_utf8_lossy(&one.body), "key_hint": one.key_hint,
                "connection": one.connection,
                "end": one.end.as_ref().map(|end| json!({"status": end.status, "sent": end.sent,
                    "digest": format!("{:016x}", end.digest), "closed_early": end.closed_early,
                    "since_start_ms": end.since_start.as_millis() as u64}))})
        })
        .collect();
    json!({"data": data})
}

fn closed(control: &Control) -> Value {
    let all = control.closed_early();
    let data: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({"number": one.number, "connection": one.connection, "sent": one.sent,
                "since_start_ms": one.since_start.as_millis() as u64, "after_ms": one.after.as_millis() as u64})
        })
        .collect();
    json!({"data": data})
}

fn counts(control: &Control) -> Value {
    let keys: serde_json::Map<String, Value> = control
        .keys()
        .into_iter()
        .map(|(key, counts)| {
            let days: serde_json::Map<String, Value> = counts
                .by_day
                .iter()
                .map(|(day, count)| (day.start().rfc3339().chars().take(10).collect(), json!(count)))
                .collect();
            let value = json!({"account": counts.account, "attempts": counts.attempts, "by_day": days,
                "by_status": counts.by_status, "looks": counts.looks});
            (key, value)
        })
        .collect();
    let accounts: serde_json::Map<String, Value> = control
        .account_names()
        .into_iter()
        .map(|name| {
            let one = control.account(&name);
            let value = json!({"user_id": one.user_id, "used_today": one.used_today, "daily_limit": one.plan.daily(),
                "minute_limit": one.plan.minute_limit, "bought": one.plan.bought, "spent": one.spent});
            (name, value)
        })
        .collect();
    let (in_flight, connections) = control.open();
    json!({"keys": keys, "accounts": accounts, "in_flight": in_flight, "connections": connections})
}

fn faults(control: &Control) -> Value {
    let known: Vec<Value> =
        Fault::ALL.iter().map(|fault| json!({"name": fault.name(), "about": fault.about().trim()})).collect();
    let set: Vec<Value> = control
        .faults()
        .into_iter()
        .map(|(scope, misbehaviour, hits)| {
            let (kind, target) = match &scope {
                Scope::All => ("all", ""),
                Scope::Path(path) => ("path", path.as_str()),
                Scope::Key(key) => ("key", key.as_str()),
                Scope::Model(model) => ("model", model.as_str()),
            };
            json!({"scope": kind, "target": target, "fault": misbehaviour.fault.name(),
                "amount": misbehaviour.amount, "times": misbehaviour.times, "hits": hits})
        })
        .collect();
    json!({"known": known, "set": set})
}

//! The endpoints that only look: lists, the key, credits, generations. They cost no quota.
//!
//! Only a fault of the key itself, the path or everything reaches them; a key that only generates badly looks well.

use super::faults::{Case, Dialect, Fault, Misbehaviour};
use super::gate::{identify, not_found, refuse};
use super::http::Request;
use super::reply::Reply;
use super::state::{Scope, Shared};
use super::{listing, views};

/// The endpoints that only look.
pub(super) fn look(shared: &Shared, request: &Request, route: &str) -> Reply {
    let fault = {
        let mut state = shared.state();
        state.take_fault(&Scope::All).or_else(|| state.take_fault(&Scope::Path(route.to_owned())))
    };
    let good = || match request.method.as_str() {
        "GET" => look_up(shared, request, route),
        _ => refuse(Dialect::Plain, 405, "Method not allowed").with("Allow", "GET"),
    };
    match fault {
        Some(fault) => fault.apply(&Case::blank(Dialect::Plain, shared.clock.now()), good),
        None => good(),
    }
}

fn look_up(shared: &Shared, request: &Request, route: &str) -> Reply {
    let models = &shared.models;
    match route {
        "/models" => listing::models(models, request),
        "/models/count" => listing::count(models),
        "/embeddings/models" => listing::embeddings(models),
        "/providers" => {
            let all = models.chat.iter().chain(&models.embeddings);
            Reply::json(200, &views::providers(all.map(|model| model.provider)))
        }
        "/models/user" | "/key" | "/auth/key" | "/credits" | "/generation" => private(shared, request, route),
        _ => {
            let endpoints = route.strip_prefix("/models/").and_then(|rest| rest.strip_suffix("/endpoints"));
            let found = match (endpoints, route.strip_prefix("/model/")) {
                (Some(id), _) => listing::endpoints(models, id),
                (None, Some(id)) => listing::one(models, id),
                _ => None,
            };
            found.unwrap_or_else(not_found)
        }
    }
}

/// The endpoints that need a key.
fn private(shared: &Shared, request: &Request, route: &str) -> Reply {
    let (key, name) = match identify(shared, request, Dialect::Plain) {
        Ok(known) => known,
        Err(refused) => return *refused,
    };
    let now = shared.clock.now();
    let mut state = shared.state();
    if let Some(counts) = state.key(&key) {
        counts.looks += 1;
    }
    let fault = state.fault(&Scope::Key(key.clone())).or_else(|| state.named_fault(&key)).map(|m| m.fault);
    if let Some(fault) = fault.filter(|fault| fault.revokes_key()) {
        let case = Case { key: &key, ..Case::blank(Dialect::Plain, now) };
        return Misbehaviour::from(fault).apply(&case, not_found);
    }
    state.account(&name).roll(now);
    match route {
        "/models/user" => listing::models(&shared.models, request),
        "/credits" if fault == Some(Fault::Management) => {
            refuse(Dialect::Plain, 403, "Only management keys can perform this operation")
        }
        "/credits" => Reply::json(200, &views::credits(state.account(&name))),
        "/generation" => {
            let id = request.parameter("id").unwrap_or("");
            match state.generation(id) {
                Some(one) => Reply::json(200, &views::generation(one)),
                None => refuse(Dialect::Plain, 404, &format!("Generation {id} not found")),
            }
        }
        _ => Reply::json(200, &views::key(&key, &name, state.account(&name), fault, shared.enforce)),
    }
}

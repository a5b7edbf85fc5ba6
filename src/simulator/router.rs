//! From a request to a reply: which file answers it. Synchronous and short; writing the reply is
//! `play.rs`'s work.
//!
//! Never writes, waits or counts.

use super::faults::Dialect;
use super::gate::{not_found, refuse};
use super::generate::{Turn, generate};
use super::http::Request;
use super::lookup::look;
use super::state::Shared;
use super::{Control, control_http};
use std::sync::Arc;

/// Where the API lives.
pub(super) const BASE: &str = "/api/v1";

/// The reply to a request.
pub(super) fn respond(shared: &Arc<Shared>, request: &Request) -> Turn {
    if let Some(rest) = request.path.strip_prefix(control_http::BASE) {
        return control_http::respond(&Control(Arc::clone(shared)), request, rest).into();
    }
    let Some(route) = request.path.strip_prefix(BASE) else { return not_found().into() };
    match Dialect::of(route) {
        None => look(shared, request, route).into(),
        Some(dialect) if request.method == "POST" => generate(shared, request, route, dialect),
        Some(dialect) => refuse(dialect, 405, "Method not allowed").with("Allow", "POST").into(),
    }
}

//! Who may pass: credentials, and the plain refusals of requests that got no further.
//!
//! Never counts anything; an unknown key is turned away before its body is read as JSON.

use super::faults::{Case, Dialect, error};
use super::http::Request;
use super::reply::Reply;
use super::state::Shared;
use crate::domain::time::Timestamp;

/// A plain refusal in the dialect's shape.
pub(super) fn refuse(dialect: Dialect, status: u16, message: &str) -> Reply {
    Case::blank(dialect, Timestamp::from_millis(0)).refuse(status, error(status, message))
}

/// The 404 of a route that does not exist.
pub(super) fn not_found() -> Reply {
    refuse(Dialect::Plain, 404, "Not Found")
}

/// Who asks: the key and its account, or the 401.
pub(super) fn identify(
    shared: &Shared,
    request: &Request,
    dialect: Dialect,
) -> Result<(String, String), Box<Reply>> {
    let given = request.header("authorization").or(request.header("x-api-key"));
    let key = match (given, request.credential()) {
        (None, _) => return Err(refuse(dialect, 401, "Missing Authentication header").into()),
        (_, None | Some("")) => return Err(refuse(dialect, 401, "No auth credentials found").into()),
        (_, Some(key)) => key,
    };
    match shared.state().key(key) {
        Some(counts) => Ok((key.to_owned(), counts.account.clone())),
        None => Err(refuse(dialect, 401, "User not found.").into()),
    }
}

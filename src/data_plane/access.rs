//! Who may come in: exactly one credential, compared without telling how close it was.
//!
//! Checked before the body is read. Knows no database: what it compares with is handed in at start.

use super::errors::{ApiError, Kind};
use crate::domain::secret::{Digest, Secret};
use crate::domain::usage::Client;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The longest credential that is looked at.
const LONGEST: usize = 4096;
/// How many wrong credentials are remembered, so that each costs one slow comparison at most.
const REMEMBERED: usize = 1024;
/// Slow comparisons at a time, and how many may wait for one.
const AT_ONCE: usize = 2;
const WAITING: usize = 32;

/// Compares with the stored hash of the admin password; slow on purpose, so it runs on a blocking
/// thread.
pub type SlowCheck = Arc<dyn Fn(&Secret) -> bool + Send + Sync>;

/// What opens the data plane.
pub struct Access {
    password: Option<Digest>,
    admin: Option<Admin>,
}

struct Admin {
    check: SlowCheck,
    known: Mutex<Known>,
    slots: Semaphore,
    waiting: Semaphore,
}

/// Digests whose slow comparison is done.
#[derive(Default)]
struct Known {
    right: Option<Digest>,
    wrong: VecDeque<Digest>,
}

impl Access {
    /// `password` is `access.password`. `admin` compares with the admin password, where that opens
    /// the data plane too.
    pub fn new(password: Option<&Secret>, admin: Option<SlowCheck>) -> Access {
        Access {
            password: password.map(Secret::digest),
            admin: admin.map(|check| Admin {
                check,
                known: Mutex::default(),
                slots: Semaphore::new(AT_ONCE),
                waiting: Semaphore::new(WAITING),
            }),
        }
    }

    /// By what right this request comes in. Errors: 401 without a right one, 400 with two different.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Client, ApiError> {
        let offered = credential(headers)?;
        let digest = Digest::of(offered);
        if self.password == Some(digest) {
            return Ok(Client::AccessPassword);
        }
        if let Some(admin) = &self.admin
            && admin.is_right(offered, digest).await?
        {
            return Ok(Client::AdminPassword);
        }
        Err(unauthorized("the credential is not valid here; ask the operator of this proxy for one"))
    }
}

impl Admin {
    async fn is_right(&self, offered: &[u8], digest: Digest) -> Result<bool, ApiError> {
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let Ok(text) = std::str::from_utf8(offered) else { return Ok(false) };
        let busy = || {
            let message = "too many credentials are being checked; try again shortly";
            ApiError {
                retry_after: Some(std::time::Duration::from_secs(1)),
                ..ApiError::new(503, Kind::Overloaded, "busy", message)
            }
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let _slot = self.slots.acquire().await.map_err(|_| busy())?;
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let (check, secret) = (Arc::clone(&self.check), Secret::new(text));
        let right = spawn_blocking(move || check(&secret)).await.map_err(|_| busy())?;
        if let Ok(mut known) = self.known.lock() {
            if right {
                known.right = Some(digest);
            } else {
                if known.wrong.len() >= REMEMBERED {
                    known.wrong.pop_front();
                }
                known.wrong.push_back(digest);
            }
        }
        Ok(right)
    }

    fn known(&self, digest: Digest) -> Option<bool> {
        let known = self.known.lock().ok()?;
        if known.right == Some(digest) {
            return Some(true);
        }
        known.wrong.contains(&digest).then_some(false)
    }
}

/// The one credential of the request.
fn credential(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let mut found: Option<&[u8]> = None;
    let bearers = headers.get_all(header::AUTHORIZATION).map(bearer);
    let keys = headers.get_all("x-api-key").map(|value| Ok(value.as_bytes().trim_ascii()));
    for offered in bearers.chain(keys) {
        let offered = offered?;
        if found.is_some_and(|first| first != offered) {
            let message =
                "two different credentials were sent; send one, as `Authorization: Bearer` or `x-api-key`";
            return Err(ApiError::bad_request("two_credentials", message, None));
        }
        found = Some(offered);
    }
    match found {
        Some(offered) if !offered.is_empty() && offered.len() <= LONGEST => Ok(offered),
        Some(offered) if offered.len() > LONGEST => Err(unauthorized("the credential is too long")),
        _ => Err(unauthorized("no credential was sent; send `Authorization: Bearer <password>`")),
    }
}

fn bearer(value: &HeaderValue) -> Result<&[u8], ApiError> {
    let value = value.as_bytes().trim_ascii();
    let scheme_end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(rest.trim_ascii());
    }
    Err(unauthorized("only `Authorization: Bearer` is understood"))
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(401, Kind::Authentication, "invalid_api_key", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[actix_web::test]
    async fn one_credential_by_either_header() {
        let access = Access::new(Some(&Secret::new("pass word")), None);
        let table: &[(&[(&str, &str)], Result<(), u16>)] = &[
            (&[("authorization", "Bearer pass word")], Ok(())),
            (&[("authorization", "bearer  pass word ")], Ok(())),
            (&[("x-api-key", "pass word")], Ok(())),
            (&[("authorization", "Bearer pass word"), ("x-api-key", "pass word")], Ok(())),
            (&[("authorization", "Bearer pass word"), ("x-api-key", "other")], Err(400)),
            (&[("authorization", "Bearer pass wor")], Err(401)),
            (&[("authorization", "Basic cGFzcw==")], Err(401)),
            (&[("authorization", "Bearer ")], Err(401)),
            (&[("authorization", "")], Err(401)),
            (&[], Err(401)),
        ];
        for (pairs, expected) in table {
            let checked = access.check(&headers(pairs)).await;
            assert_eq!(checked.map(|_| ()).map_err(|error| error.status), *expected, "{pairs:?}");
        }
    }

    #[actix_web::test]
    async fn the_slow_comparison_is_done_once_for_each_credential() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let right = Secret::new("admin").digest();
        let check: SlowCheck = Arc::new(move |secret| {
            counted.fetch_add(1, Ordering::SeqCst);
            secret.digest() == right
        });
        let access = Access::new(None, Some(check));
        for _ in 0..3 {
            assert_eq!(
                access.check(&headers(&[("x-api-key", "admin")])).await.ok(),
                Some(Client::AdminPassword)
            );
            assert!(access.check(&headers(&[("x-api-key", "wrong")])).await.is_err());
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}

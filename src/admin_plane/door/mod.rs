//! Who gets in: a session's cookie or the admin password as bearer, by a name of ours, and with a
//! change only from a page of ours.
//!
//! The brains are [`sessions`] and [`hosts`]; this file holds them together and knows
//! HTTP, [`sharing`] shares sessions with other processes. It never keeps a cookie or a password, only
//! digests. Wrong credentials are counted by each process for itself.

mod hosts;
mod sessions;
mod sharing;

pub use hosts::{Hosts, name_of};
pub use sessions::{LONGEST, Left};

use super::problem::Problem;
use crate::credentials::{AdminPassword, Asker, Guesses, sender};
use crate::domain::secret::Digest;
use crate::domain::time::Clock;
use crate::ledger::Ledger;
use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header;
use openssl::rand::rand_bytes;
use sessions::Sessions;
use sharing::Sharing;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The name of the session's cookie. Ports share cookies, so it is not just `session`.
pub const COOKIE: &str = "openrouter_proxy_session";
/// The longest credential that is looked at, in bytes.
pub const LONGEST_CREDENTIAL: usize = 1024;

/// The door of the admin plane.
pub struct Door {
    password: AdminPassword,
    hosts: Hosts,
    is_proxied: bool,
    clock: Clock,
    ledger: Ledger,
    sessions: Mutex<Sessions>,
    sharing: Sharing,
    guesses: Guesses,
    guesses_of_clients: Guesses,
}

/// By what right a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The admin password as bearer.
    Bearer,
    /// The session of a cookie with this digest, and what is left of it.
    Session(Digest, Left),
}

impl Door {
    /// A door that `password` opens, under the names of `hosts`; beside its own guesses it tells of
    /// `guesses_of_clients`, those at the data plane. With `is_proxied` a reverse proxy says who asks.
    pub fn new(
        password: AdminPassword,
        guesses_of_clients: Guesses,
        hosts: Hosts,
        is_proxied: bool,
        ledger: Ledger,
        clock: Clock,
    ) -> Door {
        let (sessions, sharing) = (Mutex::default(), Sharing::default());
        let guesses = Guesses::of_operators(clock.clone());
        Door { password, hosts, is_proxied, clock, ledger, sessions, sharing, guesses, guesses_of_clients }
    }

    /// The names of this plane.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Wrong credentials and tries that had to wait, at both planes since the start.
    pub fn refused(&self) -> u64 {
        self.guesses.refused() + self.guesses_of_clients.refused()
    }

    /// The same within the last hour.
    pub fn refused_lately(&self) -> u64 {
        self.guesses.refused_lately() + self.guesses_of_clients.refused_lately()
    }

    /// Refuses what was asked for by a foreign name (RFC 9110, 15.5.20).
    pub fn check_host(&self, request: &HttpRequest) -> Result<(), Problem> {
        let host = text_of(request, header::HOST).unwrap_or_default();
        // A target with a name of its own goes before the header (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(|authority| authority.as_str());
        if self.hosts.is_ours(host) && target.is_none_or(|target| self.hosts.is_ours(target)) {
            return Ok(());
        }
        Err(Problem::new(
            421,
            "this name is not one of the admin plane's; set admin.public_origin to the origin you use",
        ))
    }

    /// Whether the request came by the name of `admin.public_origin`.
    pub fn is_asked_by_public_name(&self, request: &HttpRequest) -> bool {
        self.hosts.is_public(text_of(request, header::HOST).unwrap_or_default())
    }

    /// Lets a request in by its credential. Errors: 401, 403, 429 or 503.
    pub async fn admit(&self, request: &HttpRequest) -> Result<Pass, Problem> {
        if let Some(offered) = bearer(request)? {
            self.compare(request, offered).await?;
            return Ok(Pass::Bearer);
        }
        let Some(cookie) = request.cookie(COOKIE) else {
            return Err(Problem::new(401, "sign in, or send `Authorization: Bearer <admin password>`"));
        };
        let digest = Digest::of(cookie.value().as_bytes());
        let left = match self.enter(&digest) {
            Some(left) => Some(left),
            // Another process may know it.
            None => {
                self.look_up(digest).await?;
                self.enter(&digest)
            }
        };
        let left = left.ok_or_else(|| Problem::new(401, "this session has ended; sign in again"))?;
        self.check_origin(request)?;
        Ok(Pass::Session(digest, left))
    }

    /// Refuses a change that a page of another site asks for.
    pub fn check_origin(&self, request: &HttpRequest) -> Result<(), Problem> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(());
        }
        let host = text_of(request, header::HOST).unwrap_or_default();
        let foreign = match request.headers().get(header::ORIGIN).map(|value| value.to_str()) {
            Some(origin) => !origin.is_ok_and(|origin| self.hosts.is_own_page(origin, host)),
            // Browsers that leave the origin out still say this (Fetch Metadata, 2.3).
            None => request
                .headers()
                .get("sec-fetch-site")
                .is_some_and(|site| site == "cross-site" || site == "same-site"),
        };
        if foreign {
            return Err(Problem::new(403, "this change was asked for by a page of another site"));
        }
        Ok(())
    }

    /// Signs in: the new session's cookie value. Errors: 401, 403, 429 or 503.
    pub async fn sign_in(&self, request: &HttpRequest, password: &[u8]) -> Result<(String, Left), Problem> {
        self.check_origin(request)?;
        self.compare(request, password).await?;
        let value = random_value().ok_or_else(|| Problem::new(503, "the system gave no random numbers"))?;
        let digest = Digest::of(value.as_bytes());
        self.sessions().begin(digest, self.password.mark(), self.clock.now());
        // With the database away the session begins here all the same, and is kept later.
        let _ = self.share().await;
        self.left(&digest)
            .map(|left| (value, left))
            .ok_or_else(|| Problem::new(503, "the password was changed just now; sign in again"))
    }

    /// Ends a session, here at once and elsewhere as soon as the database has it.
    pub async fn sign_out(&self, cookie: &Digest) {
        self.sessions().end(cookie);
        let _ = self.share().await;
    }

    /// Whether who came in by `pass` would still come in; this does not use the session.
    pub fn still_holds(&self, pass: &Pass, generation: u64) -> bool {
        let current = self.password.generation();
        match pass {
            Pass::Bearer => generation == current,
            Pass::Session(cookie, _) => self.left(cookie).is_some(),
        }
    }

    /// The generation of the password, for [`Door::still_holds`].
    pub fn generation(&self) -> u64 {
        self.password.generation()
    }

    fn enter(&self, cookie: &Digest) -> Option<Left> {
        self.sessions().enter(cookie, self.password.mark(), self.clock.now())
    }

    fn left(&self, cookie: &Digest) -> Option<Left> {
        self.sessions().left(cookie, self.password.mark(), self.clock.now())
    }

    async fn compare(&self, request: &HttpRequest, offered: &[u8]) -> Result<(), Problem> {
        let address = sender(request, self.is_proxied);
        if offered.len() > LONGEST_CREDENTIAL {
            return Err(Problem::new(401, "that is not the admin password"));
        }
        self.may_try(address)?;
        // Others of this address may have been found wrong while this one waited for its turn.
        let right = self.password.judge(offered, Asker::Operator, || self.may_try(address)).await;
        let right = right
            .map_err(|busy| Problem::new(503, busy.to_string()).retry_after(Duration::from_secs(1)))??;
        if right {
            self.guesses.right(address);
            return Ok(());
        }
        self.guesses.wrong(address, Digest::of(offered));
        log::warn!("a wrong admin credential came from {address}");
        Err(Problem::new(401, "that is not the admin password"))
    }

    /// Errors: 429 while `address` has to wait.
    fn may_try(&self, address: IpAddr) -> Result<(), Problem> {
        let told = "too many wrong credentials came from this address; wait, then try again";
        self.guesses.may_try(address).map_err(|wait| Problem::new(429, told).retry_after(wait))
    }

    // What these hold is counted up and down one step at a time, so a panic leaves nothing half done.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bearer, if the request has one. Errors: 401 for another scheme.
fn bearer(request: &HttpRequest) -> Result<Option<&[u8]>, Problem> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let value = value.as_bytes();
    match value.split_at_checked("Bearer ".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") && !rest.trim_ascii().is_empty() => {
            Ok(Some(rest.trim_ascii()))
        }
        _ => Err(Problem::new(401, "only `Authorization: Bearer <admin password>` is understood")),
    }
}

fn text_of(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// 256 bits that nobody guesses, in hexadecimal.
fn random_value() -> Option<String> {
    let mut bytes = [0u8; 32];
    rand_bytes(&mut bytes).ok()?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

//! Who may come in: exactly one credential, compared without telling how close it was.
//!
//! Checked before the body is read.

use super::cors::Grant;
use super::errors::{ApiError, Kind};
use crate::credentials::{AdminAsClient, AdminPassword, Asker, Busy, Guesses, sender};
use crate::domain::secret::{Digest, Secret};
use crate::domain::token::{PREFIX, TokenState};
use crate::domain::usage::Client;
use crate::tokens::{Token, TokensHandle};
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The longest credential that is looked at.
const LONGEST: usize = 4096;

/// What opens the data plane.
#[derive(Default)]
pub struct Access {
    password: Option<Digest>,
    admin: Option<AdminPassword>,
    /// Whether a client may come with an OpenRouter key of its own.
    pub pass_through: bool,
    /// Whether a client needs no credential.
    pub anonymous: bool,
    /// The client tokens.
    pub tokens: Option<TokensHandle>,
    /// Where it is noted that the admin password came in.
    pub admin_uses: Option<AdminAsClient>,
    /// Where wrong credentials are counted.
    pub guesses: Option<Guesses>,
    /// Whether a reverse proxy of ours may stand before us.
    pub is_proxied: bool,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// By what right.
    pub client: Client,
    /// Its own OpenRouter key, to be used instead of the pool.
    pub own_key: Option<Secret>,
    /// The client token it came with.
    pub token: Option<Arc<Token>>,
}

impl From<Client> for Admitted {
    fn from(client: Client) -> Admitted {
        Admitted { client, own_key: None, token: None }
    }
}

impl Access {
    /// `password` is `access.password`; `admin` is the admin password, where that opens the data
    /// plane too.
    pub fn new(password: Option<&Secret>, admin: Option<AdminPassword>) -> Access {
        Access { password: password.map(Secret::digest), admin, ..Access::default() }
    }

    /// By what right this request comes in. Errors: 401 without a right one, 400 with two different, 403
    /// for a strange web page where no credential is asked for, 429 after too many wrong ones.
    pub async fn check(&self, request: &HttpRequest) -> Result<Admitted, ApiError> {
        let headers = request.headers();
        let admitted = self.check_from(headers, sender(request, self.is_proxied)).await?;
        if admitted.client == Client::Anonymous && Grant::of(self, headers).is_against(headers) {
            let message = "a web page of another site may not use this proxy without a credential";
            return Err(ApiError::new(403, Kind::Permission, "foreign_page", message));
        }
        Ok(admitted)
    }

    async fn check_from(&self, headers: &HeaderMap, address: IpAddr) -> Result<Admitted, ApiError> {
        match self.check_credential(headers, address).await {
            Err(error) if self.anonymous && error.status < 500 => Ok(Client::Anonymous.into()),
            checked => checked,
        }
    }

    async fn check_credential(&self, headers: &HeaderMap, address: IpAddr) -> Result<Admitted, ApiError> {
        let offered = credential(headers)?;
        // What nobody can guess needs no throttle.
        if let Some(admitted) = self.check_token(offered)? {
            return Ok(admitted);
        }
        if self.pass_through
            && self.password != Some(Digest::of(offered))
            && let Some(key) = own_key(offered)
        {
            let client = Client::PassThrough { hint: key.hint() };
            return Ok(Admitted { own_key: Some(key), ..client.into() });
        }
        self.check_password(offered, address).await
    }

    async fn check_password(&self, offered: &[u8], address: IpAddr) -> Result<Admitted, ApiError> {
        self.may_try(address)?;
        let digest = Digest::of(offered);
        let client = if self.password == Some(digest) {
            Some(Client::AccessPassword)
        } else {
            self.check_admin(offered, address).await?
        };
        match (client, &self.guesses) {
            (Some(client), guesses) => {
                guesses.iter().for_each(|guesses| guesses.right(address));
                return Ok(client.into());
            }
            (None, Some(guesses)) => guesses.wrong(address, digest),
            (None, None) => {}
        }
        Err(unauthorized("the credential is not valid here; ask the operator of this proxy for one"))
    }

    async fn check_admin(&self, offered: &[u8], address: IpAddr) -> Result<Option<Client>, ApiError> {
        let Some(admin) = &self.admin else { return Ok(None) };
        if !admin.judge(offered, Asker::Client, || self.may_try(address)).await.map_err(busy)?? {
            return Ok(None);
        }
        self.admin_uses.iter().for_each(AdminAsClient::note);
        Ok(Some(Client::AdminPassword))
    }

    /// Errors: 429 while `address` has to wait.
    fn may_try(&self, address: IpAddr) -> Result<(), ApiError> {
        let Some(guesses) = &self.guesses else { return Ok(()) };
        guesses.may_try(address).map_err(|wait| {
            let message = "too many wrong credentials came from this address; wait, then try again";
            let error = ApiError::new(429, Kind::RateLimit, "too_many_wrong_credentials", message);
            ApiError { retry_after: Some(wait), ..error }
        })
    }

    /// The client whose token this is; `None`: it is no token of ours. Errors: 401 for one that is over.
    fn check_token(&self, offered: &[u8]) -> Result<Option<Admitted>, ApiError> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| offered.starts_with(PREFIX.as_bytes())) else {
            return Ok(None);
        };
        match tokens.find(&Digest::of(offered)) {
            None => Ok(None),
            Some((token, TokenState::Active)) => {
                let record = &token.record;
                let client = Client::Token { id: record.id, name: record.terms.name.clone() };
                Ok(Some(Admitted { token: Some(token), ..client.into() }))
            }
            Some((_, TokenState::Expired)) => {
                Err(unauthorized("this token has expired; ask the operator of this proxy for another"))
            }
            Some((_, TokenState::Revoked)) => {
                Err(unauthorized("this token was revoked; ask the operator of this proxy for another"))
            }
        }
    }
}

/// The client's own OpenRouter key, if the credential has that form.
fn own_key(offered: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(offered).ok()?;
    let key = Secret::new(text);
    (key.looks_like_openrouter_key() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(key)
}

fn busy(busy: Busy) -> ApiError {
    ApiError {
        retry_after: Some(Duration::from_secs(1)),
        ..ApiError::new(503, Kind::Overloaded, "busy", busy.to_string())
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
    use crate::domain::time::{Clock, Timestamp};
    use actix_web::http::header::HeaderName;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

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
        type Case = (&'static [(&'static str, &'static str)], Result<(), u16>);
        let table: &[Case] = &[
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
            let checked = access.check_from(&headers(pairs), HERE).await;
            assert_eq!(checked.map(|_| ()).map_err(|error| error.status), *expected, "{pairs:?}");
        }
    }

    #[actix_web::test]
    async fn the_admin_password_opens_only_where_it_may() {
        let admin = Secret::new("admin");
        let both = Access::new(None, Some(AdminPassword::given(&admin)));
        let offered = headers(&[("x-api-key", "admin")]);
        assert_eq!(
            both.check_from(&offered, HERE).await.map(|admitted| admitted.client).ok(),
            Some(Client::AdminPassword)
        );
        assert!(Access::new(Some(&Secret::new("x")), None).check_from(&offered, HERE).await.is_err());
    }

    #[actix_web::test]
    async fn own_keys_pass_through_and_anyone_comes_in_where_that_is_allowed() {
        let access = Access { pass_through: true, ..Access::new(Some(&Secret::new("pw")), None) };
        let admitted = access
            .check_from(&headers(&[("x-api-key", "sk-or-v1-0123456789abcdef")]), HERE)
            .await
            .expect("in");
        assert_eq!(admitted.client, Client::PassThrough { hint: "…cdef".to_owned() });
        assert!(admitted.own_key.is_some());
        assert!(access.check_from(&headers(&[("x-api-key", "sk-xx")]), HERE).await.is_err());

        let open = Access { anonymous: true, ..Access::new(Some(&Secret::new("pw")), None) };
        for pairs in [&[][..], &[("authorization", "Bearer dummy")], &[("authorization", "Basic x")]] {
            assert_eq!(open.check_from(&headers(pairs), HERE).await.expect("in").client, Client::Anonymous);
        }
        let known = open.check_from(&headers(&[("x-api-key", "pw")]), HERE).await.expect("in");
        assert_eq!(known.client, Client::AccessPassword);
    }

    #[actix_web::test]
    async fn guessing_waits_and_nobody_elsewhere_does() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let admin = AdminPassword::given(&Secret::new("admin"));
        let guesses = Some(Guesses::of_clients(clock.clone()));
        let access = Access { guesses, ..Access::new(None, Some(admin)) };
        let status = async |text: &str, address: IpAddr| {
            let mut headers = HeaderMap::new();
            headers
                .insert(HeaderName::from_static("x-api-key"), HeaderValue::from_str(text).expect("a text"));
            access.check_from(&headers, address).await.map_or_else(|error| error.status, |_| 200)
        };
        // The same old credential, however often, is no guess.
        for _ in 0..100 {
            assert_eq!(status("old", HERE).await, 401);
        }
        for number in 1..60 {
            assert_eq!(status(&format!("guess {number}"), HERE).await, 401);
        }
        assert_eq!(status("admin", HERE).await, 429);
        assert_eq!(status("admin", IpAddr::from([192, 0, 2, 1])).await, 200);
        clock.turn(Duration::from_secs(1));
        assert_eq!(status("admin", HERE).await, 200);
        assert_eq!(access.guesses.as_ref().map(Guesses::refused), Some(61));
    }
}

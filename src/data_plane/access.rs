//! Who may come in: exactly one credential, compared without telling how close it was.
//!
//! Checked before the body is read.

use super::errors::{ApiError, Kind};
use crate::credentials::{AdminAsClient, AdminPassword, Busy};
use crate::domain::secret::{Digest, Secret};
use crate::domain::token::{PREFIX, TokenState};
use crate::domain::usage::Client;
use crate::tokens::{Token, TokensHandle};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
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

    /// By what right this request comes in. Errors: 401 without a right one, 400 with two different.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Admitted, ApiError> {
        match self.check_credential(headers).await {
            Err(error) if self.anonymous && error.status < 500 => Ok(Client::Anonymous.into()),
            checked => checked,
        }
    }

    async fn check_credential(&self, headers: &HeaderMap) -> Result<Admitted, ApiError> {
        let offered = credential(headers)?;
        if self.password == Some(Digest::of(offered)) {
            return Ok(Client::AccessPassword.into());
        }
        if let Some(admitted) = self.check_token(offered)? {
            return Ok(admitted);
        }
        if self.pass_through
            && let Some(key) = own_key(offered)
        {
            let client = Client::PassThrough { hint: key.hint() };
            return Ok(Admitted { own_key: Some(key), ..client.into() });
        }
        if let Some(admin) = &self.admin
            && admin.is_right(offered).await.map_err(busy)?
        {
            if let Some(uses) = &self.admin_uses {
                uses.note();
            }
            return Ok(Client::AdminPassword.into());
        }
        Err(unauthorized("the credential is not valid here; ask the operator of this proxy for one"))
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
    use actix_web::http::header::HeaderName;

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
            let checked = access.check(&headers(pairs)).await;
            assert_eq!(checked.map(|_| ()).map_err(|error| error.status), *expected, "{pairs:?}");
        }
    }

    #[actix_web::test]
    async fn the_admin_password_opens_only_where_it_may() {
        let admin = Secret::new("admin");
        let both = Access::new(None, Some(AdminPassword::given(&admin)));
        let offered = headers(&[("x-api-key", "admin")]);
        assert_eq!(
            both.check(&offered).await.map(|admitted| admitted.client).ok(),
            Some(Client::AdminPassword)
        );
        assert!(Access::new(Some(&Secret::new("x")), None).check(&offered).await.is_err());
    }

    #[actix_web::test]
    async fn own_keys_pass_through_and_anyone_comes_in_where_that_is_allowed() {
        let access = Access { pass_through: true, ..Access::new(Some(&Secret::new("pw")), None) };
        let admitted =
            access.check(&headers(&[("x-api-key", "sk-or-v1-0123456789abcdef")])).await.expect("in");
        assert_eq!(admitted.client, Client::PassThrough { hint: "…cdef".to_owned() });
        assert!(admitted.own_key.is_some());
        assert!(access.check(&headers(&[("x-api-key", "sk-xx")])).await.is_err());

        let open = Access { anonymous: true, ..Access::new(Some(&Secret::new("pw")), None) };
        for pairs in [&[][..], &[("authorization", "Bearer dummy")], &[("authorization", "Basic x")]] {
            assert_eq!(open.check(&headers(pairs)).await.expect("in").client, Client::Anonymous);
        }
        let known = open.check(&headers(&[("x-api-key", "pw")])).await.expect("in");
        assert_eq!(known.client, Client::AccessPassword);
    }
}

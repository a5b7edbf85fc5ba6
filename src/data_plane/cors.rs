//! Lets browsers call this plane from pages of other origins (the Fetch standard's CORS): chat front
//! ends such as Open WebUI or NextChat do so with the user's own credential.
//!
//! Every origin may: credentials are bearer tokens that a page must have been given, never cookies
//! that a browser adds by itself, so a strange page can do nothing that any other program could not.
//! With `access.anonymous` no credential stands between a strange page and the keys; then only pages
//! of this machine, or of the host that the proxy is called by, may.

use super::access::Access;
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use std::net::IpAddr;

/// What pages may read of an answer beside its body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-proxy-attempts, x-proxy-model, x-generation-id, retry-after, x-should-retry",
);

/// What pages may send where they do not say what they want to send.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-api-key");

/// How long a browser may remember a preflight, in seconds; browsers hold it to less (2 or 24 hours).
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// The origins that may read the answer to one request.
#[derive(Debug, Clone)]
pub enum Grant {
    /// Every one.
    All,
    /// The one that asked.
    Asking(HeaderValue),
    /// None but the proxy's own.
    None,
}

impl Grant {
    /// For a request with these headers.
    pub fn of(access: &Access, headers: &HeaderMap) -> Grant {
        if !access.anonymous {
            return Grant::All;
        }
        let near = headers.get(header::ORIGIN).filter(|origin| is_near(origin, headers));
        near.map_or(Grant::None, |origin| Grant::Asking(origin.clone()))
    }

    /// Whether the request comes from a web page that may not read the answer. A browser names the page in
    /// every such request, also in one about which it does not ask beforehand; an origin of another scheme
    /// is a program's own.
    pub fn is_against(&self, headers: &HeaderMap) -> bool {
        let is_page = |origin: &[u8]| origin == b"null" || origin.starts_with(b"http");
        matches!(self, Grant::None)
            && headers.get(header::ORIGIN).is_some_and(|origin| is_page(origin.as_bytes()))
    }

    /// Says so in the answer.
    pub fn tell(&self, answer: &mut HeaderMap) {
        let origin = match self {
            Grant::All => HeaderValue::from_static("*"),
            Grant::Asking(origin) => {
                answer.append(header::VARY, HeaderValue::from_static("origin"));
                origin.clone()
            }
            Grant::None => return,
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Whether `origin` is a page of this machine, or of the host that the request was sent to. That host
/// counts when it is an address or has no dot: any other name could belong to a stranger who has it resolve
/// to this machine (DNS rebinding).
fn is_near(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Some(page) = host(origin) else { return false };
    let own = headers.get(header::HOST).and_then(host);
    let of_loopback = matches!(page.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let is_address = page.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_of_here = is_address || !page.contains('.') || page.ends_with(".local") || page.ends_with(".lan");
    of_loopback || page.ends_with(".localhost") || (is_of_here && own.is_some_and(|own| own == page))
}

/// The host of an origin or of a `Host` header, without its port.
fn host(value: &HeaderValue) -> Option<String> {
    let uri: Uri = value.to_str().ok()?.parse().ok()?;
    uri.host().map(str::to_ascii_lowercase)
}

/// Answers a browser that asks beforehand, on a route that takes `method`. Who may read the answer
/// itself is told by [`Grant`], as everywhere.
pub fn preflight(request: &HttpRequest, method: &'static str) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    // `*` would not stand for `authorization`, so what is asked for is allowed by name; what crosses
    // to the upstream is decided elsewhere, by its own list.
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    response
        .insert_header((header::ALLOW, method))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, method))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, asked.cloned().unwrap_or(HEADERS)))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .insert_header((header::VARY, "access-control-request-headers"))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(origin: &'static str, host: &'static str) -> bool {
        let mut access = Access::new(None, None);
        access.anonymous = true;
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::HOST, HeaderValue::from_static(host));
        matches!(Grant::of(&access, &headers), Grant::Asking(_))
    }

    #[test]
    fn without_credentials_only_near_pages_may() {
        for (origin, host, may) in [
            ("http://localhost:3000", "127.0.0.1:9998", true),
            ("https://127.0.0.1", "127.0.0.1:9998", true),
            ("http://[::1]:80", "nas:9998", true),
            ("http://webui.localhost", "nas:9998", true),
            ("http://NAS:3000", "nas:9998", true),
            ("http://192.168.1.5:3000", "192.168.1.5:9998", true),
            ("http://nas.lan", "nas.lan:9998", true),
            ("http://evil.example:9998", "evil.example:9998", false),
            ("https://evil.example", "127.0.0.1:9998", false),
            ("https://localhost.evil.example", "127.0.0.1:9998", false),
            ("null", "127.0.0.1:9998", false),
            ("", "", false),
        ] {
            assert_eq!(near(origin, host), may, "{origin} {host}");
        }
    }
}

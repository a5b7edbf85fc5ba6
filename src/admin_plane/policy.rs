//! The headers that every answer of the admin plane carries: nothing is cached, framed, guessed, or
//! loaded from elsewhere. The one foreign place a page may talk to is the data plane, for the
//! playground.

use actix_web::http::Uri;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;

/// Headers of every answer, beside the content policy.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Puts the security headers on every answer; one without a policy of its own may talk to nobody.
pub fn security_headers() -> DefaultHeaders {
    let headers = DefaultHeaders::new().add((CONTENT_SECURITY_POLICY, content_policy("")));
    HEADERS.into_iter().fold(headers, DefaultHeaders::add)
}

/// Lets the answer, if it is a page, talk to the data plane at `origin`.
pub(super) fn admit(origin: &str, headers: &mut HeaderMap) {
    if let Ok(policy) = HeaderValue::from_str(&content_policy(origin)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Puts them on an answer that passes the middleware by; it is no page, so it may talk to nobody.
pub(super) fn put_on(answer: &mut HeaderMap) {
    for (name, value) in headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(HeaderName::from_static(name), value);
        }
    }
}

/// All of them, for an answer that is no page.
pub(super) fn headers() -> impl Iterator<Item = (&'static str, String)> {
    let fixed = HEADERS.into_iter().map(|(name, value)| (name, value.to_owned()));
    fixed.chain([("content-security-policy", content_policy(""))])
}

/// The content policy of every page: no inline script or style, no markup made from text
/// (`require-trusted-types-for`, <https://www.w3.org/TR/trusted-types/>).
fn content_policy(data_plane: &str) -> String {
    let data_plane = origin(data_plane).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{data_plane}; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// Scheme, host and port of a URL, when a content policy can name them; otherwise `None`, so that no
/// odd text ever enters a header.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = uri.authority()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    authority.as_str().bytes().all(plain).then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_may_talk_to_the_data_plane_and_to_nobody_else() {
        let policy = content_policy("http://127.0.0.1:8000/v1");
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:8000; "), "{policy}");
        assert!(content_policy("https://[::1]:8000/v1").contains("connect-src 'self' https://[::1]:8000; "));
    }

    #[test]
    fn what_a_policy_cannot_name_is_left_out() {
        for url in ["", "/v1", "ftp://a/v1", "http://a;script-src*/v1", "http://u:p@a,b/v1", "http://a b/v1"]
        {
            assert!(content_policy(url).contains("connect-src 'self'; "), "{url}");
        }
    }
}

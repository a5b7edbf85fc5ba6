//! The base URL of the upstream: kept strict, for every request with a key in it goes there.
//!
//! Never repeats a URL in an error: people put keys into URLs.

use super::given::{Given, Value};
use super::host::{is_loopback, is_name};
use super::table::Kind;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where the upstream's API is: scheme, host, perhaps a port and a path. Without user, query,
/// fragment or trailing slash, so that `{base}/chat/completions` is what it looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    https: bool,
    loopback: bool,
}

impl BaseUrl {
    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether it names this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl Default for BaseUrl {
    fn default() -> BaseUrl {
        BaseUrl { text: "https://openrouter.ai/api/v1".to_owned(), https: true, loopback: false }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value for BaseUrl {
    fn read(given: &Given, kind: &Kind) -> Result<BaseUrl, String> {
        let text = given.one_text(kind)?.trim();
        let (scheme, rest) =
            text.split_once("://").ok_or("expected a URL that begins with https:// or http://")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("expected a URL that begins with https:// or http://".to_owned()),
        };
        if rest.contains(['?', '#']) {
            return Err("must not hold a query or a fragment (\"?\" or \"#\")".to_owned());
        }
        let rest = rest.trim_end_matches('/');
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("must not hold a user or password before the host".to_owned());
        }
        let host = host_of(authority).ok_or("has no valid host and port after the scheme")?;
        if !is_plain_path(path) {
            return Err(
                "has a path with an empty or dotted part, or a character that must be escaped".to_owned()
            );
        }
        if path.ends_with("/chat/completions") {
            return Err("must be the base of the API; leave off \"/chat/completions\"".to_owned());
        }
        let scheme = if https { "https" } else { "http" };
        // Both are seen in the wild, from proxies and SDKs that add "/v1" themselves.
        let path = match path {
            "" if host.eq_ignore_ascii_case("openrouter.ai") => "/api/v1",
            "/api" => "/api/v1",
            path => path,
        };
        let text = format!("{scheme}://{}{path}", authority.to_ascii_lowercase());
        Ok(BaseUrl { text, https, loopback: is_loopback(host) })
    }

    fn show(&self) -> String {
        self.text.clone()
    }
}

/// The host of `host`, `host:port` or `[v6]:port`; `None` when it is none of these.
pub(super) fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some("443"))?)
    } else {
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let valid = is_name(host) || host.parse::<Ipv4Addr>().is_ok();
        valid.then_some((host, port))?
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
    port.map(|_| host)
}

/// Whether `path` is empty or `/part/part` of unreserved characters and escapes (RFC 3986, 3.3).
fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@".contains(&byte);
    path.is_empty()
        || path
            .split('/')
            .skip(1)
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BaseUrl, String> {
        BaseUrl::read(&Given::text(text), &Kind::Text("an https:// URL"))
    }

    #[test]
    fn base_urls_are_kept_without_their_last_slash() {
        for (text, kept, loopback) in [
            ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1", false),
            ("HTTPS://OpenRouter.ai/API/V1", "https://openrouter.ai/API/V1", false),
            ("https://openrouter.ai/api", "https://openrouter.ai/api/v1", false),
            ("https://openrouter.ai", "https://openrouter.ai/api/v1", false),
            ("http://127.0.0.1:9999", "http://127.0.0.1:9999", true),
            ("http://[::1]:80/x//", "http://[::1]:80/x", true),
            ("http://localhost/api/v1", "http://localhost/api/v1", true),
        ] {
            let url = read(text).expect(text);
            assert_eq!((url.as_str(), url.is_loopback()), (kept, loopback), "{text}");
        }
        assert_eq!(read("https://openrouter.ai/api/v1"), Ok(BaseUrl::default()));
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "openrouter.ai/api/v1",
            "ftp://openrouter.ai",
            "https://",
            "https:///api",
            "https://user:hunter2@openrouter.ai/api",
            "https://openrouter.ai/api?key=hunter2",
            "https://openrouter.ai/api#hunter2",
            "https://openrouter.ai:0/api",
            "https://openrouter.ai:99999",
            "https://openrouter.ai:+80",
            "https://[::1/api",
            "https://[::1]x",
            "https://a b/api",
            "https://openrouter.ai/a/../b",
            "https://openrouter.ai//api",
            "https://127.0.0.1\\@evil.example/",
            "https://openrouter.ai/api/v1/chat/completions",
        ] {
            let error = read(text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

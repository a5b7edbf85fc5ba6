//! Which headers cross, in each direction: only those on a list. Credentials, cookies, hop-by-hop
//! and forwarding headers never do.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// From the client to the upstream: attribution and options that OpenRouter reads
/// (`openrouter-api.md` section 1), and Anthropic's versions.
const TO_UPSTREAM: &[&str] = &[
    "http-referer",
    "x-title",
    "x-openrouter-title",
    "x-openrouter-categories",
    "x-openrouter-metadata",
    "x-openrouter-experimental-metadata",
    "x-openrouter-cache",
    "x-session-id",
    "anthropic-version",
    "anthropic-beta",
];

/// From the upstream to the client.
const TO_CLIENT: &[&str] = &["x-generation-id", "x-provider-name"];

/// The longest value that crosses.
const LONGEST: usize = 1024;

/// The client's headers that cross.
pub fn to_upstream(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    chosen(headers, TO_UPSTREAM)
}

/// The upstream's headers that cross.
pub fn to_client(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    chosen(headers, TO_CLIENT)
}

fn chosen(headers: &HeaderMap, names: &[&'static str]) -> Vec<(HeaderName, HeaderValue)> {
    names
        .iter()
        .filter_map(|name| {
            let value = headers.get(*name).filter(|value| value.len() <= LONGEST)?;
            Some((HeaderName::from_static(name), value.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_headers_cross() {
        let mut headers = HeaderMap::new();
        for name in TO_UPSTREAM.iter().chain(TO_CLIENT).chain(&[
            "authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-forwarded-for",
            "host",
            "connection",
            "server",
        ]) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        let names = |chosen: Vec<(HeaderName, HeaderValue)>| {
            chosen.into_iter().map(|(name, _)| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(to_upstream(&headers)), TO_UPSTREAM);
        assert_eq!(names(to_client(&headers)), TO_CLIENT);
    }
}

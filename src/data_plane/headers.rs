//! Which headers cross, in each direction: only those on a list. Credentials, cookies, hop-by-hop
//! and forwarding headers never do.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// From the client to the upstream: attribution and options that OpenRouter reads
/// (`openrouter-api.md` section 1), and Anthropic's versions.
static TO_UPSTREAM: [HeaderName; 10] = [
    HeaderName::from_static("http-referer"),
    HeaderName::from_static("x-title"),
    HeaderName::from_static("x-openrouter-title"),
    HeaderName::from_static("x-openrouter-categories"),
    HeaderName::from_static("x-openrouter-metadata"),
    HeaderName::from_static("x-openrouter-experimental-metadata"),
    HeaderName::from_static("x-openrouter-cache"),
    HeaderName::from_static("x-session-id"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
];

/// From the upstream to the client.
static TO_CLIENT: [HeaderName; 2] =
    [HeaderName::from_static("x-generation-id"), HeaderName::from_static("x-provider-name")];

/// The longest value that crosses.
const LONGEST: usize = 1024;

/// The client's headers that cross.
pub fn to_upstream(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    chosen(headers, &TO_UPSTREAM)
}

/// The upstream's headers that cross.
pub fn to_client(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    chosen(headers, &TO_CLIENT)
}

fn chosen(headers: &HeaderMap, names: &[HeaderName]) -> Vec<(HeaderName, HeaderValue)> {
    // A message has fewer headers than there are names.
    let mut chosen: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in headers {
        let is_new = || !chosen.iter().any(|(other, _)| other == name);
        if names.contains(name) && is_new() && value.len() <= LONGEST {
            chosen.push((name.clone(), value.clone()));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn only_listed_headers_cross() {
        let mut headers = HeaderMap::new();
        let known = TO_UPSTREAM.iter().chain(&TO_CLIENT).map(HeaderName::as_str);
        for name in known.chain([
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
            chosen.into_iter().map(|(name, _)| name).collect::<HashSet<_>>()
        };
        assert_eq!(names(to_upstream(&headers)), TO_UPSTREAM.iter().cloned().collect());
        assert_eq!(names(to_client(&headers)), TO_CLIENT.iter().cloned().collect());
        assert_eq!(to_upstream(&headers).len(), TO_UPSTREAM.len(), "each once");
    }
}

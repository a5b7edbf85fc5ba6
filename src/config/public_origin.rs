//! The origin under which others see one of the planes, when a reverse proxy stands before it.

use super::base_url::host_of;
use super::given::{Given, Value};
use super::table::Kind;
use std::fmt;

/// Scheme, host and perhaps a port, as browsers write an origin (RFC 6454, 6.2): in lower case,
/// without the scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicOrigin {
    text: String,
    host: String,
}

impl PublicOrigin {
    /// The origin as a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is encrypted.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }
}

impl fmt::Display for PublicOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value for PublicOrigin {
    fn read(given: &Given, kind: &Kind) -> Result<PublicOrigin, String> {
        let text = given.one_text(kind)?.trim().to_ascii_lowercase();
        let (scheme, rest) =
            text.split_once("://").ok_or("expected an origin such as https://proxy.example.com")?;
        let own_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err("expected an origin that begins with https:// or http://".to_owned()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err("must be scheme, host and port alone, such as https://proxy.example.com".to_owned());
        }
        let host = host_of(authority).ok_or("has no valid host and port after the scheme")?;
        let authority = authority.strip_suffix(own_port).unwrap_or(authority);
        Ok(PublicOrigin { host: host.to_owned(), text: format!("{scheme}://{authority}") })
    }

    fn show(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PublicOrigin, String> {
        PublicOrigin::read(&Given::text(text), &Kind::Text("an origin"))
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        for (text, kept, host) in [
            ("https://Admin.Example.com/", "https://admin.example.com", "admin.example.com"),
            ("https://admin.example.com:443", "https://admin.example.com", "admin.example.com"),
            ("http://nas.lan:8001", "http://nas.lan:8001", "nas.lan"),
            ("http://[::1]:80", "http://[::1]", "::1"),
        ] {
            let origin = read(text).expect(text);
            assert_eq!((origin.as_str(), origin.host()), (kept, host), "{text}");
            assert_eq!(origin.is_https(), kept.starts_with("https"));
        }
        for text in
            ["nas.lan", "ftp://nas.lan", "https://nas.lan/admin", "https://u@nas.lan", "https://", "*"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

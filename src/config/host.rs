//! A host to listen on: an address, or a name that this machine resolves.

use super::given::{Given, Value, misfit, quote};
use super::table::Kind;
use std::fmt;
use std::net::IpAddr;

/// A host to listen on, without brackets even for IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The host as it goes into `(host, port)`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether it means every address of the machine.
    pub fn is_unspecified(&self) -> bool {
        self.0.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
    }
}

/// Whether `host` (without brackets) names this machine alone.
pub fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether `host` is written like a DNS name (RFC 1123, 2.1; underscores as in practice).
pub fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // Digits and dots alone are a mistyped address, not a name.
    host.len() <= 253 && host.split('.').all(label) && host.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl Default for Host {
    fn default() -> Host {
        Host("127.0.0.1".to_owned())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(&self.0) }
    }
}

impl Value for Host {
    fn read(given: &Given, kind: &Kind) -> Result<Host, String> {
        let text = given.one_text(kind)?.trim();
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() || is_name(bare) {
            Ok(Host(bare.to_owned()))
        } else {
            Err(misfit(kind, &quote(text)))
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Host, String> {
        Host::read(&Given::text(text), &Kind::Text("an address or host name"))
    }

    #[test]
    fn addresses_and_names_are_hosts() {
        for (text, shown, loopback) in [
            ("0.0.0.0", "0.0.0.0", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("[::1]", "[::1]", true),
            ("::", "[::]", false),
            ("::ffff:127.0.0.1", "[::ffff:127.0.0.1]", true),
            ("LOCALHOST", "LOCALHOST", true),
            ("my-nas.lan", "my-nas.lan", false),
        ] {
            let host = read(text).expect(text);
            assert_eq!((host.to_string().as_str(), host.is_loopback()), (shown, loopback), "{text}");
        }
        for text in ["", "a b", "http://x", "1.2.3", "300.1.1.1", "*", "host:80", "a..b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

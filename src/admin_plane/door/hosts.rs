//! Under which names this plane answers, and from which pages it takes changes. Pure.
//!
//! A page of another site could have its own name resolve to this machine (DNS rebinding), so a
//! request must name us by a name of ours.

use crate::config::host::{Host, is_loopback};
use crate::config::public_origin::PublicOrigin;
use std::net::IpAddr;

/// The names of this plane.
#[derive(Debug, Clone)]
pub struct Hosts {
    bound: Host,
    public: Option<PublicOrigin>,
}

impl Hosts {
    /// For a plane that listens on `bound` and that browsers may see under `public`.
    pub fn new(bound: Host, public: Option<PublicOrigin>) -> Hosts {
        Hosts { bound, public }
    }

    /// The origin under which browsers see the pages, if it was configured.
    pub fn public(&self) -> Option<&PublicOrigin> {
        self.public.as_ref()
    }

    /// Whether a `Host` header (host, perhaps with a port) names this plane.
    pub fn is_ours(&self, header: &str) -> bool {
        let Some(name) = name_of(header) else { return false };
        let is = |ours: &str| ours.eq_ignore_ascii_case(name);
        if is_loopback(name) || is(self.bound.as_str()) || self.public.as_ref().is_some_and(|o| is(o.host()))
        {
            return true;
        }
        // Bound to every address of the machine, each is ours; an address cannot be made to resolve
        // elsewhere, so it needs no list.
        self.bound.is_unspecified() && name.parse::<IpAddr>().is_ok()
    }

    /// Whether a `Host` header names the origin under which browsers see the pages.
    pub fn is_public(&self, header: &str) -> bool {
        let Some((public, name)) = self.public.as_ref().zip(name_of(header)) else { return false };
        public.host().eq_ignore_ascii_case(name)
    }

    /// Whether an `Origin` header is a page of this plane, which was asked for as `host`.
    pub fn is_own_page(&self, origin: &str, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.public.as_ref().is_some_and(|public| public.as_str() == origin) {
            return true;
        }
        let host = host.to_ascii_lowercase();
        origin == format!("http://{}", host.strip_suffix(":80").unwrap_or(&host))
            || origin == format!("https://{}", host.strip_suffix(":443").unwrap_or(&host))
    }
}

/// The host of a `Host` header, without brackets; `None`: it is malformed.
pub fn name_of(header: &str) -> Option<&str> {
    let (name, port) = match header.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, after)| (name, after.strip_prefix(':')))?,
        None => header.split_once(':').map_or((header, None), |(name, port)| (name, Some(port))),
    };
    let digits = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (!name.is_empty() && digits).then_some(name.strip_suffix('.').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::{Given, Value};
    use crate::config::table::Kind;

    fn hosts(bound: &str, public: Option<&str>) -> Hosts {
        let kind = Kind::Text("");
        let public = public.map(|text| PublicOrigin::read(&Given::text(text), &kind).expect("an origin"));
        Hosts::new(Host::read(&Given::text(bound), &kind).expect("a host"), public)
    }

    #[test]
    fn only_names_of_ours_are_answered() {
        let local = hosts("127.0.0.1", Some("https://admin.example.com"));
        for name in
            ["localhost", "LOCALHOST:8001", "127.0.0.1:1", "[::1]:8001", "127.9.9.9", "admin.example.com"]
        {
            assert!(local.is_ours(name), "{name}");
        }
        for name in
            ["", "evil.example", "admin.example.com.evil.example", "192.0.2.1", "localhost:x", "[::1", "0"]
        {
            assert!(!local.is_ours(name), "{name}");
        }
        let open = hosts("0.0.0.0", None);
        assert!(open.is_ours("192.168.1.5:8001") && open.is_ours("[2001:db8::1]"));
        assert!(!open.is_ours("nas.lan:8001"));
        assert!(hosts("nas.lan", None).is_ours("NAS.lan:8001"));
    }

    #[test]
    fn the_public_name_is_known() {
        let known = hosts("0.0.0.0", Some("https://admin.example.com"));
        assert!(known.is_public("Admin.example.com") && known.is_public("admin.example.com:443"));
        assert!(
            !known.is_public("127.0.0.1:8001") && !known.is_public("") && !hosts("::", None).is_public("x")
        );
    }

    #[test]
    fn only_own_pages_may_change_something() {
        let hosts = hosts("127.0.0.1", Some("https://admin.example.com"));
        let cases = [
            ("http://localhost:8001", "localhost:8001", true),
            ("http://localhost", "localhost:80", true),
            ("https://admin.example.com", "127.0.0.1:8001", true),
            ("http://localhost:3000", "localhost:8001", false),
            ("http://evil.example", "localhost:8001", false),
            ("https://admin.example.com.evil.example", "admin.example.com", false),
            ("null", "localhost:8001", false),
            ("", "localhost:8001", false),
        ];
        for (origin, host, own) in cases {
            assert_eq!(hosts.is_own_page(origin, host), own, "{origin} {host}");
        }
    }
}

//! Where clients reach the data plane, seen from the browser that asks: a page that was opened from
//! another machine must not be told an address of this one. Pure.
//!
//! The name it repeats was checked by the door before; the port is the data plane's own.

use super::door::name_of;
use crate::config::host::is_loopback;
use crate::config::public_origin::PublicOrigin;
use std::net::{Ipv4Addr, SocketAddr};

/// The data plane's address, and what is known of the way to it.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Where it listens.
    pub bound: SocketAddr,
    /// Whether it speaks HTTPS.
    pub https: bool,
    /// Where clients see it, if that was configured.
    pub public: Option<PublicOrigin>,
}

impl Reach {
    /// Scheme, host and port for whoever asked for this plane as `host` (a `Host` header).
    pub fn origin(&self, host: Option<&str>) -> String {
        if let Some(public) = &self.public {
            return public.as_str().to_owned();
        }
        let scheme = if self.https { "https" } else { "http" };
        let mut bound = self.bound;
        if bound.ip().is_unspecified() {
            // A name of this machine is what brought the browser here, so it brings it there too.
            match host.and_then(name_of).filter(|name| !is_loopback(name)) {
                Some(name) if name.contains(':') => return format!("{scheme}://[{name}]:{}", bound.port()),
                Some(name) => return format!("{scheme}://{name}:{}", bound.port()),
                None => bound.set_ip(Ipv4Addr::LOCALHOST.into()),
            }
        }
        format!("{scheme}://{bound}")
    }

    /// What such a client takes as its base URL.
    pub fn base_url(&self, host: Option<&str>) -> String {
        format!("{}/v1", self.origin(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::{Given, Value};
    use crate::config::table::Kind;

    fn reach(bound: &str) -> Reach {
        Reach { bound: bound.parse().expect("an address"), https: false, public: None }
    }

    #[test]
    fn the_name_that_brought_the_browser_here_brings_it_there() {
        let open = reach("0.0.0.0:8000");
        for (host, url) in [
            (None, "http://127.0.0.1:8000/v1"),
            (Some("localhost:8001"), "http://127.0.0.1:8000/v1"),
            (Some("[::1]:8001"), "http://127.0.0.1:8000/v1"),
            (Some("192.168.1.5:8001"), "http://192.168.1.5:8000/v1"),
            (Some("nas.lan"), "http://nas.lan:8000/v1"),
            (Some("[2001:db8::1]:8001"), "http://[2001:db8::1]:8000/v1"),
            (Some("a:b:c"), "http://127.0.0.1:8000/v1"),
        ] {
            assert_eq!(open.base_url(host), url, "{host:?}");
        }
        assert_eq!(reach("[::]:8000").origin(Some("nas.lan:8001")), "http://nas.lan:8000");
        assert_eq!(Reach { https: true, ..open }.origin(Some("nas.lan")), "https://nas.lan:8000");
    }

    #[test]
    fn what_is_bound_or_configured_stands() {
        let bound = reach("192.168.1.5:8000");
        assert_eq!(bound.origin(Some("nas.lan:8001")), "http://192.168.1.5:8000");
        let public = PublicOrigin::read(&Given::text("https://api.example.com"), &Kind::Text(""));
        let public = Reach { public: Some(public.expect("an origin")), ..reach("0.0.0.0:8000") };
        assert_eq!(public.base_url(Some("nas.lan:8001")), "https://api.example.com/v1");
    }
}

//! Who sent a request: the other end of its connection, or whom a reverse proxy of ours names.

use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;
use std::net::{IpAddr, Ipv4Addr};

/// The address that `request` came from; with `is_proxied` a reverse proxy of ours may stand between.
pub fn sender(request: &HttpRequest, is_proxied: bool) -> IpAddr {
    let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let forwarded = request.headers().get_all(X_FORWARDED_FOR).last().filter(|_| is_proxied);
    named(peer, forwarded.and_then(|entries| entries.to_str().ok()))
}

/// Whom a `peer` on this machine or a private network names: the last entry, which the proxy itself wrote;
/// what a client writes stands before it. Otherwise one guesser behind the proxy would have everybody wait.
fn named(peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
    let named = forwarded.and_then(|entries| entries.rsplit(',').next()?.trim().parse().ok());
    named.filter(|_| is_near(peer)).unwrap_or(peer)
}

fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_proxy_is_believed() {
        let of = |peer: &str, forwarded| named(peer.parse().expect("an address"), forwarded).to_string();
        let told = Some("203.0.113.9, 192.0.2.1");
        for near in ["127.0.0.1", "::1", "172.18.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert_eq!(of(near, told), "192.0.2.1", "{near}");
            for nobody in [None, Some(""), Some("192.0.2.1, unknown"), Some("192.0.2.1:80")] {
                assert_eq!(of(near, nobody), near);
            }
        }
        for far in ["198.51.100.1", "2001:db8::1"] {
            assert_eq!(of(far, told), far);
        }
    }
}

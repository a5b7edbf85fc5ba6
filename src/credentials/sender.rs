//! Who sent a request: the other end of its connection, or whom a reverse proxy of ours names. Pure.

use std::net::{IpAddr, Ipv4Addr};

/// The address that a request came from. With `is_proxied`, and a `peer`
/// on this machine or a private network, it is whom that reverse proxy names: the last entry of
/// `X-Forwarded-For`, which the proxy itself wrote; what a client writes stands before it. Otherwise one
/// guesser behind the proxy would have everybody wait.
pub fn sender(peer: Option<IpAddr>, forwarded_for: Option<&str>, is_proxied: bool) -> IpAddr {
    let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    if !is_proxied || !is_near(peer) {
        return peer;
    }
    let named = forwarded_for.and_then(|entries| entries.rsplit(',').next()?.trim().parse().ok());
    named.unwrap_or(peer)
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
        let of =
            |peer: &str, forwarded, is_proxied| sender(peer.parse().ok(), forwarded, is_proxied).to_string();
        let told = Some("203.0.113.9, 192.0.2.1");
        for near in ["127.0.0.1", "::1", "172.18.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert_eq!(of(near, told, true), "192.0.2.1", "{near}");
            assert_eq!(of(near, told, false), near);
            assert_eq!(of(near, None, true), near);
            assert_eq!(of(near, Some("192.0.2.1, unknown"), true), near);
        }
        for far in ["198.51.100.1", "2001:db8::1"] {
            assert_eq!(of(far, told, true), far);
        }
        assert_eq!(sender(None, told, true).to_string(), "0.0.0.0");
    }
}

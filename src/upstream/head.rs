//! The head of a request as it goes out. Pure.
//!
//! What is the same for all requests is put into bytes once; actix-http's encoder would gather every header
//! in a table first, which takes as long as all else that sending a small request takes.

use super::client::Call;
use crate::domain::secret::Secret;
use actix_web::http::Uri;
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::{BufMut, Bytes, BytesMut};

const USER_AGENT: &str = concat!("openrouter-proxy/", env!("CARGO_PKG_VERSION"));
/// Room for what a request says beyond what all say: its path, key and length, and a small body with them.
const ROOM: usize = 1024;

/// What the heads of all requests to one upstream have in common.
#[derive(Clone)]
pub(super) struct Heads {
    /// The path of the base URL, without a slash at the end.
    path: Bytes,
    /// Headers that all have, each with the end of its line.
    common: Bytes,
    /// Headers by which this application names itself, unless a client does.
    attribution: Vec<(HeaderName, HeaderValue)>,
}

impl Heads {
    /// For the upstream at `uri`. `None`: it has no host.
    pub(super) fn new(uri: &Uri, attribution: Vec<(HeaderName, HeaderValue)>) -> Option<Heads> {
        let host = host_of(uri)?;
        let common = format!(
            "host: {host}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\naccept-encoding: identity\r\n"
        );
        let path = Bytes::copy_from_slice(uri.path().trim_end_matches('/').as_bytes());
        Some(Heads { path, common: common.into(), attribution })
    }

    /// The head of `call`, whose body has `length` bytes (0: none), with `key` as bearer if there is one.
    /// `None`: something of it cannot be said in HTTP.
    pub(super) fn head(&self, call: &Call, length: usize, key: Option<&Secret>) -> Option<BytesMut> {
        if !call.query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        let mut out = BytesMut::with_capacity(self.common.len() + ROOM);
        put(&mut out, &[call.method.as_str().as_bytes(), b" ", &self.path, call.path.as_bytes()]);
        if !call.query.is_empty() {
            put(&mut out, &[b"?", call.query.as_bytes()]);
        }
        put(&mut out, &[b" HTTP/1.1\r\n", &self.common]);
        let named = |name: &HeaderName| call.headers.iter().any(|(other, _)| other == name);
        let own = self.attribution.iter().filter(|(name, _)| !named(name));
        for (name, value) in own.chain(&call.headers) {
            put(&mut out, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        if length > 0 {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(length).as_bytes();
            put(&mut out, &[b"content-type: application/json\r\ncontent-length: ", digits, b"\r\n"]);
        }
        if let Some(key) = key {
            let key = key.expose().as_bytes();
            if !key.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                return None;
            }
            put(&mut out, &[b"authorization: Bearer ", key, b"\r\n"]);
        }
        out.put_slice(b"\r\n");
        Some(out)
    }
}

fn put(out: &mut BytesMut, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.put_slice(part));
}

/// The host as its header names it: with its port, unless that goes without saying.
fn host_of(uri: &Uri) -> Option<String> {
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some(match uri.port_u16() {
        None | Some(80 | 443) => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::Method;
    use std::time::Duration;

    const TITLE: HeaderName = HeaderName::from_static("x-title");

    fn heads(uri: &str) -> Heads {
        let attribution = vec![(TITLE, HeaderValue::from_static("ours"))];
        Heads::new(&uri.parse().expect("a url"), attribution).expect("a host")
    }

    fn text(head: Option<BytesMut>) -> String {
        String::from_utf8(head.expect("a head").to_vec()).expect("a text")
    }

    #[test]
    fn a_head_says_what_is_asked_and_by_whom() {
        let heads = heads("http://example.org:8080/api/v1/");
        let call = Call::get("/models", Duration::ZERO);
        let rest = format!(
            "host: example.org:8080\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\naccept-encoding: identity\r\n"
        );
        let bare = format!("GET /api/v1/models HTTP/1.1\r\n{rest}x-title: ours\r\n\r\n");
        assert_eq!(text(heads.head(&call, 0, None)), bare);

        let named = (TITLE, HeaderValue::from_bytes("她的".as_bytes()).expect("a value"));
        let call = Call { method: Method::POST, query: "a=b&c=%20".to_owned(), headers: vec![named], ..call };
        let told = format!(
            "POST /api/v1/models?a=b&c=%20 HTTP/1.1\r\n{rest}x-title: 她的\r\ncontent-type: application/json\r\n\
             content-length: 17\r\nauthorization: Bearer sk-or-v1-x\r\n\r\n"
        );
        assert_eq!(text(heads.head(&call, 17, Some(&Secret::new("sk-or-v1-x")))), told);
    }

    #[test]
    fn the_usual_ports_go_without_saying_and_others_do_not() {
        for (uri, host) in [
            ("https://openrouter.ai/api/v1", "openrouter.ai"),
            ("https://openrouter.ai:443", "openrouter.ai"),
            ("http://[::1]:9000/x", "[::1]:9000"),
        ] {
            let head = text(heads(uri).head(&Call::get("/key", Duration::ZERO), 0, None));
            assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
        }
    }

    #[test]
    fn nothing_can_smuggle_a_line_in() {
        let heads = heads("http://example.org");
        let call = Call::get("/key", Duration::ZERO);
        for key in ["a\r\nx: y", "a\nb", "a\0b", "schlüssel"] {
            assert!(heads.head(&call, 0, Some(&Secret::new(key))).is_none(), "{key:?}");
        }
        for query in ["a b", "a\r\nx: y", "a#b", "ü"] {
            let call = Call { query: query.to_owned(), ..call.clone() };
            assert!(heads.head(&call, 0, None).is_none(), "{query:?}");
        }
    }
}

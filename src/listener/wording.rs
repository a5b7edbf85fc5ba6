//! Errors below every route, worded like all others: what no plane gets to see because it is no
//! request, too slow or too large, and what this port does not speak.
//!
//! actix answers those with a bare status, which only an exact look at its bytes can tell from an
//! answer of ours: it has no body and no request id, and is the last thing on its connection.

use crate::domain::ids::RequestId;
use crate::domain::time::Timestamp;
use bytes::Bytes;
use serde_json::json;

/// The statuses that actix answers by itself, as their status lines and no longer header follow.
const BARE: &[(&[u8], u16)] = &[
    (b"HTTP/1.1 400 Bad Request\r\n", 400),
    (b"HTTP/1.1 408 Request Timeout\r\n", 408),
    (b"HTTP/1.1 413 Payload Too Large\r\n", 413),
    (b"HTTP/1.1 431 Request Header Fields Too Large\r\n", 431),
];
/// No bare answer is longer: a status line, a length, a date and `connection: close`.
const LONGEST: usize = 192;

/// Where in `bytes` a bare error begins, if they end with one, and its status.
pub fn bare_error(bytes: &[u8]) -> Option<(usize, u16)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = bytes.len().saturating_sub(LONGEST);
    let tail = bytes.get(from..)?;
    let at = memchr::memmem::rfind(tail, b"HTTP/1.1 4")?;
    let head = tail.get(at..)?;
    let (line, status) = BARE.iter().find(|(line, _)| head.starts_with(line))?;
    let headers = std::str::from_utf8(head.get(line.len()..)?).ok()?.trim_end();
    let is_bare = headers.split("\r\n").all(|header| {
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        match name {
            "content-length" => value == "0",
            "connection" => value == "close",
            "date" => true,
            _ => false,
        }
    });
    is_bare.then_some((from + at, *status))
}

/// The answer that says `status` in our words, as it goes onto the wire. The connection ends with it.
pub fn error(status: u16, now: Timestamp) -> Bytes {
    let (line, kind, code, message) = match status {
        408 => (
            "408 Request Timeout",
            "timeout_error",
            "head_timeout",
            "the head of the request came too slowly; send it at once",
        ),
        413 => (
            "413 Payload Too Large",
            "invalid_request_error",
            "body_too_large",
            "the request body is too large",
        ),
        431 => (
            "431 Request Header Fields Too Large",
            "invalid_request_error",
            "head_too_large",
            "the head of the request is too large; send fewer or shorter headers",
        ),
        _ => (
            "400 Bad Request",
            "invalid_request_error",
            "malformed_request",
            "this is not a well-formed HTTP/1.1 request",
        ),
    };
    answer(line, kind, code, message, now)
}

/// What a client of plain HTTP is told where HTTPS is spoken.
pub fn https_required(now: Timestamp) -> Bytes {
    let message = "this port speaks HTTPS: begin the URL with https:// instead of http://";
    answer("400 Bad Request", "invalid_request_error", "https_required", message, now)
}

fn answer(line: &str, kind: &str, code: &str, message: &str, now: Timestamp) -> Bytes {
    let error = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    let body = error.to_string();
    Bytes::from(format!(
        "HTTP/1.1 {line}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-request-id: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
        RequestId::new(now),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE_400: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
                            date: Sun, 22 Nov 2026 20:00:00 GMT\r\n\r\n";

    #[test]
    fn only_a_bare_error_at_the_end_is_one() {
        assert_eq!(bare_error(BARE_400.as_bytes()), Some((0, 400)));
        let behind = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}{BARE_400}");
        assert_eq!(bare_error(behind.as_bytes()), Some((behind.len() - BARE_400.len(), 400)));
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            &format!("{BARE_400}."),
        ] {
            assert_eq!(bare_error(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn what_we_say_instead_is_no_bare_error() {
        for status in [400, 408, 413, 431] {
            let answer = error(status, Timestamp::from_millis(0));
            assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
            assert_eq!(bare_error(&answer), None);
        }
    }
}

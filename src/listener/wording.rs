//! Errors below every route, worded like all others: what no plane gets to see because it is no
//! request, too slow or too large, and what this port does not speak.
//!
//! actix answers those with a bare status, which only an exact look at its bytes can tell from an
//! answer of ours: it has no body and no request id, and is the last thing on its connection.

use crate::domain::ids::RequestId;
use crate::domain::time::Timestamp;
use bytes::Bytes;

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

/// A fault below every route, for its plane to put into words.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The status line without the version.
    pub line: &'static str,
    /// The same status as a number.
    pub status: u16,
    /// The kind of error, as OpenAI's API names kinds.
    pub kind: &'static str,
    /// The machine-readable word.
    pub code: &'static str,
    /// What was wrong and what to do.
    pub message: &'static str,
}

/// How a plane words a fault: headers, each on a line of its own and ended, and a body.
pub type Wording = fn(&Fault, RequestId) -> (String, String);

impl Fault {
    const fn new(line: &'static str, status: u16, kind: &'static str, code: &'static str) -> Fault {
        Fault { line, status, kind, code, message: "" }
    }

    const fn says(self, message: &'static str) -> Fault {
        Fault { message, ..self }
    }

    /// What `status` stands for when actix answers it by itself.
    pub fn of(status: u16) -> Fault {
        match status {
            408 => Fault::new("408 Request Timeout", 408, "timeout_error", "head_timeout")
                .says("the head of the request came too slowly; send it at once"),
            413 => Fault::new("413 Payload Too Large", 413, "invalid_request_error", "body_too_large")
                .says("the request body is too large"),
            431 => {
                let line = "431 Request Header Fields Too Large";
                Fault::new(line, 431, "invalid_request_error", "head_too_large")
                    .says("the head of the request is too large; send fewer or shorter headers")
            }
            _ => Fault::new("400 Bad Request", 400, "invalid_request_error", "malformed_request")
                .says("this is not a well-formed HTTP/1.1 request"),
        }
    }

    /// Plain HTTP was spoken where HTTPS is.
    pub const HTTPS_REQUIRED: Fault =
        Fault::new("400 Bad Request", 400, "invalid_request_error", "https_required")
            .says("this port speaks HTTPS: begin the URL with https:// instead of http://");

    /// The answer as it goes onto the wire. The connection ends with it.
    pub fn answer(&self, wording: Wording, now: Timestamp) -> Bytes {
        let id = RequestId::new(now);
        let (headers, body) = wording(self, id);
        Bytes::from(format!(
            "HTTP/1.1 {}\r\n{headers}content-length: {}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n{body}",
            self.line,
            body.len(),
        ))
    }
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
            let words: Wording =
                |fault, _| ("content-type: text/plain\r\n".to_owned(), fault.message.to_owned());
            let answer = Fault::of(status).answer(words, Timestamp::from_millis(0));
            assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
            assert_eq!(bare_error(&answer), None);
        }
    }
}

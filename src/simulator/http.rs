//! Reads HTTP/1.1 requests from bytes: heads by `httparse`, bodies by `Content-Length` or chunked.
//!
//! Pure: bytes in, a request or an error out. Heads and bodies are bounded. Sloppier than a real
//! server on purpose nowhere: what it cannot read it refuses, and the connection ends.

use bytes::Bytes;

/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The longest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// The longest size line of a chunk, in bytes.
const MAX_SIZE_LINE: usize = 256;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The method, as sent.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What follows the `?`; empty without one.
    pub query: String,
    /// Names as sent, values as text.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Bytes,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
}

impl Request {
    /// The value of the first header of this name, in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The bearer, or the `x-api-key` of Anthropic's packages.
    pub(super) fn credential(&self) -> Option<&str> {
        match self.header("authorization") {
            Some(value) => value.split_once(' ').map(|(_, bearer)| bearer.trim()),
            None => self.header("x-api-key"),
        }
    }

    /// One parameter of the query, not decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|p| p.1)
    }
}

/// Why a request cannot be read; the status to answer with before the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Not HTTP/1.x, or contradictory framing.
    #[error("malformed request: send HTTP/1.1")]
    Malformed,
    /// The head is beyond its bound.
    #[error("request head too large: send at most 64 KiB")]
    HeadTooLarge,
    /// The body is beyond its bound.
    #[error("request payload too large: send at most 64 MiB")]
    BodyTooLarge,
}

impl Unreadable {
    /// The HTTP status that says so.
    pub(super) fn status(self) -> u16 {
        match self {
            Unreadable::Malformed => 400,
            Unreadable::HeadTooLarge => 431,
            Unreadable::BodyTooLarge => 413,
        }
    }
}

/// A head that was read, and how its body is framed.
#[derive(Debug)]
pub(super) struct Opened {
    /// The request, its body still empty.
    pub request: Request,
    /// How many bytes the head took.
    pub head_len: usize,
    /// The framing of the body.
    pub body: BodyFrame,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFrame {
    /// This many bytes.
    Length(usize),
    /// Chunks until an empty one.
    Chunked,
}

/// Reads a head from the beginning of `buffer`; `None` when more bytes are needed.
pub(super) fn read_head(buffer: &[u8]) -> Result<Option<Opened>, Unreadable> {
    let mut slots = [httparse::EMPTY_HEADER; 96];
    let mut parsed = httparse::Request::new(&mut slots);
    let head_len = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::HeadTooLarge),
        Err(_) => return Err(Unreadable::Malformed),
    };
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let mut request = Request {
        method: parsed.method.unwrap_or("").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::new(),
        keep_alive: parsed.version == Some(1),
    };
    if let Some(connection) = request.header("connection") {
        request.keep_alive = match connection.to_ascii_lowercase().as_str() {
            "close" => false,
            "keep-alive" => true,
            _ => request.keep_alive,
        };
    }
    let body = frame_of(&request)?;
    let expects_continue = request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue"));
    Ok(Some(Opened { request, head_len, body, expects_continue }))
}

fn frame_of(request: &Request) -> Result<BodyFrame, Unreadable> {
    let length = request.header("content-length");
    match request.header("transfer-encoding") {
        Some(_) if length.is_some() => Err(Unreadable::Malformed),
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => Ok(BodyFrame::Chunked),
        Some(_) => Err(Unreadable::Malformed),
        None => match length.unwrap_or("0").parse::<usize>() {
            Ok(length) if length <= MAX_BODY => Ok(BodyFrame::Length(length)),
            Ok(_) => Err(Unreadable::BodyTooLarge),
            Err(_) => Err(Unreadable::Malformed),
        },
    }
}

/// Collects a chunked body piece by piece.
#[derive(Debug, Default)]
pub(super) struct Dechunker {
    body: Vec<u8>,
    left: Option<usize>,
    trailer: bool,
}

impl Dechunker {
    /// Takes what it can from the front of `input` and says how many bytes that were and whether
    /// the body is whole.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(usize, bool), Unreadable> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            if let Some(left) = self.left {
                let part = rest.get(..left.min(rest.len())).unwrap_or_default();
                self.body.extend_from_slice(part);
                used += part.len();
                if part.len() < left {
                    self.left = Some(left - part.len());
                    return Ok((used, false));
                }
                let Some(end) = input.get(used..used + 2) else {
                    self.left = Some(0);
                    return Ok((used, false));
                };
                if end != b"\r\n" {
                    return Err(Unreadable::Malformed);
                }
                used += 2;
                self.left = None;
                continue;
            }
            let Some(line_len) = rest.windows(2).position(|pair| pair == b"\r\n") else {
                return if rest.len() > MAX_SIZE_LINE {
                    Err(Unreadable::Malformed)
                } else {
                    Ok((used, false))
                };
            };
            let line = rest.get(..line_len).unwrap_or_default();
            used += line_len + 2;
            if self.trailer {
                if line.is_empty() {
                    return Ok((used, true));
                }
                continue;
            }
            let size = chunk_size(line)?;
            if self.body.len() + size > MAX_BODY {
                return Err(Unreadable::BodyTooLarge);
            }
            self.trailer = size == 0;
            self.left = (size > 0).then_some(size);
        }
    }

    /// The body collected so far.
    pub(super) fn into_body(self) -> Bytes {
        self.body.into()
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, Unreadable> {
    let text = std::str::from_utf8(line).map_err(|_| Unreadable::Malformed)?;
    let digits = text.split(';').next().unwrap_or("").trim();
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Unreadable::Malformed);
    }
    usize::from_str_radix(digits, 16).map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_or_refused() {
        let whole = b"POST /a/b?id=7&x HTTP/1.1\r\nAuthorization: Bearer k1\r\nContent-Length: 3\r\n\r\nabc";
        let opened = read_head(whole).expect("readable").expect("whole");
        assert_eq!((opened.head_len, opened.body), (whole.len() - 3, BodyFrame::Length(3)));
        let request = opened.request;
        assert_eq!((request.path.as_str(), request.parameter("id")), ("/a/b", Some("7")));
        assert_eq!(request.credential(), Some("k1"));
        assert!(request.keep_alive);
        for length in 0..whole.len() - 3 {
            assert!(read_head(&whole[..length]).expect("still readable").is_none());
        }
        let refused: [(&[u8], Unreadable); 4] = [
            (b"\x16\x03\x01 rubbish\r\n\r\n", Unreadable::Malformed),
            (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Unreadable::Malformed),
            (
                b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Unreadable::Malformed,
            ),
            (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", Unreadable::BodyTooLarge),
        ];
        for (bytes, error) in refused {
            assert_eq!(read_head(bytes).expect_err("refused"), error);
        }
    }

    #[test]
    fn chunked_bodies_are_read_however_they_are_cut() {
        let wire = b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nNEXT";
        for size in 1..=wire.len() {
            let (mut dechunker, mut buffer, mut whole) = (Dechunker::default(), Vec::new(), false);
            for piece in wire.chunks(size) {
                buffer.extend_from_slice(piece);
                if !whole {
                    let (used, done) = dechunker.take(&buffer).expect("readable");
                    buffer.drain(..used);
                    whole = done;
                }
            }
            assert!(whole, "pieces of {size}");
            assert_eq!(buffer, b"NEXT");
            assert_eq!(dechunker.into_body(), "abc0123456789");
        }
        for bad in [&b"x\r\n"[..], b"3\r\nabcd\r\n", b"\r\n", b"fffffffff\r\n"] {
            assert!(Dechunker::default().take(bad).is_err());
        }
    }
}

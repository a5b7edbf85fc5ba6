//! A client that sees every byte: raw TCP, blocking, with a deadline.
//!
//! Never repairs, follows or retries anything.
//! For these tests only.

use crate::domain::time::{Clock, Timestamp};
use crate::simulator::{Options, Simulator};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A simulator with its clock standing still at a known moment.
pub(super) fn start() -> Simulator {
    let at = Timestamp::parse("2026-10-10T12:00:30Z").expect("a valid time");
    Simulator::start(Options { clock: Clock::manual(at), ..Options::default() }).expect("a free port")
}

/// What came back on a connection that ended or fell silent.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub bytes: Vec<u8>,
    /// `Ok` for FIN, the error else; a deadline is `WouldBlock`.
    pub end: Option<std::io::ErrorKind>,
}

impl Seen {
    pub fn head(&self) -> String {
        let end = find(&self.bytes, b"\r\n\r\n").unwrap_or(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[..end]).into_owned()
    }

    pub fn status(&self) -> u16 {
        self.head().split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.head().lines().find_map(|line| {
            let (have, value) = line.split_once(": ")?;
            have.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    /// The body's raw bytes, with framing.
    pub fn raw_body(&self) -> &[u8] {
        find(&self.bytes, b"\r\n\r\n").map_or(&[], |at| &self.bytes[at + 4..])
    }

    /// The HTTP chunks, and whether the terminator came.
    pub fn chunks(&self) -> (Vec<Vec<u8>>, bool) {
        let (mut rest, mut chunks) = (self.raw_body(), Vec::new());
        loop {
            let Some(line) = find(rest, b"\r\n") else { return (chunks, false) };
            let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16).expect("a size");
            rest = &rest[line + 2..];
            if size == 0 {
                return (chunks, rest == b"\r\n");
            }
            if rest.len() < size + 2 {
                chunks.push(rest.to_vec());
                return (chunks, false);
            }
            chunks.push(rest[..size].to_vec());
            rest = &rest[size + 2..];
        }
    }

    pub fn body(&self) -> Vec<u8> {
        match self.header("transfer-encoding") {
            Some(_) => self.chunks().0.concat(),
            None => self.raw_body().to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The JSON of every `data:` line but `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        let text = String::from_utf8(self.body()).expect("UTF-8 as a whole");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|d| *d != "[DONE]").map(|d| serde_json::from_str(d).expect("JSON")).collect()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Sends raw bytes and reads until the end or until `patience` is over.
pub(super) fn send(simulator: &Simulator, bytes: &[u8], patience: Duration) -> Seen {
    let mut stream = TcpStream::connect(simulator.address()).expect("the simulator listens");
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    stream.write_all(bytes).expect("written");
    let (mut seen, mut buffer) = (Seen::default(), [0u8; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return seen,
            Ok(count) => seen.bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                seen.end = Some(error.kind());
                return seen;
            }
        }
    }
}

/// The bytes of a POST that asks for the connection to be closed after it.
pub(super) fn post_bytes(path: &str, key: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(super) fn post(simulator: &Simulator, path: &str, key: &str, body: &Value) -> Seen {
    send(simulator, &post_bytes(path, key, body), Duration::from_secs(10))
}

pub(super) fn get(simulator: &Simulator, path: &str, key: &str) -> Seen {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    send(simulator, request.as_bytes(), Duration::from_secs(10))
}

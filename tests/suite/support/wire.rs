//! A byte-exact HTTP/1.1 client over one TCP connection: sends what it is told, also what is wrong,
//! and reports status, headers, body without framing, when each piece came, and how it ended.

use super::{PASSWORD, PATIENCE};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, in order; `Host` and `Content-Length` are added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// A `GET` with the right password.
    pub fn get(target: &str) -> Call {
        Call::bare("GET", target).header("Authorization", &format!("Bearer {PASSWORD}"))
    }

    /// A `POST` of JSON with the right password.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Call {
        let call = Call::bare("POST", target).header("Authorization", &format!("Bearer {PASSWORD}"));
        Call { body: body.into(), ..call.header("Content-Type", "application/json") }
    }

    /// A request to the admin plane with its password.
    pub fn admin(method: &str, target: &str) -> Call {
        Call::bare(method, target).header("Authorization", "Bearer admin-password")
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Call {
        Call { body: body.to_string().into_bytes(), ..self.header("Content-Type", "application/json") }
    }

    /// A request without headers of its own.
    pub fn bare(method: &str, target: &str) -> Call {
        Call { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The head as it goes onto the wire, promising `length` bytes.
    pub fn head(&self, length: usize) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method != "GET" || length > 0 {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head + "\r\n"
    }
}

/// An answer, whole or as far as it came.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body without framing.
    pub body: Vec<u8>,
    /// When each piece came, since the answer's head, and how many bytes it had.
    pub pieces: Vec<(Duration, usize)>,
    /// Whether it came to the end that its framing promised.
    pub whole: bool,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// A header as a number.
    pub fn number(&self, name: &str) -> u64 {
        self.header(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {self}"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {self}"))
    }

    /// One string of an error body: `message`, `type`, `code` or `param`.
    pub fn error(&self, member: &str) -> String {
        match &self.json()["error"][member] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(600).collect();
        write!(f, "{} {:?} whole={} {body:?}", self.status, self.headers, self.whole)
    }
}

/// How a body is framed.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Chunked,
    Length(usize),
    ToTheEnd,
}

/// One connection.
pub struct Wire {
    stream: TcpStream,
    inbox: Vec<u8>,
    framing: Framing,
    head_at: Instant,
}

impl Wire {
    /// Connects.
    pub fn open(address: SocketAddr) -> Wire {
        Wire::over(TcpStream::connect_timeout(&address, PATIENCE).expect("a connection"))
    }

    /// Connects; `None` where nobody listens any more.
    pub fn try_open(address: SocketAddr) -> Option<Wire> {
        TcpStream::connect_timeout(&address, PATIENCE).ok().map(Wire::over)
    }

    /// Connects from this address.
    pub fn open_from(source: Ipv4Addr, address: SocketAddr) -> Wire {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address");
        socket.connect_timeout(&address.into(), PATIENCE).expect("a connection");
        Wire::over(socket.into())
    }

    fn over(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Wire { stream, inbox: Vec::new(), framing: Framing::ToTheEnd, head_at: Instant::now() }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the other side takes bytes");
    }

    /// Sends bytes as they are; `false` when the other side takes no more.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more comes, or is read.
    pub fn shutdown(&self, how: Shutdown) {
        // The connection may be gone already.
        let _ = self.stream.shutdown(how);
    }

    /// What has come and belongs to no answer.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbox)
    }

    /// Sends a request.
    pub fn send(&mut self, call: &Call) {
        let mut bytes = call.head(call.body.len()).into_bytes();
        bytes.extend_from_slice(&call.body);
        self.write(&bytes);
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, call: &Call) -> Answer {
        self.send(call);
        self.answer()
    }

    /// Reads one answer to its end.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        while self.piece(&mut answer) {}
        answer
    }

    /// Reads the head of an answer; status 0 when the connection ended without one.
    pub fn head(&mut self) -> Answer {
        loop {
            let Some(end) = find(&self.inbox, b"\r\n\r\n") else {
                if self.more() == 0 {
                    return Answer::default();
                }
                continue;
            };
            let rest = self.inbox.split_off(end + 4);
            let head = std::mem::replace(&mut self.inbox, rest);
            let mut answer = parse_head(&head);
            if answer.status == 100 {
                continue;
            }
            self.framing = framing(&answer);
            self.head_at = Instant::now();
            answer.whole = false;
            return answer;
        }
    }

    /// Reads one more piece of the body into `answer`; `false` at its end, proper or not.
    pub fn piece(&mut self, answer: &mut Answer) -> bool {
        let piece = match self.framing {
            Framing::Chunked => self.chunk(),
            Framing::Length(0) => Some(Vec::new()),
            Framing::Length(left) => {
                if self.inbox.is_empty() && self.more() == 0 {
                    return false;
                }
                let piece: Vec<u8> = self.inbox.drain(..left.min(self.inbox.len())).collect();
                self.framing = Framing::Length(left - piece.len());
                Some(piece)
            }
            Framing::ToTheEnd => {
                if self.inbox.is_empty() && self.more() == 0 {
                    answer.whole = true;
                    return false;
                }
                Some(std::mem::take(&mut self.inbox))
            }
        };
        let Some(piece) = piece else { return false };
        if piece.is_empty() {
            answer.whole = true;
            return false;
        }
        answer.pieces.push((self.head_at.elapsed(), piece.len()));
        answer.body.extend_from_slice(&piece);
        true
    }

    /// One chunk; empty at the terminator, `None` when the connection broke off.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            match find(&self.inbox, b"\r\n") {
                Some(end) => break end,
                None if self.more() == 0 => return None,
                None => {}
            }
        };
        let line = String::from_utf8(self.inbox[..end].to_vec()).expect("a chunk size");
        let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
        while self.inbox.len() < end + 2 + size + 2 {
            if self.more() == 0 {
                return None;
            }
        }
        let chunk = self.inbox[end + 2..end + 2 + size].to_vec();
        assert_eq!(&self.inbox[end + 2 + size..end + 4 + size], b"\r\n", "a chunk ends with its line");
        self.inbox.drain(..end + 4 + size);
        Some(chunk)
    }

    /// Takes in what has come; 0 at the end of the connection, be it FIN or RST.
    fn more(&mut self) -> usize {
        let mut buffer = [0u8; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.inbox.extend_from_slice(&buffer[..count]);
                count
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => 0,
            Err(error) => panic!("nothing came for {PATIENCE:?}: {error}"),
        }
    }

    /// Whether the other side has ended the connection by now; waits for it as long as patience lasts.
    pub fn is_ended(&mut self) -> bool {
        self.inbox.is_empty() && self.more() == 0
    }

    /// How many bytes have come that nobody has read yet, as far as a kernel buffer of 8 MiB shows.
    pub fn waiting(&self) -> usize {
        self.inbox.len() + self.stream.peek(&mut vec![0u8; 8 << 20]).unwrap_or(0)
    }

    /// Leaves by FIN.
    pub fn close(self) {}

    /// Leaves by RST.
    pub fn reset(self) {
        let linger = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.expect("a lingering time");
    }
}

fn parse_head(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Answer { status: status.expect("a status line"), headers: headers.collect(), ..Answer::default() }
}

fn framing(answer: &Answer) -> Framing {
    if matches!(answer.status, 204 | 304) {
        return Framing::Length(0);
    }
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Framing::Chunked;
    }
    match answer.header("content-length").and_then(|length| length.parse().ok()) {
        Some(length) => Framing::Length(length),
        None => Framing::ToTheEnd,
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

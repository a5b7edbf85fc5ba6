//! Plays a reply onto a socket: framing, pauses, endings; and notices when the client leaves.
//!
//! The only file that writes to the network. A client that shuts down its sending side counts as
//! gone: HTTP clients do not half-close.

use super::ask::digest_more;
use super::reply::{Ending, Framing, Head, Reply, Step};
use bytes::BytesMut;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The most bytes of following requests that are taken in while a reply is under way.
const MAX_AHEAD: usize = 1 << 20;
/// How much is gathered before it is written.
const GATHER: usize = 64 * 1024;

/// One connection: the socket, what came in and what is to go out.
pub(super) struct Wire {
    stream: TcpStream,
    /// Bytes received and not yet read as requests.
    pub inbox: BytesMut,
    out: Vec<u8>,
}

/// The client is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// What became of a reply.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Played {
    /// Bytes of the body sent, without framing.
    pub sent: u64,
    /// Their digest.
    pub digest: u64,
    /// Whether the client left before the whole body was written.
    pub closed_early: bool,
    /// Whether the connection can take another request.
    pub reusable: bool,
}

impl Wire {
    /// A connection that nothing was sent on.
    pub(super) fn new(stream: TcpStream) -> Wire {
        Wire { stream, inbox: BytesMut::with_capacity(8 * 1024), out: Vec::with_capacity(8 * 1024) }
    }

    /// Waits for more bytes; `false` when the client is gone or was silent for `patience`.
    pub(super) async fn more(&mut self, patience: Duration) -> bool {
        matches!(timeout(patience, self.stream.read_buf(&mut self.inbox)).await, Ok(Ok(count)) if count > 0)
    }

    /// Says `100 Continue`.
    pub(super) async fn go_on(&mut self) -> Result<(), Gone> {
        self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Gone)
    }

    /// Sends a reply. `digests` says whether its bytes are to be digested, `keep` whether the client
    /// wants the connection kept.
    pub(super) async fn play(&mut self, reply: &Reply, date: &str, keep: bool, digests: bool) -> Played {
        let mut played = Played { digest: super::digest(b""), ..Played::default() };
        let keep = keep && reply.ending == Ending::Proper && reply.framing != Framing::Unframed;
        match self.send(reply, date, keep, digests, &mut played).await {
            Ok(()) => played.reusable = keep,
            // A client may leave at `[DONE]`, before the last chunk's terminator: it has everything.
            Err(Gone) => {
                let had_all = played.sent > 0 && played.sent == reply.body_len();
                played.closed_early = !(had_all && matches!(reply.ending, Ending::Proper | Ending::Fin));
            }
        }
        played
    }

    async fn send(
        &mut self,
        reply: &Reply,
        date: &str,
        keep: bool,
        digests: bool,
        played: &mut Played,
    ) -> Result<(), Gone> {
        if !reply.before_head.is_zero() {
            self.pause(reply.before_head).await?;
        }
        self.out.clear();
        write_head(&mut self.out, reply, date, keep);
        let chunked = reply.framing == Framing::Chunked;
        for step in &reply.steps {
            let (bytes, size) = match step {
                Step::Send(bytes) => (bytes, bytes.len()),
                Step::Torn { bytes, size } => (bytes, *size),
                Step::Flush => {
                    self.flush().await?;
                    tokio::task::yield_now().await;
                    continue;
                }
                Step::Wait(time) => {
                    self.pause(*time).await?;
                    continue;
                }
            };
            if chunked && size > 0 {
                push_hex(&mut self.out, size);
            }
            self.out.extend_from_slice(bytes);
            if chunked && size > 0 && size == bytes.len() {
                self.out.extend_from_slice(b"\r\n");
            }
            if self.out.len() >= GATHER {
                self.flush().await?;
            }
            played.sent += bytes.len() as u64;
            if digests {
                played.digest = digest_more(played.digest, bytes);
            }
        }
        self.end(reply).await
    }

    async fn end(&mut self, reply: &Reply) -> Result<(), Gone> {
        match &reply.ending {
            Ending::Proper => {
                if reply.framing == Framing::Chunked {
                    self.out.extend_from_slice(b"0\r\n\r\n");
                }
                self.flush().await
            }
            Ending::Fin => {
                self.flush().await?;
                self.close().await;
                Ok(())
            }
            Ending::Reset => {
                self.flush().await?;
                // A lingering time of zero makes the close that follows a reset (socket(7)).
                let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                Ok(())
            }
            Ending::Silence => loop {
                self.pause(Duration::from_secs(3600)).await?;
            },
            Ending::Drip { bytes, every } => loop {
                self.pause(*every).await?;
                if reply.framing == Framing::Chunked {
                    push_hex(&mut self.out, bytes.len());
                }
                self.out.extend_from_slice(bytes);
                if reply.framing == Framing::Chunked {
                    self.out.extend_from_slice(b"\r\n");
                }
            },
        }
    }

    /// Ends the connection by FIN. Unread bytes would turn it into a reset, so they are read first.
    pub(super) async fn close(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut rubbish = [0u8; 16 * 1024];
        let drain = async {
            let mut left = 64usize << 20;
            while let Ok(count @ 1..) = self.stream.read(&mut rubbish).await {
                left = left.saturating_sub(count);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = timeout(Duration::from_secs(2), drain).await;
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if !self.out.is_empty() {
            let written = self.stream.write_all(&self.out).await;
            self.out.clear();
            written.map_err(|_| Gone)?;
        }
        self.listen()
    }

    /// Sends all so far, then waits while watching whether the client leaves.
    async fn pause(&mut self, time: Duration) -> Result<(), Gone> {
        self.flush().await?;
        let sleep = tokio::time::sleep(time);
        tokio::pin!(sleep);
        loop {
            if self.inbox.len() >= MAX_AHEAD {
                sleep.await;
                return Ok(());
            }
            tokio::select! {
                () = &mut sleep => return Ok(()),
                ready = self.stream.readable() => ready.map_err(|_| Gone)?,
            }
            self.listen()?;
        }
    }

    /// Takes in what has arrived, without waiting.
    fn listen(&mut self) -> Result<(), Gone> {
        while self.inbox.len() < MAX_AHEAD {
            match self.stream.try_read_buf(&mut self.inbox) {
                Ok(0) => return Err(Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}

fn push_hex(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
}

/// The headers that OpenRouter's edge adds to everything.
const EDGE: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Generation-Id,\
                    X-Provider-Name,cf-ray\r\nReferrer-Policy: no-referrer, strict-origin-when-cross-origin\r\n\
                    X-Content-Type-Options: nosniff\r\nServer: cloudflare\r\nCf-Ray: 0000000000000000-SIM\r\n\r\n";

fn write_head(out: &mut Vec<u8>, reply: &Reply, date: &str, keep: bool) {
    let (status, content_type, headers) = match &reply.head {
        Head::Answer { status, content_type, headers } => (*status, *content_type, headers),
        Head::Raw(bytes) => return out.extend_from_slice(bytes),
        Head::Never => return,
    };
    let mut text =
        format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n", reason(status));
    match reply.framing {
        Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        Framing::Length { beyond } => {
            let length = reply.body_len() + beyond;
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        Framing::Unframed => {}
    }
    // A broken ending must come as a surprise: only an honest reply may announce the close.
    let announce = !keep && reply.ending == Ending::Proper;
    text.push_str(if announce { "Connection: close\r\n" } else { "Connection: keep-alive\r\n" });
    if content_type == "text/event-stream" {
        text.push_str("Cache-Control: no-cache\r\n");
    }
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str(EDGE);
    out.extend_from_slice(text.as_bytes());
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

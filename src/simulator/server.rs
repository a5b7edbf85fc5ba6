//! The HTTP/1.1 server: threads, listeners, connections. Decides nothing about answers.
//!
//! Never holds a lock across an await.

use super::generate::Turn;
use super::http::{BodyFrame, Dechunker, Request, Unreadable, read_head};
use super::play::Wire;
use super::record::{Ended, Seen};
use super::router;
use super::state::Shared;
use crate::domain::time::Timestamp;
use bytes::{Buf, Bytes};
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long a connection may be silent before or inside a request.
const PATIENCE: Duration = Duration::from_secs(120);

/// Binds `count` listeners to one address; more than one share its port (SO_REUSEPORT).
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut listeners: Vec<std::net::TcpListener> = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        let at = match listeners.first() {
            Some(first) => first.local_addr()?,
            None => address,
        };
        let domain = socket2::Domain::for_address(at);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if count > 1 {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(4096)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

/// Serves one listener on the calling thread until `stop` changes or its sender is gone.
pub(super) fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        log::error!("the simulator's thread has no runtime");
        return;
    };
    runtime.block_on(async {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        tokio::spawn(connection(stream, Arc::clone(&shared)));
                    }
                    // Out of descriptors: wait for some to be freed instead of spinning.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    });
}

/// Counts something down when it ends, however it ends.
struct Counted<'a>(&'a std::sync::atomic::AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a std::sync::atomic::AtomicUsize) -> Counted<'a> {
        counter.fetch_add(1, Ordering::Relaxed);
        Counted(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _open = Counted::new(&shared.connections);
    let number = shared.connection();
    let mut wire = Wire::new(stream);
    let mut date = Date::default();
    loop {
        let request = match read(&mut wire).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                let body = json!({"error": {"message": error.to_string(), "code": error.status()}});
                let mut reply = super::reply::Reply::json(error.status(), &body);
                reply.ending = super::reply::Ending::Fin;
                wire.play(&reply, date.at(shared.clock.now()), false, false).await;
                return;
            }
        };
        if !answer(&mut wire, &shared, number, &request, &mut date).await {
            return;
        }
    }
}

/// Answers one request; whether the connection can take another.
async fn answer(
    wire: &mut Wire,
    shared: &Arc<Shared>,
    connection: u64,
    request: &Request,
    date: &mut Date,
) -> bool {
    let _busy = Counted::new(&shared.in_flight);
    let (now, began) = (shared.clock.now(), shared.elapsed());
    let seen = Seen { request, at: now, since_start: began, connection };
    let controls = request.path.starts_with(super::control_http::BASE);
    let number = if controls { 0 } else { shared.record().add(shared.keep, seen) };
    let Turn { reply, key, generation } = router::respond(shared, request);
    let played = wire.play(&reply, date.at(now), request.keep_alive, shared.keep > 0).await;
    if controls {
        return played.reusable;
    }
    let since_start = shared.elapsed();
    let ended = Ended {
        status: reply.status(),
        sent: played.sent,
        digest: played.digest,
        closed_early: played.closed_early,
        since_start,
    };
    shared.record().end(number, connection, began, ended);
    let mut state = shared.state();
    if let Some(counts) = key.as_deref().and_then(|key| state.key(key)) {
        *counts.by_status.entry(reply.status()).or_default() += 1;
    }
    if let Some(mut generation) = generation {
        generation.cancelled = played.closed_early && generation.streamed;
        generation.took_ms = u64::try_from(since_start.saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        state.remember(generation);
    }
    played.reusable
}

/// Reads one request; `None` when the client is gone.
async fn read(wire: &mut Wire) -> Result<Option<Request>, Unreadable> {
    let opened = loop {
        if !wire.inbox.is_empty()
            && let Some(opened) = read_head(&wire.inbox)?
        {
            break opened;
        }
        if !wire.more(PATIENCE).await {
            return Ok(None);
        }
    };
    wire.inbox.advance(opened.head_len);
    let mut request = opened.request;
    if opened.expects_continue && wire.go_on().await.is_err() {
        return Ok(None);
    }
    match opened.body {
        BodyFrame::Length(length) => {
            while wire.inbox.len() < length {
                wire.inbox.reserve(length - wire.inbox.len());
                if !wire.more(PATIENCE).await {
                    return Ok(None);
                }
            }
            // Copied, so that a kept body does not hold the connection's whole buffer.
            request.body = Bytes::copy_from_slice(wire.inbox.get(..length).unwrap_or_default());
            wire.inbox.advance(length);
        }
        BodyFrame::Chunked => {
            let mut dechunker = Dechunker::default();
            loop {
                let (used, whole) = dechunker.take(&wire.inbox)?;
                wire.inbox.advance(used);
                if whole {
                    break;
                }
                if !wire.more(PATIENCE).await {
                    return Ok(None);
                }
            }
            request.body = dechunker.into_body();
        }
    }
    Ok(Some(request))
}

/// The `Date` header, written anew only when the second changes.
#[derive(Default)]
struct Date {
    second: i64,
    text: String,
}

impl Date {
    fn at(&mut self, now: Timestamp) -> &str {
        let format = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        if self.second != now.seconds() || self.text.is_empty() {
            self.second = now.seconds();
            let moment = time::OffsetDateTime::from_unix_timestamp(self.second).ok();
            self.text = moment.and_then(|moment| moment.format(format).ok()).unwrap_or_default();
        }
        &self.text
    }
}

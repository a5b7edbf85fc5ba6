//! How both planes listen: sockets tuned for streams and for clients that do not read, and deadlines for
//! whatever a client may take its time with.
//!
//! Knows no route and no state of a plane.

mod connection;
mod https;
mod pace;
mod server;
pub mod tls;
mod wording;

pub use pace::Deadlines;
pub use server::{Options, serve};
pub use wording::{Fault, Wording};

use actix_web::rt::net::TcpStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

/// The kernel holds at most this much for a client that reads slowly; the default would let one
/// non-reader pull megabytes (stack facts B4).
const SEND_BUFFER: usize = 128 * 1024;

/// Tunes the socket of a new client connection: small writes go out at once, dead peers are noticed, and
/// a client that acknowledges nothing for as long as `unread` is cut off (stack facts B3).
fn tune(stream: &TcpStream, unread: Duration) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // None of these can fail on a connected TCP socket of this system, and none is needed to work.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_tcp_user_timeout(Some(unread));
    let _ = socket.set_tcp_keepalive(&keepalive);
}

/// Lets the process open as many files and sockets as its hard limit allows; the usual soft limit of 1,024
/// is less than the requests that may be in flight.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Binds the first address of `host` that can be bound. Port 0 takes any free one.
///
/// # Errors
/// When the name does not resolve, or none of its addresses can be bound.
pub fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host name has no address");
    for address in (host, port).to_socket_addrs()? {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

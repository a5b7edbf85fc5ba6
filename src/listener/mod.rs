//! How both planes listen: sockets tuned for streams and for clients that do not read.
//!
//! Knows no route and no state; `app` hands it to each server.

pub mod https;
pub mod tls;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

/// The kernel holds at most this much for a client that reads slowly; the default would let one
/// non-reader pull megabytes (stack facts B4).
const SEND_BUFFER: usize = 128 * 1024;
/// A client that acknowledges nothing for this long is cut off (B3).
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Tunes the socket of a new client connection, under TLS the one below it. For `HttpServer::on_connect`,
/// before `bind`.
pub fn tune(connection: &dyn Any, _: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // None of these can fail on a connected TCP socket of this system, and none is needed to work.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT));
    let _ = socket.set_tcp_keepalive(&keepalive);
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

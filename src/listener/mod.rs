//! How both planes listen: sockets tuned for streams and for clients that do not read.
//!
//! Knows no route and no state; `app` hands it to each server.

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use std::any::Any;
use std::time::Duration;

/// The kernel holds at most this much for a client that reads slowly; the default would let one
/// non-reader pull megabytes (stack facts B4).
const SEND_BUFFER: usize = 128 * 1024;
/// A client that acknowledges nothing for this long is cut off (B3).
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Tunes the socket of a new client connection. For `HttpServer::on_connect`, before `bind`.
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

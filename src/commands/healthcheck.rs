//! `healthcheck`: asks the running server whether it is alive. For containers, which have no curl.

use super::CommandError;
use crate::config::Settings;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Succeeds when `GET /health` of the data plane answers 200.
pub fn run(settings: &Settings) -> Result<(), CommandError> {
    let (host, port) = (&settings.server.host, settings.server.port);
    let host = if host.is_unspecified() { "localhost" } else { host.as_str() };
    let refused = |why: String| CommandError::Refused(format!("the server at {host}:{port} {why}"));
    let mut last = "has no address".to_owned();
    for address in (host, port).to_socket_addrs()? {
        match ask(address) {
            Ok(head) if head.starts_with(b"HTTP/1.1 200") => return Ok(()),
            Ok(_) => return Err(refused("is not well".to_owned())),
            Err(error) => last = format!("does not answer: {error}"),
        }
    }
    Err(refused(last))
}

fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head)?;
    Ok(head)
}

//! `healthcheck`: asks the running server whether it is alive. For containers, which have no curl.

use super::CommandError;
use crate::config::Settings;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use std::io::{self, Read, Write};
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
        match ask(address, settings.server.tls.is_some()) {
            Ok(head) if head.starts_with(b"HTTP/1.1 200") => return Ok(()),
            Ok(_) => return Err(refused("is not well".to_owned())),
            Err(error) => last = format!("does not answer: {error}"),
        }
    }
    Err(refused(last))
}

fn ask(address: SocketAddr, https: bool) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    if https { exchange(secured(stream)?) } else { exchange(stream) }
}

/// The certificate is not verified: it names the host that clients know, not the address that is asked
/// here, and its file may be newer than what runs. Nothing is sent that anybody may not read, and all that
/// is believed is whether somebody answers.
fn secured(stream: TcpStream) -> io::Result<impl Read + Write> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::NONE);
    let client = builder.build().configure()?.verify_hostname(false).use_server_name_indication(false);
    client.connect("localhost", stream).map_err(|error| io::Error::other(error.to_string()))
}

fn exchange(mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head)?;
    Ok(head)
}

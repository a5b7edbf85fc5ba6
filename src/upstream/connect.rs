//! Connections to the upstream: sockets tuned for streams, TLS with the system's CA certificates.

use super::fault::TransportFault;
use super::links::Carrier;
use actix_service::{Service, ServiceExt};
use actix_tls::connect::{Connection, Connector as TcpConnector, Resolver};
use actix_web::http::Uri;
use futures_util::future::LocalBoxFuture;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use socket2::{SockRef, TcpKeepalive};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;

const TLS_TIMEOUT: Duration = Duration::from_secs(5);
/// The kernel holds at most this much (it takes twice the figure) of an answer that the client does
/// not read; left alone it would grow to megabytes for each (stack facts A12, B4).
const RECEIVE_BUFFER: usize = 64 * 1024;

/// No CA certificates were found on this machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "no CA certificates were found, so no https upstream can be trusted; \
     install the package ca-certificates, or set SSL_CERT_FILE or SSL_CERT_DIR"
)]
pub struct NoCertificates;

/// TLS 1.2 or later, HTTP/1.1 only, host names checked, the system's CA certificates.
///
/// The vendored OpenSSL knows only its own empty folder, hence the probe (stack facts A14).
pub(super) fn tls() -> Result<SslConnector, NoCertificates> {
    let found = openssl_probe::probe();
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|_| NoCertificates)?;
    let mut any = false;
    if let Some(file) = &found.cert_file {
        any |= builder.set_ca_file(file).is_ok();
    }
    for dir in &found.cert_dir {
        let filled = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        any |= filled && builder.load_verify_locations(None, Some(dir)).is_ok();
    }
    if !any {
        return Err(NoCertificates);
    }
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(|_| NoCertificates)?;
    builder.set_alpn_protos(b"\x08http/1.1").map_err(|_| NoCertificates)?;
    Ok(builder.build())
}

/// Makes connections to one upstream.
pub(super) type Connect = Rc<dyn Fn() -> LocalBoxFuture<'static, Result<Box<dyn Carrier>, TransportFault>>>;

/// Connections to the host of `uri`, for this thread.
pub(super) fn connector(uri: Uri, tls: Option<SslConnector>, connect_timeout: Duration) -> Connect {
    let tcp = TcpConnector::new(Resolver::default()).service().map(tuned::<Uri>);
    let mut connector = awc::Connector::new()
        .connector(tcp)
        .timeout(connect_timeout)
        .handshake_timeout(TLS_TIMEOUT)
        // Our own admission limit bounds what is in flight; awc's would starve streams (A4).
        .limit(0);
    if let Some(tls) = tls {
        connector = connector.openssl(tls);
    }
    let service = Rc::new(connector.finish());
    Rc::new(move || {
        let (service, uri) = (Rc::clone(&service), uri.clone());
        Box::pin(async move {
            let connection = service.call(awc::Connect { uri, addr: None }).await?;
            Ok(Box::new(connection) as Box<dyn Carrier>)
        })
    })
}

/// Small writes go out at once, dead peers are noticed (stack facts A12).
fn tuned<R>(connection: Connection<R, TcpStream>) -> Connection<R, TcpStream> {
    let socket = SockRef::from(connection.io_ref());
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // None of these can fail on a connected TCP socket of this system, and none is needed to work.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(30)));
    connection
}

//! The data plane's server when it speaks HTTPS: what `HttpServer` is for plain HTTP.
//!
//! It differs in three ways, which `HttpServer::listen_openssl` does not allow: each connection takes the
//! certificate of the moment, HTTP/2 is never spoken, and plain HTTP gets an answer that says what to do.

use super::tls::Tls;
use super::tune;
use crate::domain::ids::RequestId;
use actix_http::HttpService;
use actix_http::body::MessageBody;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Response, Server};
use actix_web::rt::net::TcpStream;
use openssl::ssl::Ssl;
use serde_json::json;
use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_openssl::SslStream;

/// A handshake that is not done by then is cut off, like the head of a request (DESIGN section 8).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client of plain HTTP still sends is read this long, so that it gets to read our answer.
const LINGER: Duration = Duration::from_secs(2);
/// And no more of it than this, in bytes.
const MOST_LINGERING: u64 = 1024 * 1024;

/// How the server treats its connections.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads that serve clients, at least 1.
    pub workers: usize,
    /// How long running requests may take to end.
    pub shutdown_timeout: Duration,
    /// The first head of a connection must have come by then.
    pub head_timeout: Duration,
    /// Idle connections are kept this long.
    pub keep_alive: Duration,
}

/// Serves what `factory` makes, one of it on each worker.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve<F, I, S, B>(
    factory: F,
    socket: TcpListener,
    tls: &Arc<Tls>,
    options: Options,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, actix_http::Request>,
    S: ServiceFactory<actix_http::Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let address = socket.local_addr()?;
    let builder = Server::build()
        .workers(options.workers)
        .shutdown_timeout(options.shutdown_timeout.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let tls = Arc::clone(tls);
    let service = move || {
        let (tls, stopping) = (Arc::clone(&tls), stopping.clone());
        let app = factory().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            // Idle connections end at once when the server is told to stop. `HttpServer` does the same.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(options.keep_alive)
            .client_request_timeout(options.head_timeout)
            .client_disconnect_timeout(Duration::from_secs(1))
            // Otherwise a client that goes away is not noticed (stack facts B1).
            .h1_allow_half_closed(false)
            .secure()
            .local_addr(address)
            .on_connect_ext(|stream: &SslStream<TcpStream>, data: &mut _| tune(stream.get_ref(), data))
            .h1(map_config(app, |()| AppConfig::default()))
            .map_err(|error| log::debug!("a connection ended badly: {error}"));
        fn_service(move |stream| accept(stream, Arc::clone(&tls))).and_then(http)
    };
    Ok(builder.listen("https", socket, service)?.run())
}

/// A connection on which TLS has been agreed. Errors: there is nothing left to do for it.
async fn accept(stream: TcpStream, tls: Arc<Tls>) -> Result<(SslStream<TcpStream>, Option<SocketAddr>), ()> {
    let peer = stream.peer_addr().ok();
    match timeout(HANDSHAKE_TIMEOUT, shake_hands(stream, &tls)).await {
        Ok(Ok(stream)) => return Ok((stream, peer)),
        Ok(Err(error)) => log::debug!("no TLS handshake with {peer:?}: {error}"),
        Err(_) => log::debug!("no TLS handshake with {peer:?} in time"),
    }
    Err(())
}

async fn shake_hands(stream: TcpStream, tls: &Tls) -> io::Result<SslStream<TcpStream>> {
    // Small writes go out at once.
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A TLS record begins with its type, 22; a method of HTTP with a capital letter.
    if first[0].is_ascii_uppercase() {
        send_to_https(stream, tls).await?;
        return Err(io::Error::other("it speaks plain HTTP"));
    }
    let mut stream = SslStream::new(Ssl::new(&tls.context())?, stream)?;
    Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
    Ok(stream)
}

/// Tells a client of plain HTTP what to do. What it sends is thrown away unread: it may hold a credential.
async fn send_to_https(mut stream: TcpStream, tls: &Tls) -> io::Result<()> {
    let error = json!({"error": {
        "message": "this port speaks HTTPS: begin the URL with https:// instead of http://",
        "type": "invalid_request_error",
        "param": null,
        "code": "https_required",
    }});
    let body = error.to_string();
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-request-id: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        RequestId::new(tls.clock().now()),
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with something unread would reset the connection, and the answer with it.
    let (mut rest, mut nowhere) = (stream.take(MOST_LINGERING), tokio::io::sink());
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
    Ok(())
}

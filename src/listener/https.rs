//! HTTPS: TLS is agreed before HTTP begins, with the certificate of the moment.
//!
//! A client of plain HTTP gets an answer that says what to do. Never reads what that client sends.

use super::tls::Tls;
use super::wording::{Fault, Wording};
use actix_web::rt::net::TcpStream;
use openssl::ssl::Ssl;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_openssl::SslStream;

/// What a client of plain HTTP still sends is read this long, so that it gets to read our answer.
const LINGER: Duration = Duration::from_secs(2);
/// And no more of it than this, in bytes.
const MOST_LINGERING: u64 = 1024 * 1024;

/// A connection on which TLS has been agreed within `patience`. Errors: there is nothing left to do
/// for it.
pub(super) async fn accept(
    stream: TcpStream,
    tls: &Tls,
    patience: Duration,
    wording: Wording,
) -> Result<SslStream<TcpStream>, ()> {
    let peer = stream.peer_addr().ok();
    match timeout(patience, shake_hands(stream, tls, wording)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => log::debug!("no TLS handshake with {peer:?}: {error}"),
        Err(_) => log::debug!("no TLS handshake with {peer:?} in time"),
    }
    Err(())
}

async fn shake_hands(stream: TcpStream, tls: &Tls, wording: Wording) -> io::Result<SslStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A TLS record begins with its type, 22; a method of HTTP with a capital letter.
    if first[0].is_ascii_uppercase() {
        send_to_https(stream, tls, wording).await?;
        return Err(io::Error::other("it speaks plain HTTP"));
    }
    let mut stream = SslStream::new(Ssl::new(&tls.context())?, stream)?;
    Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
    Ok(stream)
}

/// Tells a client of plain HTTP what to do. What it sends is thrown away unread: it may hold a credential.
async fn send_to_https(mut stream: TcpStream, tls: &Tls, wording: Wording) -> io::Result<()> {
    stream.write_all(&Fault::HTTPS_REQUIRED.answer(wording, tls.clock().now())).await?;
    stream.shutdown().await?;
    // Closing with something unread would reset the connection, and the answer with it.
    let (mut rest, mut nowhere) = (stream.take(MOST_LINGERING), tokio::io::sink());
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
    Ok(())
}

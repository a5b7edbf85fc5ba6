//! A connection to the upstream that is read in small sips.
//!
//! awc doubles its buffer whenever one read fills it, and keeps it as long as the answer lasts: without
//! this, a client that hardly reads would cost another 24 KiB. Changes no byte.

use actix_web::rt::net::{ActixStream, Ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most bytes of one read; awc's buffer holds four times as much.
const SIP: usize = 8 * 1024;

/// The connection.
#[derive(Debug)]
pub(super) struct Sips(pub TcpStream);

impl AsyncRead for Sips {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() <= SIP {
            return Pin::new(&mut self.0).poll_read(context, buffer);
        }
        let mut sip = ReadBuf::new(buffer.initialize_unfilled_to(SIP));
        let read = Pin::new(&mut self.0).poll_read(context, &mut sip);
        let count = sip.filled().len();
        buffer.advance(count);
        read
    }
}

impl AsyncWrite for Sips {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl ActixStream for Sips {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.0, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.0, context)
    }
}

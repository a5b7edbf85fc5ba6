//! One client connection: its bytes, plain or under TLS, with its deadlines kept and its errors worded.
//!
//! What is overdue ends as if the client had closed, so the server closes in order. Never reads a
//! byte that the server did not ask for.

use super::pace::{Deadlines, Pace};
use super::wording::{Fault, Wording, bare_error};
use crate::domain::time::Clock;
use actix_web::rt::net::TcpStream;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_openssl::SslStream;

/// What carries the bytes.
#[derive(Debug)]
pub enum Transport {
    /// Plain HTTP.
    Plain(TcpStream),
    /// HTTPS.
    Tls(SslStream<TcpStream>),
}

/// A connection of a client.
pub struct Connection {
    transport: Transport,
    pace: Rc<Pace>,
    timer: Pin<Box<Sleep>>,
    clock: Clock,
    wording: Wording,
    /// What goes out in place of the answer that the server is writing.
    instead: Option<Bytes>,
}

impl Connection {
    /// Over `transport`, from now on.
    pub fn new(transport: Transport, deadlines: Deadlines, clock: Clock, wording: Wording) -> Connection {
        let pace = Pace::new(deadlines);
        let timer = Box::pin(sleep_until(Instant::now() + pace.look_again()));
        Connection { transport, pace, timer, clock, wording, instead: None }
    }

    /// Its pace, for whoever serves its requests.
    pub fn pace(&self) -> &Rc<Pace> {
        &self.pace
    }

    /// Whether it is to be closed now; if not, the task is woken when it may be.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        let due = self.pace.due();
        if let Some(due) = due.filter(|due| *due < self.timer.deadline()) {
            self.timer.as_mut().reset(due);
        }
        // The time is only asked when the timer says so.
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                return true;
            }
            self.timer.as_mut().reset(due.unwrap_or(now + self.pace.look_again()));
        }
        false
    }

    fn transport(self: Pin<&mut Self>) -> Pin<&mut Transport> {
        Pin::new(&mut self.get_mut().transport)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.as_mut().transport().poll_read(context, buffer) {
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    self.pace.received(Instant::now());
                }
                Poll::Ready(read)
            }
            // No bytes and no error: to the server, the client has closed.
            Poll::Pending if self.is_overdue(context) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none()
            && let Some((at, status)) = bare_error(bytes)
        {
            if at > 0 {
                let before = bytes.get(..at).unwrap_or_default();
                return self.transport().poll_write(context, before);
            }
            self.instead = Some(Fault::of(status).answer(self.wording, self.clock.now()));
        }
        while let Some(mut rest) = self.instead.take_if(|rest| !rest.is_empty()) {
            let written = self.as_mut().transport().poll_write(context, &rest);
            if let Poll::Ready(Ok(count)) = written {
                rest.advance(count);
            }
            self.instead = Some(rest);
            if ready!(written)? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        if self.instead.take().is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.as_mut().transport().poll_write(context, bytes);
        if let Poll::Ready(Ok(1..)) = written {
            self.pace.sent(Instant::now());
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_shutdown(context)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

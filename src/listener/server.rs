//! The server of both planes: what `HttpServer` is, with every connection's pace kept.
//!
//! It differs in what `HttpServer` does not allow: deadlines for every head, errors in our own words
//! below every route, a certificate of the moment for each connection, HTTP/2 never spoken.

use super::connection::{Connection, Transport};
use super::pace::{Deadlines, Pace, Serving};
use super::tls::Tls;
use super::wording::Wording;
use super::{https, tune};
use crate::domain::time::Clock;
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{HttpService, Method, Request};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::dev::{AppConfig, Response, Server};
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The most connections on each worker, idle ones included: with one worker, all requests that
/// `server.max_in_flight` lets in by default and ten times as many idle connections.
const MOST_CONNECTIONS: usize = 25_600;
/// So much of an answer is gathered before it must be written, in bytes: with one more portion of a stream
/// it fits the 8 KiB that actix allots to every connection. Its own figure costs four times as much for each
/// client that reads slowly.
const WRITE_BUFFER: usize = 4 * 1024;
/// A connection that is being closed gets this long for its last bytes.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// How a server treats its connections.
#[derive(Clone)]
pub struct Options {
    /// Threads that serve clients, at least 1.
    pub workers: usize,
    /// How long running requests may take to end.
    pub shutdown_timeout: Duration,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// The certificate of HTTPS; `None`: plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// How faults below every route are put into words.
    pub wording: Wording,
    /// The time, for request ids.
    pub clock: Clock,
}

/// Serves what `factory` makes, one of it on each worker.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve<F, I, S, B>(factory: F, socket: TcpListener, options: Options) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let address = socket.local_addr()?;
    let builder = Server::build()
        .workers(options.workers)
        .max_concurrent_connections(MOST_CONNECTIONS)
        .shutdown_timeout(options.shutdown_timeout.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let secure = options.tls.is_some();
    let service = move || {
        let (stopping, options) = (stopping.clone(), options.clone());
        let mut http = HttpService::build()
            // Idle connections end at once when the server is told to stop. `HttpServer` does the same.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(options.deadlines.idle)
            .client_request_timeout(options.deadlines.head)
            .client_disconnect_timeout(CLOSING_TIME)
            // Otherwise a client that goes away is not noticed (stack facts B1).
            .h1_allow_half_closed(false)
            .h1_write_buffer_size(WRITE_BUFFER)
            .local_addr(address)
            .on_connect_ext(|connection: &Connection, data: &mut _| {
                let data: &mut actix_http::Extensions = data;
                data.insert(Rc::clone(connection.pace()));
            });
        if secure {
            http = http.secure();
        }
        let app = factory().into_factory().map_err(|error| error.into().error_response());
        let app = apply_fn_factory(app, |request: Request, app: &_| answer(request, app));
        let http = http
            .h1(map_config(app, |()| AppConfig::default()))
            .map_err(|error| log::debug!("a connection ended badly: {error}"));
        fn_service(move |stream| accept(stream, options.clone())).and_then(http)
    };
    Ok(builder.listen(if secure { "https" } else { "http" }, socket, service)?.run())
}

/// A connection that is ready for HTTP. Errors: there is nothing left to do for it.
async fn accept(stream: TcpStream, options: Options) -> Result<(Connection, Option<SocketAddr>), ()> {
    let peer = stream.peer_addr().ok();
    tune(&stream, options.deadlines.unread);
    let transport = match &options.tls {
        None => Transport::Plain(stream),
        Some(tls) => {
            Transport::Tls(https::accept(stream, tls, options.deadlines.head, options.wording).await?)
        }
    };
    Ok((Connection::new(transport, options.deadlines, options.clock, options.wording), peer))
}

/// Has `app` answer, and notes from its head to the last byte of its answer that a request is served. What
/// answers a GET answers a HEAD, without the body (RFC 9110, 9.3.2).
fn answer<A, B>(
    mut request: Request,
    app: &A,
) -> impl Future<Output = Result<Response<Answer>, A::Error>> + use<A, B>
where
    A: Service<Request>,
    A::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let asks_for_head = request.method() == Method::HEAD;
    if asks_for_head {
        request.head_mut().method = Method::GET;
    }
    let serving = request.conn_data::<Rc<Pace>>().map(Pace::serve);
    let answered = app.call(request);
    async move {
        let response: Response<B> = answered.await?.into();
        Ok(response.map_body(|_, body| {
            let body = if asks_for_head { BoxBody::new(Unsent(body.size())) } else { body.boxed() };
            Answer { body, _serving: serving }
        }))
    }
}

/// The body of an answer; until it is dropped, its request is being served.
struct Answer {
    body: BoxBody,
    _serving: Option<Serving>,
}

impl MessageBody for Answer {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// In place of a body that is not sent: only how long it would have been.
struct Unsent(BodySize);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

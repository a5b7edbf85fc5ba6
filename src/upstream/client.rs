//! One attempt upstream: send a request with a key, hand back the answer's head and its bytes.
//!
//! A [`Connection`] is shared by all threads and makes a [`Client`] for each. Every wait has a
//! deadline here, because awc has none that fit (stack facts A3). Never follows a redirect, never
//! decompresses, never retries with another key.

use super::connect::{NoCertificates, awc_client, tls};
use super::fault::TransportFault;
use crate::domain::secret::Secret;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::LocalBoxStream;
use openssl::ssl::SslConnector;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

const USER_AGENT: &str = concat!("openrouter-proxy/", env!("CARGO_PKG_VERSION"));

/// How to reach the upstream; shared by all threads.
#[derive(Clone)]
pub struct Connection {
    base: String,
    attribution: Vec<(HeaderName, HeaderValue)>,
    connect_timeout: Duration,
    tls: Option<SslConnector>,
}

/// What cannot be used as an upstream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// See [`NoCertificates`].
    #[error(transparent)]
    NoCertificates(#[from] NoCertificates),
    /// The base URL is not an http or https URL with a host.
    #[error("not a usable base url; write it like https://openrouter.ai/api/v1")]
    BadUrl,
    /// A header value that HTTP cannot carry.
    #[error("{0} holds characters that an http header cannot carry")]
    BadHeader(&'static str),
}

impl Connection {
    /// `base` is the base URL with its path, without a slash at the end. `referer` and `title`
    /// name this application to OpenRouter (`openrouter-api.md` section 1) unless a client names itself.
    pub fn new(
        base: &str,
        connect_timeout: Duration,
        referer: Option<&str>,
        title: Option<&str>,
    ) -> Result<Connection, ConnectionError> {
        let uri: Uri = base.parse().map_err(|_| ConnectionError::BadUrl)?;
        if uri.host().is_none() {
            return Err(ConnectionError::BadUrl);
        }
        let tls = match uri.scheme_str() {
            Some("https") => Some(tls()?),
            Some("http") => None,
            _ => return Err(ConnectionError::BadUrl),
        };
        let mut attribution = Vec::new();
        if let Some(referer) = referer {
            let value = HeaderValue::from_str(referer)
                .map_err(|_| ConnectionError::BadHeader("openrouter.http_referer"))?;
            attribution.push((HeaderName::from_static("http-referer"), value));
        }
        if let Some(title) = title {
            let value = HeaderValue::from_bytes(title.as_bytes())
                .map_err(|_| ConnectionError::BadHeader("openrouter.x_title"))?;
            attribution.push((HeaderName::from_static("x-title"), value));
        }
        Ok(Connection { base: base.trim_end_matches('/').to_owned(), attribution, connect_timeout, tls })
    }

    /// A client for the thread that calls this.
    pub fn client(&self) -> Client {
        Client {
            connection: self.clone(),
            kept: Rc::new(RefCell::new(self.awc_client(true))),
            fresh: self.awc_client(false),
        }
    }

    fn awc_client(&self, reuse: bool) -> awc::Client {
        awc_client(self.tls.clone(), self.connect_timeout, reuse)
    }
}

/// One request as it goes out.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path below the base URL, e.g. `/chat/completions`.
    pub path: &'static str,
    /// The client's query string, without `?`; empty for none.
    pub query: String,
    /// The client's headers that may cross.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body in slices; empty for none.
    pub body: Vec<Bytes>,
    /// How long the head of the answer may take, from now.
    pub head_timeout: Duration,
}

impl Call {
    /// A `GET` without a body.
    pub fn get(path: &'static str, head_timeout: Duration) -> Call {
        Call {
            method: Method::GET,
            path,
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            head_timeout,
        }
    }
}

/// The head of an answer, and its bytes to come.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers, all of them: what may cross is the caller's to choose.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

/// Over which connection an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// One kept from an earlier attempt, if there is one.
    Kept,
    /// A new one.
    Fresh,
}

/// Sends attempts from one thread.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
    kept: Rc<RefCell<awc::Client>>,
    fresh: awc::Client,
}

impl Client {
    /// Sends `call`, with `key` as bearer if there is one, and waits for the head of the answer.
    ///
    /// awc never retries, and a kept connection may turn out dead just then: the caller that gets
    /// [`TransportFault::NoHead`] from [`Via::Kept`] may send again [`Via::Fresh`] (stack facts A5).
    /// Errors: no answer, for the reason given.
    pub async fn send(&self, call: &Call, key: Option<&Secret>, via: Via) -> Result<Answer, TransportFault> {
        let deadline = Instant::now() + call.head_timeout;
        let client = match via {
            Via::Kept => self.kept.borrow().clone(),
            Via::Fresh => self.fresh.clone(),
        };
        let mut url = format!("{}{}", self.connection.base, call.path);
        if !call.query.is_empty() {
            url.push('?');
            url.push_str(&call.query);
        }
        let mut request = client.request(call.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in self.connection.attribution.iter().chain(&call.headers) {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(key) = key {
            let mut value = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", key.expose())))
                .map_err(|_| TransportFault::Connect)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let sending = if call.body.is_empty() {
            request.send()
        } else {
            request.content_type("application/json").send_body(Slices::new(&call.body))
        };
        let response = timeout_at(deadline, sending).await.map_err(|_| TransportFault::HeadTimeout)??;
        if via == Via::Kept && has_no_end(&response) {
            // awc takes such a body for empty and keeps its connection (A2): the bytes that still come
            // would be read as the head of somebody else's answer. No connection of before is kept.
            self.kept.replace(self.connection.awc_client(true));
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: AnswerBody::new(response.map(|chunk| chunk.map_err(|_| TransportFault::Cut)).boxed_local()),
        })
    }
}

/// Whether only the end of the connection ends the answer's body (RFC 9112, 6.3, case 8).
fn has_no_end<S>(response: &awc::ClientResponse<S>) -> bool {
    let status = response.status();
    let may_have_a_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    let headers = response.headers();
    may_have_a_body
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// The bytes of an answer as they come. Dropping it closes the connection at once (A6).
///
/// Its end proves nothing: awc reports a cut body as a clean end (A1), so whoever reads must know
/// by the content whether it was whole.
pub struct AnswerBody(LocalBoxStream<'static, Result<Bytes, TransportFault>>);

impl AnswerBody {
    fn new(stream: LocalBoxStream<'static, Result<Bytes, TransportFault>>) -> AnswerBody {
        AnswerBody(stream)
    }

    /// The next bytes, or `None` at the end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportFault>>> {
        self.0.poll_next_unpin(context)
    }

    /// The next bytes, waiting at most until `deadline` and for at most `idle`.
    pub async fn chunk(
        &mut self,
        idle: Duration,
        deadline: Instant,
    ) -> Result<Option<Bytes>, TransportFault> {
        let idle_end = Instant::now() + idle;
        match timeout_at(idle_end.min(deadline), self.0.next()).await {
            Ok(next) => next.transpose(),
            Err(_) if idle_end < deadline => Err(TransportFault::Idle),
            Err(_) => Err(TransportFault::Deadline),
        }
    }

    /// All of it, up to `limit` bytes; what a `declared` Content-Length promised must be there.
    pub async fn whole(
        mut self,
        declared: Option<u64>,
        limit: usize,
        idle: Duration,
        deadline: Instant,
    ) -> Result<Bytes, TransportFault> {
        let Some(first) = self.chunk(idle, deadline).await? else {
            return if declared.unwrap_or(0) == 0 { Ok(Bytes::new()) } else { Err(TransportFault::Cut) };
        };
        let mut rest = BytesMut::new();
        while let Some(chunk) = self.chunk(idle, deadline).await? {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            if rest.len() + chunk.len() > limit {
                return Err(TransportFault::TooLarge);
            }
            rest.extend_from_slice(&chunk);
        }
        let whole = if rest.is_empty() { first } else { rest.freeze() };
        match declared {
            Some(length) if length != whole.len() as u64 => Err(TransportFault::Cut),
            _ => Ok(whole),
        }
    }
}

impl Answer {
    /// The `Content-Length`, if it states one.
    pub fn declared_length(&self) -> Option<u64> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

/// A body in slices, sent one after another without being copied into one.
struct Slices {
    left: VecDeque<Bytes>,
    length: u64,
}

impl Slices {
    fn new(slices: &[Bytes]) -> Slices {
        let length = slices.iter().map(|slice| slice.len() as u64).sum();
        Slices { left: slices.iter().cloned().collect(), length }
    }
}

impl MessageBody for Slices {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.left.pop_front().map(Ok))
    }
}

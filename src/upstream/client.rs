//! One attempt upstream: send a request with a key, hand back the answer's head and its bytes.
//!
//! A [`Connection`] is shared by all threads and makes a [`Client`] for each. Every wait has a
//! deadline here, because awc has none that fit (stack facts A3). Never follows a redirect, never
//! decompresses, never retries with another key.

use super::answer::Answer;
use super::connect::{NoCertificates, connector, tls};
use super::exchange::exchange;
use super::fault::TransportFault;
use super::head::Heads;
use super::links::Links;
use crate::domain::secret::Secret;
use actix_http::ServiceConfig;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use bytes::Bytes;
use openssl::ssl::SslConnector;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How to reach the upstream; shared by all threads.
#[derive(Clone)]
pub struct Connection {
    uri: Uri,
    heads: Heads,
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
        let heads = Heads::new(&uri, attribution).ok_or(ConnectionError::BadUrl)?;
        Ok(Connection { uri, heads, connect_timeout, tls })
    }

    /// A client for the thread that calls this.
    pub fn client(&self) -> Client {
        let connect = connector(self.uri.clone(), self.tls.clone(), self.connect_timeout);
        Client { connection: self.clone(), links: Links::new(connect), config: Rc::default() }
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
    links: Links,
    config: Rc<OnceCell<ServiceConfig>>,
}

impl Client {
    /// Sends `call`, with `key` as bearer if there is one, and waits for the head of the answer.
    ///
    /// A kept connection may turn out dead just then: the caller that gets [`TransportFault::NoHead`]
    /// from [`Via::Kept`] may send again [`Via::Fresh`] (stack facts A5).
    /// Errors: no answer, for the reason given.
    pub async fn send(&self, call: &Call, key: Option<&Secret>, via: Via) -> Result<Answer, TransportFault> {
        let deadline = Instant::now() + call.head_timeout;
        let length = call.body.iter().map(Bytes::len).sum();
        let head = self.connection.heads.head(call, length, key).ok_or(TransportFault::Connect)?;
        let answered = async {
            let kept = if via == Via::Kept { self.links.kept() } else { None };
            let link = match kept {
                Some(link) => link,
                None => self.links.fresh().await?,
            };
            let config = self.config.get_or_init(ServiceConfig::default);
            exchange(link, head, &call.body, config, &self.links).await
        };
        timeout_at(deadline, answered).await.map_err(|_| TransportFault::HeadTimeout)?
    }
}

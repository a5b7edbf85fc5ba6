//! Looks at the upstream that cost no quota: lists, keys, generations. Small, and asked again at once
//! where a kept connection turned out dead. Decides nothing about what comes.

use super::client::{Call, Client, Via};
use super::fault::TransportFault;
use crate::domain::secret::Secret;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// What to look at, and how much of it.
#[derive(Debug, Clone)]
pub struct Look {
    /// Path below the base URL.
    pub path: &'static str,
    /// Query string, without `?`; empty for none.
    pub query: String,
    /// The most bytes of an answer.
    pub limit: usize,
    /// How long all of it may take.
    pub timeout: Duration,
}

impl Client {
    /// Looks, with `key` as bearer if there is one. Returns the status, and the whole body if that is
    /// 200, else nothing of it.
    ///
    /// # Errors
    /// No answer, or not a whole one within `limit` and `timeout`.
    pub async fn look(&self, look: Look, key: Option<&Secret>) -> Result<(u16, Bytes), TransportFault> {
        let Look { path, query, limit, timeout } = look;
        let deadline = Instant::now() + timeout;
        let call = Call { query, ..Call::get(path, timeout) };
        let answer = match self.send(&call, key, Via::Kept).await {
            Err(TransportFault::NoHead) => self.send(&call, key, Via::Fresh).await?,
            other => other?,
        };
        if answer.status != 200 {
            return Ok((answer.status, Bytes::new()));
        }
        let declared = answer.declared_length();
        Ok((200, answer.body.whole(declared, limit, timeout, deadline).await?))
    }
}

//! What can go wrong below HTTP. Never a key's fault: connections are shared by all keys
//! (stack facts A13).

use awc::error::ConnectError;
use std::fmt;

/// Why an attempt got no answer, or only part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportFault {
    /// No connection: refused, unreachable, name not found.
    Connect,
    /// Nothing answered within the connect timeout.
    ConnectTimeout,
    /// The TLS handshake failed: wrong host, unknown CA, expired certificate.
    Tls,
    /// The connection closed or was reset before the head of the answer.
    NoHead,
    /// The head did not come within its deadline.
    HeadTimeout,
    /// What came is not HTTP.
    NotHttp,
    /// The answer broke off.
    Cut,
    /// What came, with a status of success, is no answer: nothing, a web page, JSON of another kind.
    NoAnswer,
    /// Nothing came between two chunks for longer than the idle timeout.
    Idle,
    /// The answer as a whole took longer than its deadline.
    Deadline,
    /// The answer is larger than we hold.
    TooLarge,
}

impl TransportFault {
    /// Whether the upstream was too slow, rather than gone: a 504 rather than a 502.
    pub fn is_timeout(self) -> bool {
        matches!(
            self,
            TransportFault::ConnectTimeout
                | TransportFault::HeadTimeout
                | TransportFault::Idle
                | TransportFault::Deadline
        )
    }

    /// Whether it is certain that the request never reached the upstream.
    pub fn was_never_sent(self) -> bool {
        matches!(self, TransportFault::Connect | TransportFault::ConnectTimeout | TransportFault::Tls)
    }

    /// The word in rows and logs.
    pub fn word(self) -> &'static str {
        match self {
            TransportFault::Connect => "connect_failed",
            TransportFault::ConnectTimeout => "connect_timeout",
            TransportFault::Tls => "tls_failed",
            TransportFault::NoHead => "connection_lost",
            TransportFault::HeadTimeout => "first_byte_timeout",
            TransportFault::NotHttp => "not_http",
            TransportFault::Cut => "upstream_truncated",
            TransportFault::NoAnswer => "no_answer",
            TransportFault::Idle => "idle_timeout",
            TransportFault::Deadline => "request_timeout",
            TransportFault::TooLarge => "answer_too_large",
        }
    }
}

impl fmt::Display for TransportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportFault::Connect => "the upstream could not be reached",
            TransportFault::ConnectTimeout => "the upstream did not accept a connection in time",
            TransportFault::Tls => "no secure connection to the upstream could be made",
            TransportFault::NoHead => "the upstream closed the connection without an answer",
            TransportFault::HeadTimeout => "the upstream did not answer in time",
            TransportFault::NotHttp => "the upstream's answer is not HTTP",
            TransportFault::Cut => "the upstream's answer broke off",
            TransportFault::NoAnswer => {
                "the upstream reported success but sent no answer: nothing, a web page, or JSON of another kind"
            }
            TransportFault::Idle => "the upstream fell silent",
            TransportFault::Deadline => "the upstream took too long",
            TransportFault::TooLarge => "the upstream's answer is too large",
        })
    }
}

impl std::error::Error for TransportFault {}

impl From<ConnectError> for TransportFault {
    fn from(error: ConnectError) -> TransportFault {
        match error {
            ConnectError::Timeout => TransportFault::ConnectTimeout,
            ConnectError::SslError(_) | ConnectError::SslIsNotSupported => TransportFault::Tls,
            _ => TransportFault::Connect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TransportFault::{self, *};

    #[test]
    fn every_fault_has_its_words_on_the_pages() {
        let pages = [include_str!("../../static/i18n/en.js"), include_str!("../../static/i18n/zh.js")];
        let all: [TransportFault; 11] = [
            Connect,
            ConnectTimeout,
            Tls,
            NoHead,
            HeadTimeout,
            NotHttp,
            Cut,
            NoAnswer,
            Idle,
            Deadline,
            TooLarge,
        ];
        for word in all.map(TransportFault::word) {
            assert!(pages.iter().all(|page| page.contains(&format!("\"cause.{word}\": "))), "{word}");
        }
    }
}

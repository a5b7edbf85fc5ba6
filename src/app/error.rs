//! Why the program does not start, or does not go on.

use crate::config::EXIT_CODE;
use crate::listener::tls::TlsFaults;
use crate::shape::alias::AliasFault;
use crate::store::StoreError;
use crate::upstream::client::ConnectionError;
use crate::usage::journal::JournalError;
use std::io;

/// Why the program does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The journal of usage rows cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The upstream cannot be used.
    #[error("openrouter.base_url: {0}")]
    Connection(#[from] ConnectionError),
    /// The certificate of the data plane, or its key, cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFaults),
    /// Aliases that cannot be used.
    #[error("proxy.model_aliases: {}", list(.0))]
    Aliases(Vec<AliasFault>),
    /// A port cannot be bound.
    #[error("{key}: cannot listen on {address}: {source}; choose another port or end what uses it")]
    Bind {
        /// Where.
        address: String,
        /// The setting that names it.
        key: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A server could not be started.
    #[error("a server could not be started: {0}")]
    Io(io::Error),
    /// No random numbers were to be had for the first password.
    #[error("no password could be generated: the system gave no random numbers")]
    NoRandomness,
    /// The metrics contradict one another.
    #[error("the metrics could not be set up: {0}; report this")]
    Metrics(prometheus::Error),
    /// An actor died.
    #[error("the {0} has died; the program ends so that it can be started again")]
    Died(&'static str),
}

impl StartError {
    /// The exit code: 78 for what the operator must set right, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Store(error) if error.is_configuration() => EXIT_CODE,
            StartError::Connection(_)
            | StartError::Journal(_)
            | StartError::Tls(_)
            | StartError::Aliases(_) => EXIT_CODE,
            _ => 1,
        }
    }
}

fn list(faults: &[AliasFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

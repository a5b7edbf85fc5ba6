//! What can be wrong with the files of a certificate: one line each, all of them at once.
//!
//! Names settings and files; never holds anything of a key.

use crate::domain::time::Timestamp;
use openssl::error::ErrorStack;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A file and the setting that names it. Displayed as `server.cert_path (/etc/proxy/cert.pem)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The setting.
    pub setting: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.setting, self.path.display())
    }
}

/// One thing that is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The file cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(Source, io::Error),
    /// There is nothing in the file.
    #[error("{0}: the file is empty")]
    Empty(Source),
    /// The file is larger than any certificate chain.
    #[error("{0}: the file is larger than {limit} KiB; name a PEM file", limit = super::pem::MOST_BYTES / 1024)]
    TooLarge(Source),
    /// The file holds no PEM block of the kind that is wanted.
    #[error("{from}: holds no {wanted} in PEM{hint}")]
    Missing {
        /// Where it was looked for.
        from: Source,
        /// What was looked for.
        wanted: &'static str,
        /// What may have gone wrong instead; empty, or begins with `; `.
        hint: &'static str,
    },
    /// A PEM block is there, but it cannot be understood.
    #[error("{from}: the {wanted} is damaged: {reason}")]
    Damaged {
        /// The file.
        from: Source,
        /// What it is to be.
        wanted: &'static str,
        /// What OpenSSL says.
        reason: String,
    },
    /// The private key wants a passphrase, and there is nobody to type it.
    #[error(
        "{0}: the private key is encrypted; write it without a passphrase: openssl pkey -in FILE -out NEW"
    )]
    Encrypted(Source),
    /// The certificate is over.
    #[error("{0}: the certificate ended at {at}; renew it", at = .1.rfc3339())]
    Expired(Source, Timestamp),
    /// The certificate has not begun.
    #[error("{0}: the certificate is not valid before {at}; wait, or set this machine's clock", at = .1.rfc3339())]
    NotYetValid(Source, Timestamp),
    /// Certificate and key are not a pair.
    #[error("{key}: the private key does not belong to the first certificate of {certificate}")]
    Mismatch {
        /// The file of the key.
        key: Source,
        /// The file of the certificate.
        certificate: Source,
    },
    /// OpenSSL does not take them, for example because the key is too short.
    #[error("{from}: cannot be used: {reason}")]
    Unusable {
        /// The file of the certificate.
        from: Source,
        /// What OpenSSL says.
        reason: String,
    },
}

/// What OpenSSL has to say, without its numbers and file names.
pub(super) fn reason(errors: &ErrorStack) -> String {
    let reasons: Vec<&str> = errors.errors().iter().filter_map(openssl::error::Error::reason).collect();
    if reasons.is_empty() { "OpenSSL gives no reason".to_owned() } else { reasons.join(", ") }
}

/// Everything that is wrong, one line each when displayed. Never empty.
#[derive(Debug)]
pub struct TlsFaults(pub Vec<TlsFault>);

impl fmt::Display for TlsFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for TlsFaults {}

//! TLS for clients: a certificate and its key, checked before use and exchanged while running.
//!
//! TLS 1.2 and later, HTTP/1.1 only: the relay is tuned for it. A connection keeps the certificate it
//! began with; a new one that is at fault never replaces one that works.

mod fault;
mod pem;
#[cfg(test)]
mod tests;

pub use fault::{Source, TlsFault, TlsFaults};

use crate::domain::time::{Clock, Timestamp};
use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslContext, SslMethod, SslSessionCacheMode, SslVersion, select_next_proto,
};
use pem::Pair;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A certificate that ends within this time is warned of.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Read permission for everybody on this machine.
const READABLE_BY_OTHERS: u32 = 0o004;
/// What we agree to speak, as ALPN writes it (RFC 7301, 3.1).
const HTTP_1_1: &[u8] = b"\x08http/1.1";

/// The certificate of the data plane, as it is now.
pub struct Tls {
    certificate: Source,
    key: Source,
    clock: Clock,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    context: SslContext,
    ends: Timestamp,
    /// When the first of the chain ends, if there is a chain.
    chain_ends: Option<Timestamp>,
}

impl Tls {
    /// Reads and checks the files that `server.cert_path` and `server.key_path` name.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn open(cert_path: PathBuf, key_path: PathBuf, clock: Clock) -> Result<Tls, TlsFaults> {
        let certificate = Source { setting: "server.cert_path", path: cert_path };
        let key = Source { setting: "server.key_path", path: key_path };
        let current = ArcSwap::from_pointee(load(&certificate, &key, &clock)?);
        Ok(Tls { certificate, key, clock, current })
    }

    /// Reads both files again. Connections that are open go on as they began.
    ///
    /// # Errors
    /// Everything that is wrong with the new files; the old certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsFaults> {
        let loaded = load(&self.certificate, &self.key, &self.clock)?;
        self.current.store(loaded.into());
        Ok(())
    }

    /// What the next connection is to use.
    pub fn context(&self) -> SslContext {
        self.current.load().context.clone()
    }

    /// The clock by which certificates hold or not.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the operator should know although nothing is broken yet, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let (now, current) = (self.clock.now(), self.current.load());
        let own = ending("the certificate", current.ends, now);
        let chain = current.chain_ends.and_then(|ends| ending("an intermediate certificate", ends, now));
        let endings = own.into_iter().chain(chain);
        let mut warnings: Vec<String> = endings.map(|text| format!("{}: {text}", self.certificate)).collect();
        let mode = std::fs::metadata(&self.key.path).map_or(0, |file| file.permissions().mode());
        if mode & READABLE_BY_OTHERS != 0 {
            warnings
                .push(format!("{}: everybody on this machine can read the private key; chmod 600", self.key));
        }
        warnings
    }
}

fn ending(what: &str, ends: Timestamp, now: Timestamp) -> Option<String> {
    let at = ends.rfc3339();
    if now >= ends {
        Some(format!("{what} ended at {at}; renew it"))
    } else if ends.since(now) <= SOON {
        Some(format!("{what} ends soon, at {at}; renew it"))
    } else {
        None
    }
}

fn load(certificate: &Source, key: &Source, clock: &Clock) -> Result<Loaded, TlsFaults> {
    let pair = pem::read(certificate, key, clock.now()).map_err(TlsFaults)?;
    let context = context(&pair).map_err(|errors| {
        TlsFaults(vec![TlsFault::Unusable { from: certificate.clone(), reason: fault::reason(&errors) }])
    })?;
    Ok(Loaded { context, ends: pair.ends, chain_ends: pair.chain_ends })
}

/// Mozilla's intermediate configuration: what every client of the last ten years speaks, forward
/// secret throughout.
fn context(pair: &Pair) -> Result<SslContext, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    // Sessions are resumed by tickets, which the clients keep.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(HTTP_1_1, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    builder.set_certificate(&pair.leaf)?;
    for certificate in &pair.chain {
        builder.add_extra_chain_cert(certificate.clone())?;
    }
    builder.set_private_key(&pair.key)?;
    builder.check_private_key()?;
    Ok(builder.build().into_context())
}

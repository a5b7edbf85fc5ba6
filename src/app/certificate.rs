//! The data plane's certificate: read at the start, again at each SIGHUP, looked at once a day.
//!
//! A new certificate that is at fault is said and left aside; no connection is ever dropped for it.

use crate::config::server::Server;
use crate::domain::time::Clock;
use crate::listener::tls::{Tls, TlsFaults};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often it is looked whether the certificate is about to end.
const DAILY: Duration = Duration::from_secs(86_400);

/// The certificate, if the data plane speaks HTTPS.
pub(super) fn open(server: &Server, clock: &Clock) -> Result<Option<Arc<Tls>>, TlsFaults> {
    let Some(files) = &server.tls else { return Ok(None) };
    let tls = Tls::open(files.cert_path.clone(), files.key_path.clone(), clock.clone())?;
    warn(&tls);
    Ok(Some(Arc::new(tls)))
}

/// Whether a server could start with the certificate that is configured, if one is.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(server: &Server, clock: &Clock) -> Result<(), TlsFaults> {
    open(server, clock).map(|_| ())
}

/// Reads the files again at each SIGHUP from now on. Must run inside an actix system.
pub(super) fn watch(tls: Arc<Tls>) {
    match signal(SignalKind::hangup()) {
        Ok(hangups) => drop(actix_web::rt::spawn(attend(tls, hangups))),
        Err(error) => log::warn!("the certificate will not be read again at SIGHUP: {error}"),
    }
}

async fn attend(tls: Arc<Tls>, mut hangups: Signal) {
    loop {
        tokio::select! {
            hangup = hangups.recv() => {
                if hangup.is_none() {
                    return;
                }
                let tls = Arc::clone(&tls);
                // The files may lie on a slow disk.
                let _ = actix_web::web::block(move || reload(&tls)).await;
            }
            () = tokio::time::sleep(DAILY) => {}
        }
        warn(&tls);
    }
}

fn reload(tls: &Tls) {
    match tls.reload() {
        Ok(()) => log::info!("the certificate was read again; new connections use it"),
        Err(TlsFaults(faults)) => {
            for fault in faults {
                log::error!("{fault}; the old certificate stays in use");
            }
        }
    }
}

fn warn(tls: &Tls) {
    for warning in tls.warnings() {
        log::warn!("{warning}");
    }
}

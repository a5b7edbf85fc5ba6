//! Reads the two files of a certificate and checks them against each other and the time.
//!
//! Finds every fault, not only the first. Never asks anybody for a passphrase.

use super::fault::{Source, TlsFault, reason};
use crate::domain::time::Timestamp;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Ref};
use std::fs::File;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// The longest file that is read, in bytes: chains are a few KiB.
pub(super) const MOST_BYTES: u64 = 1024 * 1024;

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private key";

/// A certificate chain and its private key, which belong together and hold now.
pub(super) struct Pair {
    pub(super) key: PKey<Private>,
    /// The server's own certificate.
    pub(super) leaf: X509,
    /// Those between it and its root, in the order of the file.
    pub(super) chain: Vec<X509>,
    /// The first moment at which `leaf` no longer holds.
    pub(super) ends: Timestamp,
    /// The same of whichever in `chain` ends first.
    pub(super) chain_ends: Option<Timestamp>,
}

/// Reads and checks both files.
pub(super) fn read(certificate: &Source, key: &Source, now: Timestamp) -> Result<Pair, Vec<TlsFault>> {
    let certificates = bytes(certificate).and_then(|pem| certificates(certificate, &pem));
    let private = bytes(key).and_then(|pem| private_key(key, &pem));
    let mut faults = Vec::new();
    if let Ok((leaf, _)) = &certificates {
        faults.extend(outside_its_time(certificate, leaf, now));
    }
    match (certificates, private) {
        (Ok((leaf, chain)), Ok(private)) => {
            if !leaf.public_key().is_ok_and(|public| public.public_eq(&private)) {
                let (key, certificate) = (key.clone(), certificate.clone());
                faults.push(TlsFault::Mismatch { key, certificate });
            }
            if !faults.is_empty() {
                return Err(faults);
            }
            let ends = moment(leaf.not_after());
            let chain_ends = chain.iter().map(|each| moment(each.not_after())).min();
            Ok(Pair { key: private, leaf, chain, ends, chain_ends })
        }
        (certificates, private) => {
            faults.extend(certificates.err());
            faults.extend(private.err());
            Err(faults)
        }
    }
}

fn bytes(from: &Source) -> Result<Zeroizing<Vec<u8>>, TlsFault> {
    let unreadable = |error: io::Error| TlsFault::Unreadable(from.clone(), error);
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(&from.path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TlsFault::TooLarge(from.clone()));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(TlsFault::Empty(from.clone()));
    }
    Ok(bytes)
}

fn holds(pem: &[u8], label: &str) -> bool {
    memchr::memmem::find(pem, format!("-----BEGIN {label}-----").as_bytes()).is_some()
}

fn holds_key(pem: &[u8]) -> bool {
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]
        .iter()
        .any(|label| holds(pem, label))
}

fn holds_certificate(pem: &[u8]) -> bool {
    ["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"].iter().any(|label| holds(pem, label))
}

/// The first certificate, and those after it.
fn certificates(from: &Source, pem: &[u8]) -> Result<(X509, Vec<X509>), TlsFault> {
    if !holds_certificate(pem) {
        let hint = if holds_key(pem) { "; it holds a private key: is it the other file?" } else { "" };
        return Err(TlsFault::Missing { from: from.clone(), wanted: CERTIFICATE, hint });
    }
    let damaged = |errors: &ErrorStack| TlsFault::Damaged {
        from: from.clone(),
        wanted: CERTIFICATE,
        reason: reason(errors),
    };
    let mut all = X509::stack_from_pem(pem).map_err(|errors| damaged(&errors))?.into_iter();
    let leaf = all.next().ok_or_else(|| damaged(&ErrorStack::get()))?;
    Ok((leaf, all.collect()))
}

fn private_key(from: &Source, pem: &[u8]) -> Result<PKey<Private>, TlsFault> {
    if !holds_key(pem) {
        let hint =
            if holds_certificate(pem) { "; it holds a certificate: is it the other file?" } else { "" };
        return Err(TlsFault::Missing { from: from.clone(), wanted: PRIVATE_KEY, hint });
    }
    // Without a function to ask, OpenSSL would ask at the terminal.
    let mut asked = false;
    let key = PKey::private_key_from_pem_callback(pem, |_| {
        asked = true;
        Ok(0)
    });
    match key {
        Ok(key) => Ok(key),
        Err(_) if asked => Err(TlsFault::Encrypted(from.clone())),
        Err(errors) => {
            Err(TlsFault::Damaged { from: from.clone(), wanted: PRIVATE_KEY, reason: reason(&errors) })
        }
    }
}

fn outside_its_time(from: &Source, certificate: &X509Ref, now: Timestamp) -> Option<TlsFault> {
    let (begins, ends) = (moment(certificate.not_before()), moment(certificate.not_after()));
    if now >= ends {
        Some(TlsFault::Expired(from.clone(), ends))
    } else if now < begins {
        Some(TlsFault::NotYetValid(from.clone(), begins))
    } else {
        None
    }
}

/// A time of OpenSSL's in our words; one that it cannot read is taken for 1970, long over.
fn moment(time: &Asn1TimeRef) -> Timestamp {
    let since = Asn1Time::from_unix(0).and_then(|zero| zero.diff(time));
    let seconds = since.map_or(0, |since| i64::from(since.days) * 86_400 + i64::from(since.secs));
    Timestamp::from_millis(seconds * 1000)
}

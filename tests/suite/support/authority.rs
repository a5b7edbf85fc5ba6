//! An authority and the certificates that it signs, made for one test.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use std::fs;
use std::net::TcpStream;
use std::path::Path;

const DAY: i64 = 86_400;

/// An authority that clients trust.
pub struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

impl Authority {
    pub fn new() -> Authority {
        let key = new_key();
        let mut builder = unsigned("Test CA", &key, -DAY, DAY);
        let is_authority = BasicConstraints::new().critical().ca().build().expect("an extension");
        builder.append_extension(is_authority).expect("an extension");
        let name = named("Test CA");
        builder.set_issuer_name(&name).expect("an issuer");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        Authority { key, certificate: builder.build() }
    }

    /// A TLS connection over `stream` that trusts this authority.
    pub fn connect(&self, stream: TcpStream) -> SslStream<TcpStream> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        builder.cert_store_mut().add_cert(self.certificate.clone()).expect("an authority");
        builder.build().connect("localhost", stream).expect("a handshake")
    }

    /// Writes `cert.pem` and `key.pem` for this machine; the certificate's times are seconds from now.
    pub fn issue(&self, folder: &Path, begins: i64, ends: i64) {
        let (certificate, key) = self.vouch("localhost", begins, ends);
        fs::write(folder.join("cert.pem"), certificate).expect("a folder");
        fs::write(folder.join("key.pem"), key).expect("a folder");
    }

    /// Its own certificate.
    pub fn certificate(&self) -> X509 {
        self.certificate.clone()
    }

    /// The same as a PEM.
    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("a PEM")
    }

    /// A certificate for the host of this name, and its key, as PEMs.
    pub fn vouch(&self, name: &str, begins: i64, ends: i64) -> (Vec<u8>, Vec<u8>) {
        let key = new_key();
        let mut builder = unsigned(name, &key, begins, ends);
        builder.set_issuer_name(self.certificate.subject_name()).expect("an issuer");
        let mut names = SubjectAlternativeName::new();
        names.dns(name);
        if name == "localhost" {
            names.ip("127.0.0.1");
        }
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None)).expect("names");
        builder.append_extension(names).expect("an extension");
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        (builder.build().to_pem().expect("a PEM"), key.private_key_to_pem_pkcs8().expect("a PEM"))
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn named(name: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("a name");
    builder.append_entry_by_text("CN", name).expect("a name");
    builder.build()
}

fn unsigned(name: &str, key: &PKey<Private>, begins: i64, ends: i64) -> X509Builder {
    let now = openrouter_proxy::domain::time::Clock::system().now().seconds();
    let mut serial = BigNum::new().expect("a number");
    serial.rand(64, MsbOption::MAYBE_ZERO, false).expect("a number");
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&serial.to_asn1_integer().expect("a number")).expect("a serial number");
    builder.set_subject_name(&named(name)).expect("a subject");
    builder.set_pubkey(key).expect("a public key");
    builder.set_not_before(&Asn1Time::from_unix(now + begins).expect("a time")).expect("a begin");
    builder.set_not_after(&Asn1Time::from_unix(now + ends).expect("a time")).expect("an end");
    builder
}

use super::*;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::{X509, X509Name};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;

/// A folder with `cert.pem` and `key.pem`, which hold at `NOW` until the test spoils them.
struct Files {
    folder: TempDir,
    key: PKey<Private>,
    clock: Clock,
}

impl Files {
    fn new() -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        let key = ec_key();
        let files = Files { folder, key, clock: Clock::manual(Timestamp::from_millis(NOW * 1000)) };
        files.write("cert.pem", &pem(&certificate(&files.key, NOW - DAY, NOW + 90 * DAY)));
        files.write("key.pem", &files.key.private_key_to_pem_pkcs8().expect("a PEM"));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a writable folder");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("our own file");
    }

    fn open(&self) -> Result<Tls, TlsFaults> {
        Tls::open(self.path("cert.pem"), self.path("key.pem"), self.clock.clone())
    }

    /// The lines that a start would end with, without the folder's name.
    fn faults(&self) -> Vec<String> {
        let text = self.open().err().expect("a fault").to_string();
        let folder = format!("{}/", self.folder.path().display());
        text.lines().map(|line| line.replace(&folder, "")).collect()
    }
}

fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key")
}

/// A self-signed certificate that holds from `begins` to `ends`, in seconds since 1970.
fn certificate(key: &PKey<Private>, begins: i64, ends: i64) -> X509 {
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", "localhost").expect("a name");
    let name = name.build();
    let mut serial = BigNum::new().expect("a number");
    serial.rand(64, MsbOption::MAYBE_ZERO, false).expect("a number");
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&serial.to_asn1_integer().expect("a number")).expect("a serial number");
    builder.set_subject_name(&name).expect("a subject");
    builder.set_issuer_name(&name).expect("an issuer");
    builder.set_pubkey(key).expect("a public key");
    builder.set_not_before(&Asn1Time::from_unix(begins).expect("a time")).expect("a begin");
    builder.set_not_after(&Asn1Time::from_unix(ends).expect("a time")).expect("an end");
    builder.sign(key, MessageDigest::sha256()).expect("a signature");
    builder.build()
}

fn pem(certificate: &X509) -> Vec<u8> {
    certificate.to_pem().expect("a PEM")
}

#[test]
fn a_good_pair_is_taken_without_a_word() {
    let files = Files::new();
    assert_eq!(files.open().expect("a good pair").warnings(), Vec::<String>::new());
}

#[test]
fn every_form_of_key_is_taken() {
    let (ec, rsa) = (ec_key(), rsa_key(2048));
    let sec1 = ec.ec_key().expect("an EC key").private_key_to_pem().expect("a PEM");
    let pkcs1 = rsa.rsa().expect("an RSA key").private_key_to_pem().expect("a PEM");
    // As `openssl ecparam -genkey` writes it: the name of the curve first.
    let with_parameters =
        [b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".as_slice(), &sec1]
            .concat();
    let both = [pem(&certificate(&ec, NOW - DAY, NOW + DAY)), sec1.clone()].concat();
    for (key, text) in [(&ec, sec1), (&rsa, pkcs1), (&ec, with_parameters), (&ec, both)] {
        let files = Files::new();
        files.write("cert.pem", &pem(&certificate(key, NOW - DAY, NOW + DAY)));
        files.write("key.pem", &text);
        files.open().map(|_| ()).expect("a good key");
    }
}

#[test]
fn every_fault_has_its_line() {
    let good = ec_key();
    let pkcs8 = good.private_key_to_pem_pkcs8().expect("a PEM");
    let sealed = good.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").expect("a PEM");
    let old_style =
        rsa_key(2048).rsa().expect("an RSA key").private_key_to_pem_passphrase(Cipher::aes_128_cbc(), b"x");
    let der = certificate(&good, NOW - DAY, NOW + DAY).to_der().expect("DER");
    let cases: &[(&str, &[u8], &str)] = &[
        ("cert.pem", b" \n", "server.cert_path (cert.pem): the file is empty"),
        ("key.pem", b"", "server.key_path (key.pem): the file is empty"),
        ("cert.pem", b"hello", "server.cert_path (cert.pem): holds no certificate in PEM"),
        ("cert.pem", &der, "server.cert_path (cert.pem): holds no certificate in PEM"),
        (
            "cert.pem",
            &pkcs8,
            "server.cert_path (cert.pem): holds no certificate in PEM; it holds a private key: is it the other file?",
        ),
        ("key.pem", b"hello", "server.key_path (key.pem): holds no private key in PEM"),
        (
            "key.pem",
            b"-----BEGIN CERTIFICATE-----\n",
            "server.key_path (key.pem): holds no private key in PEM; it holds a certificate: is it the other file?",
        ),
        (
            "key.pem",
            &good.public_key_to_pem().expect("a PEM"),
            "server.key_path (key.pem): holds no private key in PEM",
        ),
        (
            "key.pem",
            &sealed,
            "server.key_path (key.pem): the private key is encrypted; write it without a passphrase: openssl pkey -in FILE -out NEW",
        ),
        (
            "key.pem",
            &old_style.expect("a PEM"),
            "server.key_path (key.pem): the private key is encrypted; write it without a passphrase: openssl pkey -in FILE -out NEW",
        ),
        (
            "key.pem",
            &pkcs8,
            "server.key_path (key.pem): the private key does not belong to the first certificate of server.cert_path (cert.pem)",
        ),
        (
            "key.pem",
            &vec![b'x'; 1024 * 1024 + 1],
            "server.key_path (key.pem): the file is larger than 1024 KiB; name a PEM file",
        ),
    ];
    for (name, bytes, line) in cases {
        let files = Files::new();
        files.write(name, bytes);
        assert_eq!(files.faults(), [*line]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let files = Files::new();
    fs::remove_file(files.path("cert.pem")).expect("our own file");
    fs::remove_file(files.path("key.pem")).expect("our own file");
    fs::create_dir(files.path("key.pem")).expect("a writable folder");
    assert_eq!(
        files.faults(),
        [
            "server.cert_path (cert.pem): cannot be read: No such file or directory (os error 2)",
            "server.key_path (key.pem): cannot be read: Is a directory (os error 21)",
        ]
    );
}

#[test]
fn a_damaged_block_is_told_from_a_missing_one() {
    let files = Files::new();
    let mut text = pem(&certificate(&files.key, NOW - DAY, NOW + DAY));
    text.truncate(text.len() / 2);
    files.write("cert.pem", &text);
    files.write("key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let faults = files.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("server.cert_path (cert.pem): the certificate is damaged: "), "{faults:?}");
    assert!(faults[1].starts_with("server.key_path (key.pem): the private key is damaged: "), "{faults:?}");
}

#[test]
fn a_certificate_holds_from_its_begin_until_its_end() {
    let line = |begins: i64, ends: i64| {
        let files = Files::new();
        files.write("cert.pem", &pem(&certificate(&files.key, begins, ends)));
        files.open().map(|_| ()).map_err(|_| files.faults().remove(0))
    };
    assert_eq!(line(NOW, NOW + 1), Ok(()));
    let ended = "server.cert_path (cert.pem): the certificate ended at 2026-09-21T14:13:20Z; renew it";
    assert_eq!(line(NOW - DAY, NOW), Err(ended.to_owned()));
    let not_begun = "server.cert_path (cert.pem): the certificate is not valid before 2026-09-21T14:13:21Z; \
                     wait, or set this machine's clock";
    assert_eq!(line(NOW + 1, NOW + DAY), Err(not_begun.to_owned()));
}

#[test]
fn all_faults_are_said_at_once() {
    let files = Files::new();
    files.write("cert.pem", &pem(&certificate(&files.key, NOW - 2 * DAY, NOW - DAY)));
    files.write("key.pem", &ec_key().private_key_to_pem_pkcs8().expect("a PEM"));
    assert_eq!(files.faults().len(), 2);
    files.write("key.pem", b"");
    assert_eq!(files.faults().len(), 2);
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    let files = Files::new();
    let short = rsa_key(1024);
    files.write("cert.pem", &pem(&certificate(&short, NOW - DAY, NOW + DAY)));
    files.write("key.pem", &short.private_key_to_pem_pkcs8().expect("a PEM"));
    assert_eq!(files.faults(), ["server.cert_path (cert.pem): cannot be used: ee key too small"]);
}

#[test]
fn the_end_is_announced_and_so_is_a_key_that_all_can_read() {
    let files = Files::new();
    let own = certificate(&files.key, NOW - DAY, NOW + 20 * DAY);
    let between = certificate(&ec_key(), NOW - DAY, NOW + 30 * DAY);
    files.write("cert.pem", &[pem(&own), pem(&between)].concat());
    let tls = files.open().expect("a good pair");
    assert_eq!(tls.warnings().len(), 0);
    files.clock.turn(Duration::from_secs(86_400 * 13 / 2));
    let warned = tls.warnings().concat();
    assert!(warned.ends_with("the certificate ends soon, at 2026-10-11T14:13:20Z; renew it"), "{warned}");
    files.clock.turn(Duration::from_secs(86_400 * 20));
    let warned = tls.warnings();
    assert!(warned[0].ends_with("the certificate ended at 2026-10-11T14:13:20Z; renew it"), "{warned:?}");
    assert!(warned[1].contains("an intermediate certificate ends soon"), "{warned:?}");
    fs::set_permissions(files.path("key.pem"), fs::Permissions::from_mode(0o644)).expect("our own file");
    assert!(tls.warnings()[2].ends_with("everybody on this machine can read the private key; chmod 600"));
}

#[test]
fn a_bad_new_certificate_never_replaces_a_good_one() {
    let serves = |tls: &Tls| tls.context().certificate().expect("a certificate").to_pem().expect("a PEM");
    let is = |tls: &Tls, path: &Path| serves(tls) == fs::read(path).expect("our own file");
    let files = Files::new();
    let (tls, path) = (files.open().expect("a good pair"), files.path("cert.pem"));
    let first = serves(&tls);
    let key = ec_key();
    files.write("cert.pem", &pem(&certificate(&key, NOW - DAY, NOW + DAY)));
    assert_eq!(tls.reload().expect_err("the key is still the old one").0.len(), 1);
    assert!(serves(&tls) == first && !is(&tls, &path));
    files.write("key.pem", &key.private_key_to_pem_pkcs8().expect("a PEM"));
    tls.reload().expect("a good pair");
    assert!(is(&tls, &path));
}

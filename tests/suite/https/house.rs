//! What the tests of HTTPS share: an authority and its certificates, the program as a process that speaks
//! HTTPS in front of a simulator, and a TLS client of OpenSSL.

use openrouter_proxy::simulator::{Options, Simulator};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream, SslVersion};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for anything that is going to happen on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

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

    /// Writes `cert.pem` and `key.pem` for this machine; the certificate's times are seconds from now.
    pub fn issue(&self, folder: &Path, begins: i64, ends: i64) {
        let key = new_key();
        let mut builder = unsigned("localhost", &key, begins, ends);
        builder.set_issuer_name(self.certificate.subject_name()).expect("an issuer");
        let mut names = SubjectAlternativeName::new();
        names.dns("localhost").ip("127.0.0.1");
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None)).expect("names");
        builder.append_extension(names).expect("an extension");
        builder.sign(&self.key, MessageDigest::sha256()).expect("a signature");
        fs::write(folder.join("cert.pem"), builder.build().to_pem().expect("a PEM")).expect("a folder");
        fs::write(folder.join("key.pem"), key.private_key_to_pem_pkcs8().expect("a PEM")).expect("a folder");
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

/// The program in a folder of its own, with no variables but those it needs.
pub fn program(folder: &Path, upstream: &str, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrouter-proxy"));
    command.current_dir(folder).env_clear().args(arguments);
    command.args(["--https", "--cert-path", "cert.pem", "--key-path", "key.pem"]);
    command.env("SERVER_HOST", "127.0.0.1").env("SERVER_PORT", port.to_string()).env("ADMIN_PORT", "0");
    command.env("OPENROUTER_API_URL", upstream).env("OPENROUTER_API_KEY", "sk-or-v1-sim-good-1");
    command.env("ACCESS_PASSWORD", "a password");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A proxy that speaks HTTPS, with its simulator. Dropping it kills it.
pub struct House {
    pub authority: Authority,
    pub folder: TempDir,
    pub simulator: Simulator,
    pub address: SocketAddr,
    child: Child,
    lines: Receiver<String>,
}

impl House {
    pub fn open() -> House {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
        authority.issue(folder.path(), -DAY, 90 * DAY);
        let simulator = Simulator::start(Options::default()).expect("a simulator");
        let mut child =
            program(folder.path(), &simulator.base_url(), 0, &["serve"]).spawn().expect("the program starts");
        let (tell, lines) = channel();
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        for pipe in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut house = House { authority, folder, simulator, address, child, lines };
        let line = house.line("clients connect to ");
        let address = line.split("https://").nth(1).and_then(|rest| rest.split('/').next());
        house.address = address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        house
    }

    /// Waits for a line with `words`, on either stream.
    pub fn line(&self, words: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {words:?} in {seen:#?}")
    }

    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().is_ok_and(|status| status.success()));
    }

    /// Waits for its end; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("its status").code()
    }

    /// Runs another command with the same files and port.
    pub fn run(&self, command: &str) -> Output {
        let mut command =
            program(self.folder.path(), &self.simulator.base_url(), self.address.port(), &[command]);
        command.output().expect("the program runs")
    }

    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// A TLS connection that trusts the authority; `change` comes last.
    pub fn try_tls(
        &self,
        change: impl FnOnce(&mut openssl::ssl::SslConnectorBuilder),
    ) -> Result<SslStream<TcpStream>, HandshakeError<TcpStream>> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        builder.cert_store_mut().add_cert(self.authority.certificate.clone()).expect("an authority");
        change(&mut builder);
        builder.build().connect("localhost", self.tcp())
    }

    pub fn tls(&self) -> SslStream<TcpStream> {
        self.try_tls(|_| {}).expect("a handshake")
    }

    /// A TLS connection of this version, whatever this machine thinks of it.
    pub fn of_version(&self, version: SslVersion) -> Result<SslStream<TcpStream>, HandshakeError<TcpStream>> {
        self.try_tls(|builder| {
            builder.set_security_level(0);
            builder.set_min_proto_version(Some(version)).expect("a version");
            builder.set_max_proto_version(Some(version)).expect("a version");
        })
    }

    /// What the server shows as its own certificate now.
    pub fn shown(&self) -> Vec<u8> {
        self.tls().ssl().peer_certificate().expect("a certificate").to_pem().expect("a PEM")
    }

    /// What lies in the folder as the certificate.
    pub fn lies(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("cert.pem")).expect("a certificate")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A chat request whose one message is `text`; the connection is to end with it.
pub fn chat(text: &str, stream: bool) -> String {
    let body = serde_json::json!({
        "model": "z-ai/glm-4.5-air:free",
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    })
    .to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a password\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads all that comes until the other side ends the connection in order.
pub fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("the other side takes bytes");
    the_rest(stream)
}

pub fn the_rest(mut stream: impl Read) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end in order");
    answer
}

/// Reads until `words` have come.
pub fn until(stream: &mut impl Read, words: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains(words) {
        let count = stream.read(&mut buffer).expect("more to come");
        assert!(count > 0, "no {words:?} in {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

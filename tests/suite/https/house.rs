//! What the tests of HTTPS share: the program with HTTPS in front of a simulator, and a TLS client of
//! OpenSSL.

use crate::support::{self, Authority, CHAT, PASSWORD, PATIENCE, Program, Running};
use openrouter_proxy::simulator::{Options, Simulator};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslStream, SslVersion};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const DAY: i64 = 86_400;

/// The program with HTTPS switched on, and its files where they will be.
pub fn program() -> Program {
    let files = [("SERVER_CERT_PATH", "cert.pem"), ("SERVER_KEY_PATH", "key.pem")];
    files
        .iter()
        .fold(Program::new().set("SERVER_HTTPS", "true"), |program, (name, file)| program.set(name, file))
}

/// A proxy that speaks HTTPS, with its simulator.
pub struct House {
    pub authority: Authority,
    pub simulator: Simulator,
    pub program: Program,
    pub running: Running,
    pub address: SocketAddr,
}

impl House {
    pub fn open() -> House {
        let simulator = Simulator::start(Options::default()).expect("a simulator");
        let program = program()
            .set("OPENROUTER_API_URL", &simulator.base_url())
            .set("OPENROUTER_API_KEY", &support::key("good", 1))
            .set("ACCESS_PASSWORD", PASSWORD);
        let authority = Authority::new();
        authority.issue(program.folder(), -DAY, 90 * DAY);
        let mut running = program.start(&["serve"]);
        assert!(running.line("clients connect to ").contains(" https://"));
        let address = running.address("clients connect to ");
        House { authority, simulator, program, running, address }
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
        builder.cert_store_mut().add_cert(self.authority.certificate()).expect("an authority");
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
        fs::read(self.program.folder().join("cert.pem")).expect("a certificate")
    }
}

/// A chat request whose one message is `text`; the connection is to end with it.
pub fn chat(text: &str, stream: bool) -> String {
    let body = support::chat(text, stream).to_string();
    let call = support::Call::post(CHAT, body).header("Connection", "close");
    call.head(call.body.len()) + &String::from_utf8_lossy(&call.body)
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

//! `server`: the data plane's port and its limits.

use super::host::Host;
use super::numbers::ByteSize;
use super::public_origin::PublicOrigin;
use super::reader::Reader;
use super::table::{Kind, Row};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

const HOST: Row = Row::new(
    "server.host",
    Kind::Text("an address or host name"),
    "0.0.0.0",
    "Address that clients connect to.",
)
.env(&["SERVER_HOST", "OPENAI_PROXY_HOST"])
.flag("host")
.also_flag("ip");

/// The data plane's port; the admin plane must not want the same one.
pub(super) const PORT: Row = Row::new(
    "server.port",
    Kind::Whole { min: 0, max: 65535 },
    "8000",
    "Port that clients connect to; 0 takes any free one.",
)
.env(&["PORT", "OPENAI_PROXY_PORT"])
.flag("port")
.short('p');

const WORKERS: Row = Row::unset(
    "server.workers",
    Kind::Whole { min: 1, max: 1024 },
    "one for each processor core",
    "Threads that serve clients.",
)
.env(&["WORKERS"])
.flag("workers");

const HTTPS: Row = Row::new(
    "server.https",
    Kind::Switch,
    "false",
    "Whether the data plane speaks HTTPS; it needs cert_path and key_path.",
)
.bare_flag("https", "true");

const CERT_PATH: Row = Row::unset(
    "server.cert_path",
    Kind::Path,
    "none",
    "Certificate chain of the data plane, in PEM; read again on SIGHUP.",
)
.flag("cert-path");

const KEY_PATH: Row = Row::unset(
    "server.key_path",
    Kind::Path,
    "none",
    "Private key of the certificate, in PEM; read again on SIGHUP.",
)
.flag("key-path");

const PUBLIC_ORIGIN: Row = Row::unset(
    "server.public_origin",
    Kind::Text("an origin such as https://api.example.com"),
    "the address that the browser opened the dashboard with, and this port",
    "Origin under which clients reach the data plane, as the dashboard shows and uses it.",
);

const TRUST_FORWARDED_FOR: Row = Row::unset(
    "server.trust_forwarded_for",
    Kind::Switch,
    "true for a plane whose public_origin is set, else false",
    "Whether the last X-Forwarded-For of a peer on this machine or a private network says who sends, where wrong credentials are counted.",
);

const DRAIN_DELAY: Row = Row::new(
    "server.drain_delay",
    Kind::Seconds { min: 0.0, max: 300.0 },
    "1",
    "How long it still serves as usual after SIGTERM or SIGINT while `GET /ready` says 503, so that load balancers see it, in seconds.",
);

const SHUTDOWN_TIMEOUT: Row = Row::new(
    "server.shutdown_timeout",
    Kind::Seconds { min: 0.0, max: 3600.0 },
    "60",
    "How long running requests may take to end after SIGTERM or SIGINT, the drain delay included, in seconds.",
);

const MAX_BODY_BYTES: Row = Row::new(
    "server.max_body_bytes",
    Kind::Bytes { min: 1024, max: 1 << 30 },
    "32 MiB",
    "Largest request body, in bytes or with a unit; larger ones get 413.",
);

const MAX_IN_FLIGHT: Row = Row::new(
    "server.max_in_flight",
    Kind::Whole { min: 1, max: 1_000_000 },
    "2048",
    "Most requests served at one time; more get 503.",
);

const MAX_BODY_MEMORY: Row = Row::new(
    "server.max_body_memory",
    Kind::Bytes { min: 1024, max: 1 << 40 },
    "256 MiB",
    "Most memory for the request bodies held at one time, in bytes or with a unit; what is beyond gets 503.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[
    HOST,
    PORT,
    WORKERS,
    HTTPS,
    CERT_PATH,
    KEY_PATH,
    PUBLIC_ORIGIN,
    TRUST_FORWARDED_FOR,
    DRAIN_DELAY,
    SHUTDOWN_TIMEOUT,
    MAX_BODY_BYTES,
    MAX_IN_FLIGHT,
    MAX_BODY_MEMORY,
];

/// The data plane's port and its limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it listens.
    pub host: Host,
    /// The port it listens on; 0: any free one.
    pub port: u16,
    /// Threads that serve clients, at least 1.
    pub workers: usize,
    /// With what it speaks HTTPS; `None`: it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The origin under which clients reach it, if it is not the address itself.
    pub public_origin: Option<PublicOrigin>,
    /// Whether a reverse proxy says who sends; `None`: where a public origin is set.
    pub trust_forwarded_for: Option<bool>,
    /// How long it serves as usual once the process was told to stop, not ready any more.
    pub drain_delay: Duration,
    /// How long running requests may take to end once the process was told to stop.
    pub shutdown_timeout: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most requests served at one time.
    pub max_in_flight: usize,
    /// The most bytes of request bodies held at one time; at least `max_body_bytes`.
    pub max_body_memory: usize,
}

/// The files of a certificate. Configuration does not open them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those between it and its root, in PEM.
    pub cert_path: PathBuf,
    /// Its private key, in PEM.
    pub key_path: PathBuf,
}

impl Tls {
    fn read(reader: &mut Reader<'_>) -> Option<Tls> {
        let https: bool = reader.get(&HTTPS);
        let cert_path: Option<PathBuf> = reader.optional(&CERT_PATH);
        let key_path: Option<PathBuf> = reader.optional(&KEY_PATH);
        if !https {
            if cert_path.is_some() || key_path.is_some() {
                reader.warn("a certificate is given but server.https is off: clients get plain HTTP");
            }
            return None;
        }
        for (row, path) in [(&CERT_PATH, &cert_path), (&KEY_PATH, &key_path)] {
            if path.is_none() && !reader.is_at_fault(row) {
                reader.fault(row, "HTTPS is on; give the path of a PEM file");
            }
        }
        Some(Tls { cert_path: cert_path?, key_path: key_path? })
    }
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Server {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut server = Server {
            host: reader.get(&HOST),
            port: reader.get(&PORT),
            workers: reader.optional(&WORKERS).unwrap_or_else(cores),
            tls: Tls::read(reader),
            public_origin: reader.optional(&PUBLIC_ORIGIN),
            trust_forwarded_for: reader.optional(&TRUST_FORWARDED_FOR),
            drain_delay: reader.get(&DRAIN_DELAY),
            shutdown_timeout: reader.get(&SHUTDOWN_TIMEOUT),
            max_body_bytes: bytes(reader, &MAX_BODY_BYTES),
            max_in_flight: reader.get(&MAX_IN_FLIGHT),
            max_body_memory: bytes(reader, &MAX_BODY_MEMORY),
        };
        if server.max_body_memory < server.max_body_bytes {
            reader.warn("server.max_body_memory is less than server.max_body_bytes: that much is allowed");
            server.max_body_memory = server.max_body_bytes;
        }
        server
    }
}

fn bytes(reader: &mut Reader<'_>, row: &'static Row) -> usize {
    usize::try_from(reader.get::<ByteSize>(row).0).unwrap_or(usize::MAX)
}

//! `server`: the data plane's port and its limits.

use super::host::Host;
use super::numbers::ByteSize;
use super::reader::Reader;
use super::table::{Kind, Row};
use std::num::NonZeroUsize;
use std::time::Duration;

const HOST: Row = Row::new(
    "server.host",
    Kind::Text("an address or host name"),
    "0.0.0.0",
    "Address that clients connect to.",
)
.flag("host");

/// The data plane's port; the admin plane must not want the same one.
pub(super) const PORT: Row = Row::new(
    "server.port",
    Kind::Whole { min: 0, max: 65535 },
    "8000",
    "Port that clients connect to; 0 takes any free one.",
)
.env(&["PORT"])
.flag("port");

const WORKERS: Row = Row::unset(
    "server.workers",
    Kind::Whole { min: 1, max: 1024 },
    "one for each processor core",
    "Threads that serve clients.",
)
.env(&["WORKERS"])
.flag("workers");

const SHUTDOWN_TIMEOUT: Row = Row::new(
    "server.shutdown_timeout",
    Kind::Seconds { min: 0.0, max: 3600.0 },
    "60",
    "How long running requests may take to end after SIGTERM or SIGINT, in seconds.",
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

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[HOST, PORT, WORKERS, SHUTDOWN_TIMEOUT, MAX_BODY_BYTES, MAX_IN_FLIGHT];

/// The data plane's port and its limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it listens.
    pub host: Host,
    /// The port it listens on; 0: any free one.
    pub port: u16,
    /// Threads that serve clients, at least 1.
    pub workers: usize,
    /// How long running requests may take to end once the process was told to stop.
    pub shutdown_timeout: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most requests served at one time.
    pub max_in_flight: usize,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Server {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Server {
            host: reader.get(&HOST),
            port: reader.get(&PORT),
            workers: reader.optional(&WORKERS).unwrap_or_else(cores),
            shutdown_timeout: reader.get(&SHUTDOWN_TIMEOUT),
            max_body_bytes: usize::try_from(reader.get::<ByteSize>(&MAX_BODY_BYTES).0).unwrap_or(usize::MAX),
            max_in_flight: reader.get(&MAX_IN_FLIGHT),
        }
    }
}

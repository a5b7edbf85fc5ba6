//! Usage rows through everything that may happen to the process, the database and the disk: an answer
//! that a client has whole is never without its row, and no request has two.

mod damage;
mod kills;
mod outage;

use crate::support::{CHAT, Call, PATIENCE, Program, good_keys};
use openrouter_proxy::config::usage::Durability;
use openrouter_proxy::domain::ids::RequestId;
use openrouter_proxy::domain::time::Timestamp;
use openrouter_proxy::domain::usage::UsageRow;
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use openrouter_proxy::usage::journal::{Journal, Options};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// A simulator, and the real program in front of it.
fn program() -> (Simulator, Program) {
    let options = SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).expect("a free port");
    let program = Program::new()
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("OPENROUTER_API_KEY", &good_keys(4).join("\n"))
        .set("ACCESS_PASSWORD", crate::support::PASSWORD)
        .set("ADMIN_PASSWORD", "admin-password")
        .set("PROXY_FREE_DAILY_LIMIT", "-1")
        .set("PROXY_FREE_MINUTE_LIMIT", "-1");
    (simulator, program)
}

/// What became of a request.
struct Said {
    /// Its status; 0 when no whole head came.
    status: u16,
    /// The id in its answer.
    id: String,
    /// Whether the client has all of the answer.
    whole: bool,
    /// All that came.
    text: String,
}

/// One request on a connection of its own, to a program that may be killed meanwhile.
fn ask(address: SocketAddr, body: &Value) -> Said {
    let mut bytes = Vec::new();
    let body = body.to_string();
    let call = Call::post(CHAT, body.clone()).header("Connection", "close");
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        if stream.write_all(format!("{}{body}", call.head(body.len())).as_bytes()).is_ok() {
            // What came before a reset is in there too.
            let _ = stream.read_to_end(&mut bytes);
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Said { status: 0, id: String::new(), whole: false, text };
    };
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let id = header("x-request-id").unwrap_or_default().to_owned();
    let whole = match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => body.contains("data: [DONE]\n\n"),
    };
    Said { status, id, whole, text }
}

/// Writes a journal as a process that was killed would leave it.
fn leave_rows(folder: &Path, count: i64) {
    let options =
        Options { folder: folder.join("journal"), most_bytes: 1 << 30, durability: Durability::Process };
    let journal = Journal::open(options).expect("a journal");
    for number in 0..count {
        let at = Timestamp::from_millis(1_790_000_000_000 + number);
        let row = UsageRow {
            model: crate::support::MODEL.to_owned(),
            status: 200,
            outcome: "completed".to_owned(),
            ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
        };
        drop(journal.append(&Arc::new(row)));
    }
}

/// The rows as the command prints them.
fn exported(program: &Program) -> Vec<Value> {
    let ended = program.run(&["usage", "export"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

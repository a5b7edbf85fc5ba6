//! Coming from one of three earlier proxies: their own files, command lines and habits, given to the
//! program as they are, with a simulator as the upstream.

mod cache_control;
mod key_pool;
mod provider_mapping;

use crate::support::{Answer, CHAT, Call, Program, Running, Wire, wait_until};
use openrouter_proxy::simulator::{self, Received, Simulator};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A paid model of a vendor that needs cache markers.
const CLAUDE: &str = "anthropic/claude-sonnet-4";

fn simulator() -> Simulator {
    let options = simulator::Options { enforce_limits: false, ..simulator::Options::default() };
    Simulator::start(options).expect("a free port")
}

/// A program as people run it, but for the upstream.
fn program(simulator: &Simulator) -> Program {
    Program::bare().set("OPENROUTER_API_URL", &simulator.base_url())
}

/// The program, serving; where clients connect to.
fn started(program: &Program, arguments: &[&str]) -> (Running, SocketAddr) {
    let mut running = program.start(arguments);
    let address = running.address("clients connect to");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    wait_until("the program to be ready", || ask(address, "GET", "/ready", None, None).status == 200);
    (running, address)
}

/// One request on a connection of its own; `bearer` is what the client sends as its key.
fn ask(address: SocketAddr, method: &str, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Answer {
    let mut call = Call::bare(method, path);
    if let Some(bearer) = bearer {
        call = call.header("Authorization", &format!("Bearer {bearer}"));
    }
    if let Some(body) = body {
        call = call.header("Content-Type", "application/json");
        call.body = body.to_string().into_bytes();
    }
    Wire::open(address).ask(&call)
}

fn chat(address: SocketAddr, bearer: Option<&str>, body: &Value) -> Answer {
    ask(address, "POST", CHAT, bearer, Some(body))
}

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
}

/// The last request that generated something, and its body.
fn sent(simulator: &Simulator) -> (Received, Value) {
    let mut received = simulator.control().received();
    received.retain(|request| request.method == "POST");
    let last = received.pop().expect("a request upstream");
    let body = serde_json::from_slice(&last.body).expect("JSON");
    (last, body)
}

/// The port that the examples name, or 0 when something else on this machine has it.
fn documented(port: u16) -> u16 {
    if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
        return port;
    }
    eprintln!("port {port} is taken on this machine: the example runs on another");
    0
}

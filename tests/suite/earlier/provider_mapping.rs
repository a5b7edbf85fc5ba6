//! The Rust proxy with provider mapping: its command line, and clients that bring their own key.

use super::{CLAUDE, ask, chat, documented, hello, simulator, started};
use crate::support::{Program, key};
use openrouter_proxy::simulator::Simulator;
use serde_json::{Value, json};

const MAPPING: [&str; 4] = [
    "--model-provider-mapping",
    "*anthropic/claude*=Anthropic,Google",
    "--model-provider-mapping",
    "gpt-4=OpenAI",
];

fn arguments<'a>(port: &'a str, base_url: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["--port", port];
    arguments.extend(MAPPING);
    arguments.extend(["--openrouter-base-url", base_url, "--pass-through"]);
    arguments
}

fn sent(simulator: &Simulator) -> Value {
    super::sent(simulator).1
}

#[test]
fn its_command_line_serves_clients_with_keys_of_their_own() {
    let simulator = simulator();
    let (port, base_url) = (documented(8080).to_string(), simulator.base_url());
    let program = Program::bare();
    let (mut running, address) = started(&program, &arguments(&port, &base_url));
    let own = key("good", 7);

    let answer = chat(address, Some(&own), &hello(CLAUDE));
    assert_eq!(answer.status, 200, "paid models too: {answer}");
    assert_eq!(simulator.control().key(&own).attempts, 1, "it went with the client's key");
    let body = sent(&simulator);
    assert_eq!(body["provider"], json!({"order": ["anthropic", "google-vertex"]}));
    // New: this vendor caches only what is marked. `--cache-control off` leaves messages alone.
    assert_eq!(body["messages"][0]["content"][0]["cache_control"]["type"], "ephemeral");

    let mut explicit = hello(CLAUDE);
    explicit["provider"] = json!({"order": ["OpenAI"]});
    assert_eq!(chat(address, Some(&own), &explicit).status, 200);
    assert_eq!(sent(&simulator)["provider"], json!({"order": ["OpenAI"]}), "a client's own order wins");
    assert_eq!(chat(address, Some(&own), &hello("openai/gpt-4o")).status, 200);
    assert_eq!(sent(&simulator).get("provider"), None, "gpt-4 means gpt-4 alone");

    let embedding = json!({"model": "openai/text-embedding-3-small", "input": "Hello!"});
    assert_eq!(ask(address, "POST", "/v1/embeddings", Some(&own), Some(&embedding)).status, 200);
    assert_eq!(ask(address, "GET", "/v1/models", Some(&own), None).status, 200);
    let mut streamed = hello(CLAUDE);
    streamed["stream"] = Value::Bool(true);
    let stream = chat(address, Some(&own), &streamed);
    assert!(!crate::support::text(&stream.body).is_empty(), "{stream}");

    assert_eq!(chat(address, Some("not-a-key"), &hello(CLAUDE)).status, 401);
    assert_eq!(chat(address, None, &hello(CLAUDE)).status, 401);

    // The client's key was never ours to keep, nor to show.
    running.signal("TERM");
    assert_eq!(running.ended(), 0);
    assert!(running.seen.iter().all(|line| !line.contains(&own)), "{:?}", running.seen);
    let rows = program.run(&["usage", "export"]).out;
    assert!(rows.contains("pass_through") && !rows.contains(&own), "{rows}");
    let list: Value = serde_json::from_str(&program.run(&["keys", "list", "--json"]).out).expect("JSON");
    assert_eq!(list["data"], json!([]), "not pooled");
    for name in ["openrouter_proxy.db", "openrouter_proxy.db-wal"] {
        let bytes = std::fs::read(program.folder().join(name)).unwrap_or_default();
        assert_eq!(memchr::memmem::find(&bytes, own.as_bytes()), None, "in {name}");
    }
}

#[test]
fn its_other_flags_are_known() {
    let shown = Program::bare().run(&["config", "show", "--ip", "127.0.0.1", "-p", "3000", "--verbose"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for line in ["server.host", "server.port", "log.level"] {
        let line = shown.out.lines().find(|shown| shown.starts_with(line)).expect("a line");
        assert!(line.contains("# flag"), "{line}");
    }
}

#[test]
fn https_without_its_files_is_one_clear_fault_each() {
    let bare = Program::bare().run(&["--https"]);
    assert_eq!(bare.code, 78, "{bare:?}");
    for setting in ["server.cert_path", "server.key_path"] {
        assert_eq!(bare.err.matches(setting).count(), 1, "{bare:?}");
    }
    let missing = Program::bare().run(&["--https", "--cert-path=./cert.pem", "--key-path=./key.pem"]);
    assert_eq!(missing.code, 78, "{missing:?}");
    assert!(missing.err.contains("cert.pem"), "{missing:?}");
    assert!(!missing.err.contains("panicked"), "{missing:?}");
}

#[test]
fn a_wrong_mapping_names_its_flag() {
    for mapping in ["gpt-4", "=OpenAI", "gpt-4=", "gpt-*4=OpenAI", "gpt-4=Op?nAI"] {
        let ended = Program::bare().run(&["config", "check", "--model-provider-mapping", mapping]);
        assert_eq!(ended.code, 78, "{mapping}: {ended:?}");
        assert!(ended.err.contains("proxy.model_provider_mapping"), "{mapping}: {ended:?}");
    }
}

//! Faults as a client meets them on the wire.
//!
//! Deadlines are short because silence must be waited out.
//! Every fault is met at least once in every dialect.

use super::raw::{get, post, post_bytes, send, start};
use crate::simulator::{Fault, Misbehaviour, Scope};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CHAT: &str = "/chat/completions";
const FREE: &str = "nvidia/nemotron-nano-9b-v2:free";

fn ask(stream: bool) -> Value {
    json!({"model": FREE, "stream": stream, "messages": [{"role": "user", "content": "Grüße 東京 [[usage=3]]"}]})
}

fn key(fault: &str) -> String {
    format!("sk-or-v1-sim-{fault}-x1")
}

#[test]
fn broken_connections_break_as_they_should() {
    let simulator = start();
    let brief = Duration::from_millis(300);
    for stream in [false, true] {
        let meet = |fault: &str| send(&simulator, &post_bytes(CHAT, &key(fault), &ask(stream)), brief);
        for silent in ["hang", "dead"] {
            let seen = meet(silent);
            assert!(seen.bytes.is_empty() && seen.end == Some(ErrorKind::WouldBlock), "{silent}: {seen:?}");
        }
        let reset = meet("reset");
        assert!(reset.bytes.is_empty() && reset.end == Some(ErrorKind::ConnectionReset), "{reset:?}");
        let closed = meet("close");
        assert!(closed.bytes.is_empty() && closed.end.is_none(), "{closed:?}");
        let mid = meet("resetmid150");
        assert_eq!((mid.status(), mid.body().len(), mid.end), (200, 150, Some(ErrorKind::ConnectionReset)));
        for at in [0, 1, 5, 120, 311] {
            let cut = meet(&format!("cut{at}"));
            assert_eq!((cut.body().len(), cut.chunks().1, cut.end), (at, false, None), "cut at {at}");
        }
        let head_only = meet("headonly");
        assert!(head_only.status() == 200 && head_only.raw_body().is_empty());
        assert_eq!(head_only.end, Some(ErrorKind::WouldBlock));
        let idle = meet("idle100");
        assert_eq!((idle.body().len(), idle.end), (100, Some(ErrorKind::WouldBlock)));
        let comments = send(
            &simulator,
            &post_bytes(CHAT, &key("idlecomments100"), &ask(stream)),
            Duration::from_millis(200),
        );
        assert_eq!(comments.end, Some(ErrorKind::WouldBlock));
        let short = meet("short50");
        let length: usize = short.header("content-length").and_then(|l| l.parse().ok()).expect("a length");
        assert_eq!((short.raw_body().len() + 50, short.end), (length, None));
        let unframed = meet("unframed");
        assert_eq!((unframed.header("content-length"), unframed.header("transfer-encoding")), (None, None));
        assert!(unframed.raw_body().ends_with(if stream { b"[DONE]\n\n" } else { b"}}" as &[u8] }));
        assert!(meet("garbage").bytes.starts_with(b"\x16\x03\x03"));
        assert_eq!(meet("halfhead30").bytes.len(), 30);
    }
}

#[test]
fn a_200_can_hold_an_error_or_nothing() {
    let simulator = start();
    let meet = |fault: &str, stream| post(&simulator, CHAT, &key(fault), &ask(stream));
    for fault in ["errorfirst", "errorlate", "errorbare"] {
        let (whole, stream) = (meet(fault, false), meet(fault, true));
        assert_eq!((whole.status(), stream.status()), (200, 200));
        assert!(whole.json()["error"]["code"].is_u64() && whole.json().get("choices").is_none(), "{fault}");
        let events = stream.events();
        assert_eq!(events.len(), 1, "{fault}");
        assert!(events[0]["error"]["message"].is_string());
    }
    assert_eq!(String::from_utf8_lossy(&meet("errorlate5", true).body()).matches(": OPEN").count(), 5);
    for (fault, done) in
        [("errormid", false), ("errormiddone", true), ("errorcode", false), ("errorusage", true)]
    {
        let stream = meet(fault, true);
        assert_eq!(stream.body().ends_with(b"data: [DONE]\n\n"), done, "{fault}");
        let events = stream.events();
        assert_eq!(events.len(), 3, "{fault}");
        assert!(events[0]["error"].is_null() && events[2]["error"].is_object());
        let choice = &meet(fault, false).json()["choices"][0];
        assert!(choice["error"].is_object() && choice["finish_reason"] == "error");
    }
    assert_eq!(meet("errorcode", true).events()[2]["error"]["code"], "server_error");
    let finish = meet("errorfinish", true).events();
    assert!(finish.iter().all(|event| event["error"].is_null()));
    assert!(
        finish.iter().any(|event| event["choices"][0]["native_finish_reason"] == "MALFORMED_FUNCTION_CALL")
    );
    assert!(meet("empty", true).body().is_empty() && meet("empty", false).body().is_empty());
    assert!(meet("blank", true).events().is_empty());
    assert!(meet("blank", false).body().iter().all(u8::is_ascii_whitespace));
    assert_eq!(meet("nocontent", false).json()["choices"][0]["message"]["content"], "");
    let nothing = meet("nocontent", true);
    assert!(nothing.events().iter().all(|event| event["choices"][0]["delta"]["content"] == ""));
    assert!(nothing.body().ends_with(b"data: [DONE]\n\n"));
    let no_done = meet("nodone", true);
    assert!(no_done.chunks().1 && !no_done.body().ends_with(b"[DONE]\n\n"));
}

#[test]
fn every_fault_holds_in_every_dialect_without_harm() {
    let simulator = start();
    let never_ends = [Fault::Hang, Fault::HeadOnly, Fault::Idle, Fault::IdleComments, Fault::Flood];
    let bodies = [
        (
            "/messages",
            json!({"model": FREE, "max_tokens": 90, "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("/responses", json!({"model": FREE, "input": "x"})),
        ("/completions", json!({"model": FREE, "prompt": "x"})),
        ("/embeddings", json!({"model": "nvidia/nemotron-3-embed-1b:free", "input": "x"})),
    ];
    for fault in Fault::ALL.iter().filter(|fault| !never_ends.contains(fault)) {
        for (at, (path, body)) in bodies.iter().enumerate() {
            for stream in [false, true] {
                let amount = if matches!(fault, Fault::Huge | Fault::Late | Fault::Slow) { "1" } else { "" };
                let name = format!("sk-or-v1-sim-{}{amount}-{at}{stream}", fault.name());
                let mut body = body.clone();
                body["stream"] = json!(stream);
                let seen = post(&simulator, path, &name, &body);
                assert_ne!(seen.end, Some(ErrorKind::WouldBlock), "{name} at {path}");
                if (400..600).contains(&seen.status())
                    && seen.header("content-type").as_deref() != Some("text/html")
                {
                    assert!(seen.json()["error"]["message"].is_string(), "{name} at {path}");
                    assert_eq!(*path == "/messages", seen.json()["type"] == "error", "{name} at {path}");
                }
            }
        }
    }
}

#[test]
fn a_client_that_leaves_is_noticed_at_once() {
    let simulator = start();
    let control = simulator.control();
    let mut body = ask(true);
    body["messages"][0]["content"] = json!("x [[chunks=100 delay_ms=50]]");
    let mut stream = TcpStream::connect(simulator.address()).expect("listens");
    stream.write_all(&post_bytes(CHAT, &key("good"), &body)).expect("written");
    let mut some = [0u8; 200];
    stream.read_exact(&mut some).expect("a beginning");
    let left = control.elapsed();
    drop(stream);
    while control.closed_early().is_empty() {
        assert!(control.elapsed() - left < Duration::from_secs(5), "never noticed");
        std::thread::sleep(Duration::from_millis(2));
    }
    let seen = &control.closed_early()[0];
    assert!(seen.since_start - left < Duration::from_millis(500), "{seen:?}");
    assert!(seen.sent > 0);
    let id = {
        let received = control.received();
        assert!(received[0].end.as_ref().is_some_and(|end| end.closed_early));
        received[0].number
    };
    assert_eq!(seen.number, id);
    assert_eq!(control.open().0, 0);
}

#[test]
fn faults_of_paths_models_and_keys_can_be_set_and_cleared() {
    let simulator = start();
    let control = simulator.control();
    control.fault_path("/models", Fault::Html.times(1));
    assert_eq!(get(&simulator, "/api/v1/models", "").status(), 502);
    assert_eq!(get(&simulator, "/api/v1/models", "").status(), 200);
    control.fault_model(FREE, Fault::Pool);
    let good = key("good");
    assert_eq!(post(&simulator, CHAT, &good, &ask(false)).status(), 429);
    let mut with_fallback = ask(false);
    with_fallback["models"] = json!(["openai/gpt-oss-20b:free"]);
    assert_eq!(post(&simulator, CHAT, &good, &with_fallback).json()["model"], "openai/gpt-oss-20b:free");
    control.clear_fault(&Scope::Model(FREE.to_owned()));
    assert_eq!(post(&simulator, CHAT, &good, &ask(false)).status(), 200);
    control.fault_key(&good, Fault::Revoked);
    assert_eq!(get(&simulator, "/api/v1/key", &good).status(), 401);
    control.heal_key(&good);
    assert_eq!(get(&simulator, "/api/v1/key", &good).status(), 200);
    let revoked = key("revoked");
    assert_eq!(post(&simulator, CHAT, &revoked, &ask(false)).status(), 401);
    control.heal_key(&revoked);
    assert_eq!(post(&simulator, CHAT, &revoked, &ask(false)).status(), 200);
    assert_eq!(Misbehaviour::parse("daily").map(|m| m.fault), Some(Fault::Daily));
    let daily = get(&simulator, "/api/v1/key", &key("daily")).json();
    assert_eq!(daily["data"]["free_model_daily_requests"]["remaining"], 0);
}

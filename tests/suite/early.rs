//! `proxy.early_headers`: clients behind impatient proxies get a head and signs of life while
//! attempts go on, and then the stream or one error event; everyone else notices nothing.

use crate::support::{
    Answer, CHAT, Call, House, MODEL, Options, Play, chat, error_events, events, json_events, key, player,
    spawn, text, wait_until, without_leading_comments,
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(150);

/// The head goes out after 150 ms instead of 15 s.
fn eager(options: Options) -> Options {
    Options { adjust: |settings| settings.proxy.early_headers = Some(SOON), ..options }
}

fn comments(answer: &Answer) -> usize {
    let text = String::from_utf8_lossy(&answer.body);
    text.matches(": keep-alive\n\n").count()
}

#[test]
fn a_slow_answer_is_announced_and_then_comes_whole() {
    let house = spawn(eager(Options::default()));
    let body = chat("patience [[fault=late600 comments=0]]", true);
    let answer = house.chat(&body);
    assert_eq!((answer.status, answer.whole), (200, true), "{answer}");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.header("x-request-id").is_some(), "{answer}");
    for unknown in ["x-proxy-attempts", "x-proxy-model", "x-generation-id"] {
        assert_eq!(answer.header(unknown), None, "{answer}");
    }
    assert!((2..=5).contains(&comments(&answer)), "{answer}");
    let row = house.row();
    let id = row.generation_id.as_deref().expect("a generation id");
    let expected = house.simulator.expected("/chat/completions", body.to_string().as_bytes(), id);
    assert_eq!(without_leading_comments(&answer.body), expected.expect("an answer"));
    assert_eq!((row.status, row.outcome.as_str(), row.attempts), (200, "completed", 1), "{row:?}");
    assert!(row.first_content_ms >= Some(550), "{row:?}");
}

#[test]
fn attempts_go_on_unseen_behind_the_head() {
    let options = Options::keys(["hang", "headonly", "good"]);
    let options = options.set("OPENROUTER_FIRST_BYTE_TIMEOUT", "0.3").set("OPENROUTER_IDLE_TIMEOUT", "0.3");
    let house = spawn(eager(options));
    let answer = house.chat(&chat("anyone?", true));
    assert!(text(&answer.body).starts_with("echo: anyone?"), "{answer}");
    assert!(error_events(&answer.body).is_empty() && comments(&answer) >= 2, "{answer}");
    let row = house.row();
    assert_eq!((row.status, row.outcome.as_str(), row.attempts), (200, "completed", 3), "{row:?}");
}

#[test]
fn those_who_need_not_wait_notice_nothing() {
    let house = spawn(eager(Options::default()));
    let answer = house.chat(&chat("quick", true));
    assert_eq!((answer.header("x-proxy-attempts"), comments(&answer)), (Some("1"), 0), "{answer}");
    // A plain answer has no comments.
    let answer = house.chat(&chat("slow [[fault=late400]]", false));
    assert_eq!((answer.status, answer.header("x-proxy-attempts")), (200, Some("1")), "{answer}");
    // An error that comes in time has its own status.
    let answer = house.chat(&chat("x [[fault=badrequest]]", true));
    assert_eq!(answer.status, 400, "{answer}");
    // And without the operator's word nothing goes out early.
    let house = spawn(Options::default());
    let answer = house.chat(&chat("slow [[fault=late400]]", true));
    assert_eq!((answer.header("x-proxy-attempts"), comments(&answer)), (Some("1"), 0), "{answer}");
}

/// A streamed request in the words of each endpoint.
fn asked(path: &str, said: &str) -> Call {
    let turn = json!([{"role": "user", "content": said}]);
    let body = match path {
        "/v1/completions" => json!({"model": MODEL, "stream": true, "prompt": said}),
        "/v1/responses" => json!({"model": MODEL, "stream": true, "input": said}),
        "/v1/messages" => json!({"model": MODEL, "stream": true, "max_tokens": 99, "messages": turn}),
        _ => json!({"model": MODEL, "stream": true, "messages": turn}),
    };
    Call::post(path, body.to_string())
}

#[test]
fn what_fails_behind_the_head_is_one_error_in_the_dialects_shape() {
    for path in [CHAT, "/v1/completions", "/v1/responses", "/v1/messages"] {
        let options = Options::keys(["hang"]).set("OPENROUTER_REQUEST_TIMEOUT", "0.5");
        let house = spawn(eager(options));
        let answer = house.ask(&asked(path, "x"));
        assert_eq!((answer.status, answer.whole), (200, true), "{answer}");
        assert!(comments(&answer) >= 1, "{answer}");
        let datas: Vec<&str> = events(without_leading_comments(&answer.body));
        let error = |event: &str| -> Value {
            let data = event.split_once("data: ").expect("data").1;
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {event}"))
        };
        if path == "/v1/messages" {
            assert_eq!(datas.len(), 1, "{answer}");
            assert!(datas[0].starts_with("event: error\n"), "{answer}");
            assert_eq!(error(datas[0])["error"]["type"], "timeout_error", "{answer}");
        } else {
            assert_eq!((datas.len(), datas[1]), (2, "data: [DONE]"), "{answer}");
            let said = error(datas[0]);
            let code = if path == "/v1/responses" { &said["code"] } else { &said["error"]["code"] };
            assert!(*code == 504 || *code == "504", "{answer}");
        }
        let row = house.row();
        assert_eq!((row.status, row.outcome.as_str()), (200, "failed"), "{row:?}");
        assert!(row.error_kind.is_some());
    }
}

#[test]
fn an_answer_without_a_stream_is_an_error_behind_the_head() {
    let whole =
        r#"{"id":"gen-1","choices":[{"index":0,"message":{"content":"x"}}],"usage":{"prompt_tokens":7}}"#;
    let upstream = player(move |_| {
        std::thread::sleep(Duration::from_millis(500));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        Play { bytes: format!("{head}: {}\r\n\r\n{whole}", whole.len()).into_bytes(), ..Play::default() }
    });
    let options = Options { upstream: Some(upstream), ..Options::default() };
    let house = spawn(eager(options.set("FREE_MODELS_ONLY", "false")));
    let answer = house.chat(&chat("x", true));
    assert_eq!(error_events(&answer.body)[0]["error"]["code"], 502, "{answer}");
    let row = house.row();
    assert_eq!((row.status, row.outcome.as_str(), row.tokens.prompt), (200, "failed", Some(7)), "{row:?}");
}

#[test]
fn a_client_that_leaves_behind_the_head_frees_everything() {
    let house = spawn(eager(Options::default()));
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("x [[fault=late60000]]", true).to_string()));
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer));
    wire.close();
    wait_until("the upstream to be closed", || house.control().closed_early().len() == 1);
    let row = house.row();
    assert_eq!((row.status, row.outcome.as_str(), row.attempts), (200, "cancelled", 1), "{row:?}");
    assert!(house.keys().iter().all(|key| key.rest.is_none()), "a client that leaves is no key's fault");
}

#[test]
fn a_stop_ends_it_with_a_word() {
    let mut house: House = spawn(eager(Options::keys(["good"])).set("SERVER_SHUTDOWN_TIMEOUT", "0.4"));
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("x [[fault=late60000]]", true).to_string()));
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer));
    house.ask_to_stop();
    while wire.piece(&mut answer) {}
    assert!(answer.whole, "{answer}");
    assert_eq!(error_events(&answer.body)[0]["error"]["code"], 503, "{answer}");
    assert_eq!(json_events(&answer.body).len(), 1, "{answer}");
    house.stop();
    let rows = crate::support::all_rows(&house.store());
    let told: Vec<_> = rows.iter().map(|row| (row.status, row.outcome.as_str())).collect();
    assert_eq!(told, [(200, "refused")]);
    assert_eq!(house.control().key(&key("good", 1)).attempts, 1);
}

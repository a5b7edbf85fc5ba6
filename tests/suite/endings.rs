//! However a stream ends, the client can tell: whole, or with exactly one error event and the end
//! marker, and never with half an event.

use crate::support::{
    Answer, House, Options, chat, error_events, events, is_long, json_events, spawn, text, wait_until,
    without_leading_comments,
};
use openrouter_proxy::simulator::{Fault, Misbehaviour, Scope};
use serde_json::Value;

/// The way in which a stream was cut short, and by what: the proxy must not mind which.
const CUTS: [Fault; 3] = [Fault::Cut, Fault::CutClean, Fault::ResetMid];

/// One attempt: an answer that was cut before its first content is a refusal at once.
fn house() -> House {
    spawn(Options::default().unpaced().set("PROXY_MAX_ATTEMPTS", "1").set("SERVER_WORKERS", "2"))
}

/// A request whose answer has comments, reasoning and letters of up to four bytes.
fn short(manner: &str) -> Value {
    chat(&format!("👋🏽 東京 [[usage=3 chunks=3 comments=1 reasoning {manner}]]"), true)
}

/// The stream behind `answer`, as the simulator would have sent it whole.
fn uncut(house: &House, body: &Value, answer: &Answer) -> Vec<u8> {
    let id = answer.header("x-generation-id").expect("a generation id");
    let stream = house.simulator.expected("/chat/completions", body.to_string().as_bytes(), id);
    stream.expect("an answer")
}

/// Fails unless `answer`, cut at `at`, ends as it must; gives the outcome that its row must have.
fn assert_honest(house: &House, body: &Value, answer: &Answer, at: usize, content: usize) -> &'static str {
    assert!(answer.whole, "the framing is broken: {answer}");
    if at < content {
        assert_eq!((answer.status, answer.error("type").as_str()), (502, "upstream_error"), "{answer}");
        return "failed";
    }
    assert_eq!(answer.status, 200, "{answer}");
    let whole = uncut(house, body, answer);
    let (events, errors) = (json_events(&answer.body), error_events(&answer.body));
    if at + 1 >= whole.len() {
        assert_eq!(without_leading_comments(&whole), answer.body, "{answer}");
        return "completed";
    }
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(Some(&errors[0]), events.last(), "the error comes last: {answer}");
    assert_eq!(errors[0]["choices"][0]["finish_reason"], "error", "{answer}");
    assert!(errors[0]["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    assert!(errors[0]["error"]["code"].is_number(), "{answer}");
    // Before the error stands every event that came whole, byte for byte, and nothing else.
    let came = &whole[..at];
    let passed = memchr::memmem::rfind(came, b"\n\n").map_or(0, |end| end + 2);
    let passed = without_leading_comments(&came[..passed]);
    assert!(answer.body.starts_with(passed), "{answer}");
    let ours = &answer.body[passed.len()..];
    assert_eq!(memchr::memmem::find_iter(ours, b"data: ").count(), 2, "{answer}");
    "truncated"
}

#[test]
fn a_cut_anywhere_ends_in_one_error_and_the_marker() {
    let house = house();
    let body = short("");
    let whole = house.chat(&body);
    assert_eq!((whole.status, error_events(&whole.body).len()), (200, 0), "{whole}");
    let stream = uncut(&house, &body, &whole);
    let find = |from: usize, needle: &[u8]| from + memchr::memmem::find(&stream[from..], needle).expect("it");
    let content = find(find(0, b"data:"), b"\n\n") + 2;
    let mut expected = vec!["completed"];
    // By each kind of cut in turn. `cuts` tries each byte in ways of its own.
    for at in (1..=stream.len()).step_by(if is_long() { 1 } else { 7 }) {
        let fault = CUTS[at % 3];
        house.control().set_fault(Scope::All, fault.with(at as u64));
        let answer = house.chat(&body);
        println!("{fault:?} at {at} of {}, content at {content}", stream.len());
        expected.push(assert_honest(&house, &body, &answer, at, content));
    }
    let rows = house.rows(expected.len());
    for (at, (row, outcome)) in rows.iter().zip(expected).enumerate() {
        assert_eq!(row.outcome, outcome, "{at}: {row:?}");
        assert_eq!(row.status, if outcome == "failed" { 502 } else { 200 }, "{at}: {row:?}");
        assert_eq!(row.error_kind.is_none(), outcome == "completed", "{at}: {row:?}");
    }
}

#[test]
fn a_stream_without_its_marker_is_not_whole() {
    let house = house();
    let answer = house.chat(&short("fault=nodone"));
    assert_eq!(error_events(&answer.body).len(), 1, "{answer}");
    let row = house.row();
    assert_eq!((row.status, row.outcome.as_str()), (200, "truncated"), "{row:?}");
    assert_eq!(row.error_kind.as_deref(), Some("upstream_truncated"));
    // What was used was said before, and counts.
    assert!(row.tokens.completion.is_some_and(|tokens| tokens > 0), "{row:?}");
}

#[test]
fn errors_mid_stream_are_passed_on_once() {
    for (fault, message) in [
        (Fault::ErrorMid, "Provider disconnected unexpectedly"),
        (Fault::ErrorMidDone, "Rate limit exceeded"),
        (Fault::ErrorCode, "Provider disconnected unexpectedly"),
        (Fault::ErrorUsage, "Token limit reached"),
        (Fault::ErrorChoice, "Provider disconnected mid-stream"),
    ] {
        let house = house();
        house.control().set_fault(Scope::All, Misbehaviour { amount: Some(6), ..fault.into() });
        let answer = house.chat(&chat("x [[chunks=9]]", true));
        let errors = error_events(&answer.body);
        assert_eq!(errors.len(), 1, "{fault:?}: {answer}");
        assert_eq!(errors[0]["error"]["message"], message, "{fault:?}: {answer}");
        assert!(!text(&answer.body).is_empty(), "{fault:?}: {answer}");
        let row = house.row();
        assert_eq!((row.status, row.outcome.as_str()), (200, "truncated"), "{fault:?}: {row:?}");
        assert_eq!(row.error_kind.as_deref(), Some("upstream_error"));
    }
}

#[test]
fn a_finish_by_error_without_words_is_given_some() {
    let house = house();
    let answer = house.chat(&chat("x [[fault=errorfinish chunks=4]]", true));
    let errors = error_events(&answer.body);
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(errors[0]["choices"][0]["finish_reason"], "error");
    assert!(text(&answer.body).starts_with("echo: x"));
    assert_eq!(house.row().outcome, "truncated");
}

#[test]
fn nothing_follows_an_ending() {
    let house = house();
    for manner in ["", "fault=errormiddone", "fault=cut700"] {
        let answer = house.chat(&chat(&format!("x [[chunks=9 {manner}]]"), true));
        let last = events(&answer.body).pop().map(str::to_owned);
        assert_eq!(last.as_deref(), Some("data: [DONE]"), "{manner}: {answer}");
    }
}

#[test]
fn a_stream_over_its_time_is_ended_honestly() {
    let house = spawn(Options::default().set("OPENROUTER_STREAM_TIMEOUT", "1"));
    let answer = house.chat(&chat("x [[chunks=3000 delay_ms=20]]", true));
    let errors = error_events(&answer.body);
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(errors[0]["error"]["code"], 504);
    let row = house.row();
    assert_eq!((row.outcome.as_str(), row.error_kind.as_deref()), ("truncated", Some("request_timeout")));
    wait_until("the upstream to be closed", || house.control().closed_early().len() == 1);
}

#[test]
fn completions_end_in_their_own_words() {
    let house = house();
    let body = serde_json::json!({"model": crate::support::MODEL, "stream": true,
        "prompt": "x [[cut=500 chunks=9]]"});
    let answer = house.ask(&crate::support::Call::post("/v1/completions", body.to_string()));
    let errors = error_events(&answer.body);
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(errors[0]["object"], "text_completion");
    assert_eq!(errors[0]["choices"][0]["finish_reason"], "error");
    assert_eq!(house.row().outcome, "truncated");
}

//! However a stream ends, the client can tell: whole, or with exactly one error event and the end
//! marker, and never with half an event.

use crate::support::{
    Answer, House, Options, chat, each, error_events, events, json_events, spawn, text, wait_until,
};
use openrouter_proxy::simulator::{Fault, Misbehaviour, Scope};
use serde_json::Value;

/// The way in which a stream was cut short, and by what: the proxy must not mind which.
const CUTS: [Fault; 3] = [Fault::Cut, Fault::CutClean, Fault::ResetMid];

/// One attempt: an answer that was cut before its first content is a refusal at once.
fn house() -> House {
    spawn(Options::default().set("PROXY_MAX_ATTEMPTS", "1").set("SERVER_WORKERS", "2"))
}

/// A request whose answer has comments, reasoning and letters of up to four bytes.
fn short(manner: &str) -> Value {
    chat(&format!("👋🏽 東京 [[usage=3 chunks=3 comments=1 reasoning {manner}]]"), true)
}

/// Where the first content of `stream` begins and where its end marker has its line end.
fn landmarks(stream: &[u8]) -> (usize, usize) {
    let first = memchr::memmem::find(stream, b"data:").expect("an event");
    let content = first + memchr::memmem::find(&stream[first..], b"\n\n").expect("its end") + 2;
    (content, stream.len() - 1)
}

/// Fails unless `answer`, cut at `at`, ends as it must.
fn assert_honest(house: &House, answer: &Answer, whole: &Answer, at: usize, what: &str) -> &'static str {
    let (content, end) = landmarks(&whole.body);
    assert!(answer.whole, "{what}: the framing is broken: {answer}");
    if answer.status != 200 {
        assert!(at < content, "{what}: {answer}");
        assert_eq!(
            (answer.status, answer.error("type").as_str()),
            (502, "upstream_error"),
            "{what}: {answer}"
        );
        return "failed";
    }
    let events = json_events(&answer.body);
    let errors = error_events(&answer.body);
    if at >= end {
        assert!(errors.is_empty(), "{what}: {answer}");
        assert_eq!(text(&answer.body), text(&whole.body), "{what}");
        return "completed";
    }
    assert_eq!(errors.len(), 1, "{what}: {answer}");
    assert_eq!(Some(&errors[0]), events.last(), "{what}: the error comes last");
    assert_eq!(errors[0]["choices"][0]["finish_reason"], "error", "{what}");
    assert!(errors[0]["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
    assert!(errors[0]["error"]["code"].is_number(), "{what}");
    // Everything before it is what came, in order.
    assert!(text(&whole.body).starts_with(&text(&answer.body)), "{what}: {answer}");
    assert!(house.shared().gate.inside() < 64);
    "truncated"
}

#[test]
fn a_cut_at_any_byte_ends_in_one_error_and_the_marker() {
    let house = house();
    let whole = house.chat(&short(""));
    assert_eq!((whole.status, error_events(&whole.body).len()), (200, 0), "{whole}");
    let length = whole.body.len();
    let (content, _) = landmarks(&whole.body);
    // Densely around every border, sparsely elsewhere; each at another place for each kind of cut.
    let near = |at: usize| at < content + 4 || length - at < 40 || whole.body[at..].starts_with(b"\n");
    let offsets = (0..=length).filter(|at| (*at < length && near(*at)) || at % 5 == 0 || *at == length);
    let cases: Vec<(usize, Fault)> = offsets.enumerate().map(|(turn, at)| (at, CUTS[turn % 3])).collect();
    let count = cases.len();
    let outcomes = std::sync::Mutex::new(Vec::new());
    each(cases, |(at, fault)| {
        let what = format!("{fault:?} at {at} of {length}");
        let answer = house.chat(&short(&format!("fault={}{at}", fault.name())));
        let outcome = assert_honest(&house, &answer, &whole, at, &what);
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        outcomes.lock().expect("unpoisoned").push((id, outcome, what));
    });
    let rows = house.rows(count + 1);
    assert_eq!(rows.len(), count + 1);
    for (id, outcome, what) in outcomes.into_inner().expect("unpoisoned") {
        let row = rows.iter().find(|row| row.request_id == id).expect("a row");
        assert_eq!(row.outcome, outcome, "{what}: {row:?}");
        assert_eq!(row.status, if outcome == "failed" { 502 } else { 200 }, "{what}: {row:?}");
        let kind = row.error_kind.as_deref();
        assert_eq!(kind.is_none(), outcome == "completed", "{what}: {row:?}");
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

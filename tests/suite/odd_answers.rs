//! Answers that no documentation promises: refusals without an error object, lengths that are wrong,
//! silence. For JSON the client gets a true 502 or 504 in our shape; for a stream one error event.

use crate::support::{
    Answer, CHAT, Call, Curtain, House, Options, Play, chat, each, error_events, player, said, spawn,
};
use std::time::{Duration, Instant};

/// A whole answer of `status`, framed by its length and `beyond` bytes more than there are.
fn framed(status: &str, kind: &str, body: &str, beyond: usize) -> Vec<u8> {
    let length = body.len() + beyond;
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A proxy in front of an upstream that plays the case of the number in the query.
fn house(play: impl Fn(usize) -> Play + Send + Sync + 'static) -> House {
    let upstream = player(move |line| play(said(line, "case").unwrap_or(0)));
    let options = Options { upstream: Some(upstream), ..Options::default() };
    let waits = options.set("OPENROUTER_IDLE_TIMEOUT", "0.3").set("OPENROUTER_FIRST_BYTE_TIMEOUT", "0.3");
    spawn(waits.unpaced().set("FREE_MODELS_ONLY", "false").set("PROXY_MAX_ATTEMPTS", "1"))
}

fn ask(house: &House, case: usize, stream: bool) -> Answer {
    house.ask(&Call::post(&format!("{CHAT}?case={case}"), chat("x", stream).to_string()))
}

/// Fails unless `answer` is an error of ours with this status.
fn assert_told(answer: &Answer, status: u16, what: &str) {
    assert_eq!((answer.status, answer.whole), (status, true), "{what}: {answer}");
    let error = &answer.json()["error"];
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {answer}");
    assert!(error["type"].is_string() && !error["code"].is_null(), "{what}: {answer}");
}

const WORDLESS: [&str; 9] = [
    "",
    "{}",
    "[]",
    "null",
    "upstream exploded",
    r#"{"message":"no error member"}"#,
    r#"{"error":null}"#,
    r#"{"error":"a bare text"}"#,
    r#"{"error":{}}"#,
];

#[test]
fn a_refusal_without_an_error_object_is_still_one() {
    each([500u16, 502, 503], |status| {
        let house = house(move |case| Play {
            bytes: framed(&format!("{status} Oh"), "application/json", WORDLESS[case], 0),
            ..Play::default()
        });
        for (case, body) in WORDLESS.iter().enumerate() {
            for stream in [false, true] {
                let answer = ask(&house, case, stream);
                // Once the model rests, we say so ourselves.
                let status = if answer.status == 503 { 503 } else { status };
                assert_told(&answer, status, &format!("{status} {body:?} stream={stream}"));
            }
        }
    });
}

/// Interim answers may come before the answer (RFC 9110, 15.2); those that change the protocol, or bring
/// a body, must not.
#[test]
fn interim_answers_are_not_the_answer() {
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    const WITH_BODY: &str = "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello";
    const WHOLE: &str = r#"{"id":"gen-1","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
    let cases = [
        (HINTS.to_owned(), true, 200),
        (CONTINUE.repeat(500), true, 200),
        (SWITCH.to_owned(), true, 502),
        (WITH_BODY.to_owned(), true, 502),
        (CONTINUE.repeat(3), false, 504),
    ];
    each(cases, |(before, then, status)| {
        let house = house(move |_| {
            let answer = if then { framed("200 OK", "application/json", WHOLE, 0) } else { Vec::new() };
            Play { bytes: [before.as_bytes(), &answer].concat(), ending: Curtain::Silence }
        });
        let answer = ask(&house, 0, false);
        assert_eq!(answer.status, status, "{answer}");
        if status == 200 {
            assert_eq!(String::from_utf8_lossy(&answer.body), WHOLE);
        } else {
            assert_told(&answer, status, "an interim answer");
        }
    });
}

#[test]
fn a_success_without_an_answer_is_a_failure() {
    let house = house(|case| Play {
        bytes: framed("200 OK", "application/json", WORDLESS[case], 0),
        ..Play::default()
    });
    for (case, body) in WORDLESS.iter().enumerate() {
        let answer = ask(&house, case, false);
        // Once the model rests, we say so ourselves.
        let outcome = if answer.status == 503 { "refused" } else { "failed" };
        assert!(matches!(answer.status, 502 | 503), "{body:?}: {answer}");
        assert_told(&answer, answer.status, body);
        assert_eq!(house.row_of(&answer).outcome, outcome, "{body:?}");
    }
}

#[test]
fn errors_within_a_stream_need_no_object_either() {
    let house = house(|case| {
        let content = r#"data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"so far"}}]}"#;
        let error = [
            r#"{"error":"a bare text"}"#,
            r#"{"error":{"message":"no code"}}"#,
            r#"{"id":"gen-1","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
        ][case];
        let body = format!("{content}\n\ndata: {error}\n\n");
        Play { bytes: framed("200 OK", "text/event-stream", &body, 0), ..Play::default() }
    });
    for case in 0..3 {
        let answer = ask(&house, case, true);
        assert!(answer.whole && answer.status == 200, "{case}: {answer}");
        assert_eq!(error_events(&answer.body).len(), 1, "{case}: {answer}");
        let row = house.row_of(&answer);
        assert_eq!((row.outcome.as_str(), row.tokens.completion), ("truncated", Some(1)), "{case}: {row:?}");
    }
}

#[test]
fn a_short_content_length_is_told_as_a_502() {
    let whole =
        r#"{"id":"gen-1","choices":[{"index":0,"message":{"content":"x"}}],"usage":{"prompt_tokens":1}}"#;
    let house = house(|case| Play {
        // A body that parses is no proof while bytes are missing.
        bytes: framed("200 OK", "application/json", whole, case),
        ending: if case == 2 { Curtain::Reset } else { Curtain::Fin },
    });
    let answer = ask(&house, 0, false);
    assert_eq!((answer.status, answer.body), (200, whole.as_bytes().to_vec()));
    for missing in [1, 2, 1000] {
        let answer = ask(&house, missing, false);
        assert_told(&answer, 502, &format!("{missing} missing"));
        let row = house.row_of(&answer);
        assert_eq!((row.outcome.as_str(), row.error_kind.as_deref()), ("failed", Some("upstream_truncated")));
    }
}

#[test]
fn an_idle_upstream_is_told_as_a_504() {
    let half = r#"{"id":"gen-1","choices":[{"index":0,"#;
    let content = r#"data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"so far"}}]}"#;
    let house = house(move |case| {
        let event = format!("{content}\n\ndata: {{\"half\":");
        let bytes = match case {
            0 => Vec::new(),
            1 => b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec(),
            2 => framed("200 OK", "application/json", half, 1000),
            3 => framed("200 OK", "text/event-stream", ": PROCESSING\n\n", 1000),
            _ => framed("200 OK", "text/event-stream", &event, 1000),
        };
        Play { bytes, ending: Curtain::Silence }
    });
    for case in 0..4 {
        let began = Instant::now();
        let answer = ask(&house, case, case == 3);
        assert_told(&answer, 504, &format!("case {case}"));
        assert!(began.elapsed() < Duration::from_secs(3), "case {case}: {:?}", began.elapsed());
    }
    let answer = ask(&house, 4, true);
    let errors = error_events(&answer.body);
    assert_eq!((answer.status, errors.len()), (200, 1), "{answer}");
    assert_eq!(
        (&errors[0]["error"]["code"], &errors[0]["error"]["type"]),
        (&504.into(), &"timeout_error".into())
    );
    assert!(
        !String::from_utf8_lossy(&answer.body).contains("half"),
        "half an event is never passed on: {answer}"
    );
}

//! A stream of 4 KiB, recorded and cut short at every byte, by FIN and by RST, chunked and with a
//! Content-Length: whatever came, the client reads whole events, one error and the end marker.
//!
//! The upstream here only plays the recording; the query of each request, which reaches it, says where and how it breaks off. All four ways at every byte: with `LONG_TESTS`; without, each
//! byte by one of them, and each of them at the bytes around the ends of lines.

use crate::support::{
    Answer, CHAT, Call, Curtain, House, Options, Play, chat, error_events, is_long, json_events, player,
    said, spawn, without_leading_comments,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a stream breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    chunked: bool,
    reset: bool,
}

const WAYS: [Way; 4] = [
    Way { chunked: true, reset: false },
    Way { chunked: true, reset: true },
    Way { chunked: false, reset: false },
    Way { chunked: false, reset: true },
];

/// Records a stream of about 4 KiB with letters of up to four bytes.
fn recording() -> Vec<u8> {
    let house = spawn(Options::default());
    let answer = house.chat(&chat("👋🏽 東京 Привет [[usage=3 chunks=10 comments=1 reasoning]]", true));
    assert_eq!((answer.status, error_events(&answer.body).len()), (200, 0), "{answer}");
    assert!((3500..6000).contains(&answer.body.len()), "{} bytes", answer.body.len());
    answer.body
}

/// `stream` as one who asks for it gets it, cut as the query says.
fn played(stream: &[u8], line: &str) -> Play {
    let (cut, way) = (said(line, "cut").unwrap_or(stream.len()), WAYS[said(line, "way").unwrap_or(0)]);
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n".to_vec();
    if way.chunked {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        bytes.extend_from_slice(format!("{:x}\r\n", stream.len()).as_bytes());
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", stream.len()).as_bytes());
    }
    bytes.extend_from_slice(&stream[..cut]);
    Play { bytes, ending: if way.reset { Curtain::Reset } else { Curtain::Fin } }
}

fn house(stream: &[u8]) -> House {
    let recorded = stream.to_vec();
    let upstream = player(move |line| played(&recorded, line));
    let options = Options { upstream: Some(upstream), ..Options::default() };
    spawn(
        options
            .unpaced()
            .set("FREE_MODELS_ONLY", "false")
            .set("PROXY_MAX_ATTEMPTS", "1")
            .set("SERVER_WORKERS", "2"),
    )
}

/// Where the first event with content ends: before, nothing is sent to the client.
fn first_content(stream: &[u8]) -> usize {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    let mut end = 0;
    for event in text.split_inclusive("\n\n") {
        end += event.len();
        let says = |member: &str| {
            event.contains(&format!("\"{member}\":\"")) && !event.contains(&format!("\"{member}\":\"\""))
        };
        if says("content") || says("reasoning") {
            return end;
        }
    }
    panic!("no content in {text}");
}

/// Fails unless `answer`, to a stream cut at `at`, is honest; gives the outcome its row must have.
fn assert_honest(stream: &[u8], at: usize, way: Way, answer: &Answer) -> &'static str {
    let what = format!("{way:?} at {at} of {}: {answer}", stream.len());
    assert!(answer.whole, "the framing is broken: {what}");
    if at < first_content(stream) {
        assert_eq!((answer.status, answer.error("type").as_str()), (502, "upstream_error"), "{what}");
        return "failed";
    }
    assert_eq!(answer.status, 200, "{what}");
    let parsed = json_events(&answer.body);
    if at + 1 >= stream.len() {
        assert!(answer.body == without_leading_comments(stream), "not the recording: {what}");
        return "completed";
    }
    let errors = error_events(&answer.body);
    assert_eq!(errors.len(), 1, "{what}");
    assert_eq!(errors.last(), parsed.last(), "the error comes last: {what}");
    assert_eq!(errors[0]["choices"][0]["finish_reason"], "error", "{what}");
    // Before it stands every event that came whole, byte for byte, and nothing of the next.
    let passed = memchr::memmem::rfind(&stream[..at], b"\n\n").map_or(0, |end| end + 2);
    let passed = without_leading_comments(&stream[..passed]);
    assert!(answer.body.starts_with(passed), "{what}");
    assert_eq!(memchr::memmem::find_iter(&answer.body[passed.len()..], b"data: ").count(), 2, "{what}");
    "truncated"
}

/// Which cuts are tried.
fn cases(stream: &[u8]) -> Vec<(usize, usize)> {
    let long = is_long();
    let near_an_end = |at: usize| {
        let around = at.saturating_sub(2)..(at + 2).min(stream.len());
        stream[around].contains(&b'\n')
    };
    let all = (1..=stream.len()).flat_map(|at| (0..WAYS.len()).map(move |way| (at, way)));
    all.filter(|(at, way)| long || at % WAYS.len() == *way || near_an_end(*at)).collect()
}

#[test]
fn a_stream_cut_at_any_byte_in_any_way_ends_honestly() {
    let stream = recording();
    let house = house(&stream);
    let cases = cases(&stream);
    let next = AtomicUsize::new(0);
    let body = chat("play", true).to_string();
    let serve = || {
        let mut expected = Vec::new();
        let mut wire = house.connect();
        while let Some((at, way)) = cases.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let answer = wire.ask(&Call::post(&format!("{CHAT}?cut={at}&way={way}"), body.as_str()));
            let outcome = assert_honest(&stream, at, WAYS[way], &answer);
            expected.push((answer.header("x-request-id").expect("an id").to_owned(), outcome));
        }
        expected
    };
    let expected: HashMap<String, &str> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(serve)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no client fails")).collect()
    });
    assert_eq!(expected.len(), cases.len());
    let rows = house.rows(cases.len());
    assert_eq!(rows.len(), cases.len());
    for row in rows {
        let outcome = expected[&row.request_id];
        assert_eq!(row.outcome, outcome, "{row:?}");
        assert_eq!(row.error_kind.is_none(), outcome == "completed", "{row:?}");
        // The tokens so far: each event with content held about one.
        assert_eq!(row.tokens.completion.is_some(), outcome != "failed", "{row:?}");
    }
}

//! A stream of 4 KiB, recorded and cut short at every byte, by FIN and by RST, chunked and with a
//! Content-Length: whatever came, the client reads whole events, one error and the end marker.
//!
//! The upstream here is a socket that plays the recording; the query of each request, which reaches
//! it, says where and how it breaks off. All four ways at every byte: with `LONG_TESTS`; without, each
//! byte by one of them, and each of them at the bytes around the ends of lines.

use crate::support::{
    Answer, CHAT, Call, House, Options, chat, error_events, is_long, json_events, spawn,
    without_leading_comments,
};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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

/// Plays `stream` to everyone who asks, cut as the query says; its base URL.
fn player(stream: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("its address"));
    let stream = stream.to_vec();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let stream = stream.clone();
            std::thread::spawn(move || play(client, &stream));
        }
    });
    base
}

fn play(mut client: TcpStream, stream: &[u8]) {
    let mut request = Vec::new();
    let mut buffer = [0u8; 8192];
    // The requests of this test are small, and their body comes with their head.
    while memchr::memmem::find(&request, b"\r\n\r\n").is_none_or(|end| request.len() < end + 10) {
        match client.read(&mut buffer) {
            Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
        if request.starts_with(b"GET") {
            let _ = client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            return;
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let said = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        rest.split(['&', ' ']).next()?.parse::<usize>().ok()
    };
    let (cut, way) = (said("cut").unwrap_or(stream.len()), WAYS[said("way").unwrap_or(0)]);
    let mut out = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n".to_vec();
    if way.chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        out.extend_from_slice(format!("{:x}\r\n", stream.len()).as_bytes());
    } else {
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", stream.len()).as_bytes());
    }
    out.extend_from_slice(&stream[..cut]);
    let _ = client.set_nodelay(true);
    if client.write_all(&out).is_err() {
        return;
    }
    if way.reset {
        // A reset overtakes what was not read yet: what was sent must arrive first.
        std::thread::sleep(Duration::from_millis(3));
        let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
    } else {
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read(&mut buffer);
    }
}

fn house(stream: &[u8]) -> House {
    let options = Options { upstream: Some(player(stream)), ..Options::default() };
    spawn(options.set("FREE_MODELS_ONLY", "false").set("PROXY_MAX_ATTEMPTS", "1").set("SERVER_WORKERS", "2"))
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

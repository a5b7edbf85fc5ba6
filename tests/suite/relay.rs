//! Answers reach clients byte for byte, many at a time, at the pace of the reader, and not a moment
//! longer than the client stays.

use crate::support::{
    Answer, CHAT, Call, House, MODEL, Options, WIDE_MODEL, Wire, chat, good_keys, json_events, spawn, text,
    usage, wait_for, wait_until, without_leading_comments,
};
use openrouter_proxy::simulator::Simulator;
use serde_json::json;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Fails unless `answer` is what the simulator says to `body`, byte for byte.
fn assert_same(simulator: &Simulator, path: &str, body: &str, answer: &Answer) {
    assert_eq!(answer.status, 200, "{body}: {answer}");
    assert!(answer.whole, "{body}: {answer}");
    let id = answer.header("x-generation-id").expect("a generation id");
    let expected = simulator.expected(path, body.as_bytes(), id).expect("an answer");
    let (expected, got) = match answer.header("content-type") {
        Some("text/event-stream") => {
            (without_leading_comments(&expected), without_leading_comments(&answer.body))
        }
        _ => (&expected[..], &answer.body[..]),
    };
    if expected != got {
        let at = expected.iter().zip(got).take_while(|(one, other)| one == other).count();
        panic!("{body}: differs at byte {at} of {} (got {}): {answer}", expected.len(), got.len());
    }
}

/// The requests of a load: plain and streamed, of many shapes.
fn request(number: usize) -> String {
    let manner = [
        "",
        "[[split=31]]",
        "[[usage=1 chunks=9]]",
        "[[usage=2 comments=0 burst]]",
        "[[usage=3 reasoning]]",
        "[[chunks=30 size=200]]",
        "[[split=97 chunks=2]]",
        "[[comments=20 burst]]",
    ];
    // Streamed and plain take turns; each of them meets every manner.
    chat(&format!("{number} Grüße {}", manner[number / 2 % manner.len()]), number.is_multiple_of(2))
        .to_string()
}

/// Sends `count` requests, 64 at a time, and checks each answer. By request id: what each used.
fn load(house: &House, count: usize) -> HashMap<String, (i64, i64)> {
    let next = AtomicUsize::new(0);
    let serve = || {
        let mut wire = house.connect();
        let mut used = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return used;
            }
            let body = request(number);
            let answer = wire.ask(&Call::post(CHAT, body.as_str()));
            assert_same(&house.simulator, "/chat/completions", &body, &answer);
            assert_eq!(answer.header("x-proxy-attempts"), Some("1"), "{answer}");
            let id = answer.header("x-request-id").expect("a request id").to_owned();
            used.push((id, usage(&answer.body).expect("a usage statement")));
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(serve)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no client fails")).collect()
    })
}

/// Serves `count` requests with `strategy` and gives the requests of each key, fewest first.
fn balanced(strategy: &str, count: usize) -> Vec<u64> {
    let keys = good_keys(5);
    let options = Options { keys, keep: 0, ..Options::default() };
    let house = spawn(options.set("LOAD_BALANCE_STRATEGY", strategy).set("SERVER_WORKERS", "2"));
    let used = load(&house, count);
    assert_eq!(used.len(), count);
    let rows = house.rows(count);
    assert_eq!(rows.len(), count);
    for row in &rows {
        assert_eq!((row.status, row.outcome.as_str(), row.attempts), (200, "completed", 1), "{row:?}");
        let tokens = used.get(&row.request_id).expect("a row of a request");
        assert_eq!((row.tokens.prompt, row.tokens.completion), (Some(tokens.0), Some(tokens.1)), "{row:?}");
        assert_eq!(row.model_served.as_deref(), Some(MODEL));
    }
    let mut counts: Vec<u64> = house.control().keys().values().map(|key| key.attempts).collect();
    counts.sort_unstable();
    let mut ours: Vec<u64> = house.keys().iter().map(|key| key.record.used_today).collect();
    ours.sort_unstable();
    assert_eq!(ours, counts, "what we count is what was sent");
    assert_eq!(counts.iter().sum::<u64>(), count as u64);
    counts
}

#[test]
fn ten_thousand_requests_are_served_byte_for_byte_in_turn() {
    let counts = balanced("round_robin", 10_000);
    assert_eq!(counts, [2000; 5]);
}

#[test]
fn the_least_used_key_is_taken() {
    assert_eq!(balanced("least_used", 1000), [200; 5]);
}

#[test]
fn the_key_with_most_remaining_is_taken() {
    assert_eq!(balanced("most_remaining", 1000), [200; 5]);
}

#[test]
fn chance_is_fair() {
    let counts = balanced("random", 2000);
    // Six standard deviations of 2000 throws of a five-sided die.
    assert!(counts[0] > 292 && counts[4] < 508, "{counts:?}");
}

#[test]
fn other_endpoints_are_relayed_byte_for_byte_too() {
    let house = spawn(Options::default().set("FREE_MODELS_ONLY", "false"));
    let embed = json!({"model": "openai/text-embedding-3-small", "input": ["Zürich", "東京"]});
    for (path, body) in [
        ("/completions", json!({"model": MODEL, "prompt": "Grüße [[split=3]]"})),
        ("/completions", json!({"model": MODEL, "prompt": "Grüße [[split=3]]", "stream": true})),
        ("/embeddings", embed),
    ] {
        for base in ["/v1", "/api/v1"] {
            let body = body.to_string();
            let answer = house.ask(&Call::post(&format!("{base}{path}"), body.as_str()));
            assert_same(&house.simulator, path, &body, &answer);
            let row = house.row_of(&answer);
            assert_eq!((row.endpoint.as_str(), row.outcome.as_str()), (&path[1..], "completed"));
            assert_eq!(
                row.tokens.prompt,
                usage(&answer.body).map(|(prompt, _)| prompt).or(row.tokens.prompt)
            );
        }
    }
}

#[test]
fn characters_survive_any_cut_of_the_network() {
    let house = spawn(Options::default());
    for split in [1, 2, 3, 5, 11, 64, 4096] {
        for stream in [true, false] {
            let said = format!("👋🏽 東京 Привет [[split={split} chunks=12 reasoning]]");
            let body = chat(&said, stream).to_string();
            let answer = house.ask(&Call::post(CHAT, body.as_str()));
            assert_same(&house.simulator, "/chat/completions", &body, &answer);
            assert!(text(&answer.body).starts_with("echo: 👋🏽 東京 Привет"), "{answer}");
        }
    }
}

#[test]
fn tool_calls_reach_the_client_in_pieces() {
    let house = spawn(Options::default());
    let mut body = chat("what is the weather? [[tool]]", true);
    body["tools"] = json!([{"type": "function", "function": {"name": "weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let body = body.to_string();
    let answer = house.ask(&Call::post(CHAT, body.as_str()));
    assert_same(&house.simulator, "/chat/completions", &body, &answer);
    let calls = json_events(&answer.body);
    let arguments: String = calls
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert!(serde_json::from_str::<serde_json::Value>(&arguments).is_ok(), "{arguments}");
}

#[test]
fn tokens_arrive_as_they_are_made() {
    let house = spawn(Options::default());
    let body = chat("slowly [[chunks=10 delay_ms=40]]", true).to_string();
    let answer = house.ask(&Call::post(CHAT, body.as_str()));
    assert_same(&house.simulator, "/chat/completions", &body, &answer);
    let (first, last) = (answer.pieces[0].0, answer.pieces[answer.pieces.len() - 1].0);
    assert!(last - first > Duration::from_millis(300), "nothing was streamed: {:?}", answer.pieces);
    let row = house.row_of(&answer);
    assert!(row.first_content_ms < Some(row.duration_ms - 300), "{row:?}");
}

#[test]
fn an_answer_of_three_megabytes_comes_whole() {
    let house = spawn(Options::default());
    for stream in [false, true] {
        let body = chat("a lot [[chunks=30 size=100000 split=65536]]", stream).to_string();
        let answer = house.ask(&Call::post(CHAT, body.as_str()));
        assert!(answer.body.len() > 2_900_000, "{} bytes", answer.body.len());
        assert_same(&house.simulator, "/chat/completions", &body, &answer);
    }
}

#[test]
fn a_request_of_three_megabytes_goes_up_byte_for_byte() {
    let house = spawn(Options::default());
    let image = format!("data:image/png;base64,{}", "iVBORw0KGgo".repeat(3 << 18));
    let body = json!({"model": WIDE_MODEL, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": image}}]}]});
    let body = body.to_string();
    let answer = house.ask(&Call::post(CHAT, body.as_str()));
    assert_same(&house.simulator, "/chat/completions", &body, &answer);
    let received = house.control().received();
    let last = received.last().expect("a request");
    assert!(last.body == body.as_bytes(), "the body changed on its way");
}

/// Two ways to leave.
const WAYS: [fn(Wire); 2] = [Wire::close, Wire::reset];

#[test]
fn a_client_that_leaves_mid_stream_closes_the_upstream() {
    let house = spawn(Options::default());
    for (at, leave) in WAYS.into_iter().enumerate() {
        let mut wire = house.connect();
        wire.send(&Call::post(CHAT, chat("on and on [[chunks=3000 delay_ms=10]]", true).to_string()));
        let mut answer = wire.head();
        while answer.pieces.len() < 4 {
            assert!(wire.piece(&mut answer));
        }
        let left = Instant::now();
        leave(wire);
        wait_until("the upstream to be closed", || house.control().closed_early().len() > at);
        assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
        let row = house.row_of(&answer);
        assert_eq!((row.status, row.outcome.as_str()), (200, "cancelled"), "{row:?}");
        assert_eq!(row.error_kind.as_deref(), Some("client_left"));
        assert_eq!(row.generation_id.as_deref(), answer.header("x-generation-id"));
    }
    assert!(house.keys()[0].rest.is_none(), "a client that leaves is no key's fault");
    assert_eq!(house.chat(&chat("next", false)).header("x-proxy-attempts"), Some("1"));
}

#[test]
fn a_client_that_leaves_before_the_head_closes_the_upstream() {
    let house = spawn(Options::default());
    for (at, leave) in WAYS.into_iter().enumerate() {
        let mut wire = house.connect();
        let stream = at == 0;
        let body = chat("thinking [[fault=late60000]]", stream).to_string();
        wire.send(&Call::post(CHAT, body));
        wait_until("the attempt to be under way", || house.attempts() > at as u64);
        let left = Instant::now();
        leave(wire);
        wait_until("the upstream to be closed", || house.control().closed_early().len() > at);
        assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
        let rows = house.rows(at + 1);
        let row = &rows[at];
        assert_eq!((row.status, row.outcome.as_str()), (499, "cancelled"), "{row:?}");
        assert_eq!((row.stream, row.attempts), (stream, 1));
    }
    assert_eq!(house.attempts(), 2, "nobody asked again");
}

/// An upstream that streams without end as fast as it is read, and counts what left its hands.
fn endless_upstream() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("its address"));
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || pour(stream, &counted));
        }
    });
    (base, sent)
}

fn pour(mut stream: TcpStream, sent: &AtomicU64) {
    // What its own kernel holds shall not count for much.
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(16 * 1024);
    let mut request = [0u8; 4096];
    let read = stream.read(&mut request).unwrap_or(0);
    if !request[..read].starts_with(b"POST") {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let event = json!({"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "x".repeat(4000)}}]});
    let event = format!("data: {event}\n\n");
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    while stream.write_all(chunk.as_bytes()).is_ok() {
        sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
    }
}

/// The count once it has stood still for a third of a second.
fn at_rest(count: &AtomicU64) -> u64 {
    let mut last = (count.load(Ordering::SeqCst), Instant::now());
    wait_for("the stream to stand still", || {
        let now = count.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(333)).then_some(now)
    })
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    let (upstream, sent) = endless_upstream();
    let options = Options { upstream: Some(upstream), ..Options::default() };
    let house = spawn(options.set("FREE_MODELS_ONLY", "false"));
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("on and on", true).to_string()));
    let mut answer = wire.head();
    assert_eq!(answer.status, 200);
    let held = at_rest(&sent);
    // The client's own receive buffer is not the proxy's: what the proxy pulled is what it did not pass.
    let own = client_holds(&wire);
    println!("held {held} own {own}");
    assert!(held - own < 1 << 20, "{held} bytes were pulled, {own} of them are with the client");
    // It goes on when the client does.
    while (answer.body.len() as u64) < held + (1 << 20) {
        assert!(wire.piece(&mut answer));
    }
    wire.close();
}

/// The bytes that wait in the client's kernel.
fn client_holds(wire: &Wire) -> u64 {
    wire.waiting() as u64
}

#[test]
fn clients_of_http_1_0_get_no_chunks() {
    let house = spawn(Options::default());
    for stream in [false, true] {
        for connection in ["close", "keep-alive"] {
            let call = Call::post(CHAT, chat("hi [[chunks=5]]", stream).to_string());
            let call = call.header("Connection", connection);
            let mut wire = house.connect();
            wire.write(call.head(call.body.len()).replace("HTTP/1.1", "HTTP/1.0").as_bytes());
            wire.write(&call.body);
            let answer = wire.answer();
            assert_eq!((answer.status, answer.whole), (200, true), "{answer}");
            assert_eq!(answer.header("transfer-encoding"), None, "{answer}");
            assert!(text(&answer.body).starts_with("echo: hi"), "{answer}");
            if stream {
                assert!(answer.body.ends_with(b"data: [DONE]\n\n"), "{answer}");
                assert!(wire.is_ended(), "a stream ends with its connection");
            }
        }
    }
}

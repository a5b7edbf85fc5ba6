//! More than there is room for: told so quickly, with when to come again; room again when others leave.

use super::Outside;
use crate::support::{CHAT, Call, Options, Wire, chat, is_long, spawn, wait_until};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn bodies_beyond_the_memory_mark_are_turned_away() {
    let options =
        Options::default().set("SERVER_MAX_BODY_BYTES", "40000").set("SERVER_MAX_BODY_MEMORY", "60000");
    let house = spawn(options);
    let long = Call::post(CHAT, chat(&"x".repeat(30_000), false).to_string());
    let mut holder = house.connect();
    holder.write(long.head(long.body.len()).as_bytes());
    holder.write(&long.body[..long.body.len() - 1]);
    wait_until("the body to be held", || house.shared().gate.memory_held() == long.body.len() - 1);

    let chunked = |body: &[u8]| {
        let head = long.head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
        let mut bytes = format!("{head}{:x}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        [bytes.as_slice(), b"\r\n0\r\n\r\n"].concat()
    };
    for announced in [true, false] {
        let began = Instant::now();
        let mut wire = house.connect();
        if announced {
            // Its length alone is enough to know.
            wire.write(long.head(long.body.len()).as_bytes());
        } else {
            wire.write(&chunked(&long.body));
        }
        let answer = wire.answer();
        assert_eq!((answer.status, answer.error("type").as_str()), (503, "overloaded_error"), "{answer}");
        assert_eq!(answer.error("code"), "too_much_memory_in_use");
        assert_eq!(answer.number("retry-after"), 1);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    assert_eq!(house.chat(&chat("a short one still fits", false)).status, 200);

    holder.write(&long.body[long.body.len() - 1..]);
    assert_eq!(holder.answer().status, 200);
    assert_eq!(house.ask(&long).status, 200);
    wait_until("the memory to be free", || house.shared().gate.memory_held() == 0);
}

#[test]
fn a_body_is_counted_for_as_long_as_it_may_be_sent_again() {
    let house = spawn(Options::default());
    let call = Call::post(CHAT, chat("x [[fault=late1000]]", false).to_string());
    let mut wire = house.connect();
    wire.send(&call);
    wait_until("the upstream to be asked", || house.attempts() == 1);
    assert_eq!(house.shared().gate.memory_held(), call.body.len());
    assert_eq!(wire.answer().status, 200);
    assert_eq!(house.shared().gate.memory_held(), 0);
}

#[test]
fn a_stream_does_not_hold_the_body_of_its_request() {
    let house = spawn(Options::default());
    let mut wire = house.connect();
    let body = chat(&format!("{} [[chunks=2000 delay_ms=20]]", "x".repeat(20_000)), true).to_string();
    wire.send(&Call::post(CHAT, body));
    assert_eq!(wire.head().status, 200);
    assert_eq!((house.shared().gate.memory_held(), house.shared().gate.inside()), (0, 1));
}

#[test]
fn idle_connections_are_many_and_cheap() {
    let count: usize = if is_long() { 10_000 } else { 1_500 };
    let outside = Outside::start(&[]);
    let health = Call::bare("GET", "/health");
    assert_eq!(Wire::open(outside.address).ask(&health).status, 200);
    let before = outside.running.resident();
    let idle: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(outside.address).expect("a connection");
            std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                .expect("bytes");
            stream
        })
        .collect();
    assert_eq!(Wire::open(outside.address).ask(&health).status, 200);
    for stream in &idle {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        assert!(stream.peek(&mut [0; 16]).is_ok_and(|count| count > 0), "every connection is served");
    }
    let grown = outside.running.resident().saturating_sub(before);
    println!("{count} idle connections take {} KiB each from {before}", grown / 1024 / count as u64);
    assert!(grown <= count as u64 * 20 * 1024, "{grown} bytes for {count} idle connections");
    drop(idle);
    outside.assert_sane();
}

//! Thousands of malformed requests and random bytes against the program in a process of its own: nothing
//! panics, nothing is answered with a 5xx, nothing refused goes further, and no memory stays behind.

use super::Outside;
use super::malformed::{Sample, mark, sample};
use crate::support::{Answer, CHAT, Call, Wire, chat, each, is_long, wait_until};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Mutex;

/// How much more memory than before may be held at the end.
const LEFT_BEHIND: u64 = 10_000_000;

/// Fails unless `answer` refuses in our shape, or is none at all.
fn assert_refused(what: &str, answer: &Answer) {
    if answer.status == 0 {
        return;
    }
    assert!((400..500).contains(&answer.status), "{what}: {answer}");
    assert!(answer.header("x-request-id").is_some(), "{what}: {answer}");
    for member in ["type", "message"] {
        assert!(answer.json()["error"][member].is_string(), "{what}: {answer}");
    }
}

/// Each connection comes from an address of its own, so that ports do not run out.
fn source(number: usize) -> Ipv4Addr {
    let [.., b, c, d] = (number as u32 % 0xff_ffff + 2).to_be_bytes();
    Ipv4Addr::new(127, b, c, d)
}

/// Sends it and reads the first answer, and whatever else there is until the end. Where nothing more could
/// come, `is_whole`, the client says so only after the answer: a client that leaves is not answered.
fn send(
    address: SocketAddr,
    number: usize,
    bytes: &[u8],
    in_drops: bool,
    is_whole: bool,
) -> (Answer, Vec<u8>) {
    let mut wire = Wire::open_from(source(number), address);
    let size = if in_drops { 1 } else { bytes.len().max(1) };
    for piece in bytes.chunks(size) {
        // The other side may have had enough.
        if !wire.try_write(piece) {
            break;
        }
    }
    if !is_whole {
        wire.shutdown(Shutdown::Write);
    }
    let answer = wire.answer();
    wire.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    while answer.whole && !wire.is_ended() {
        rest.extend(wire.take());
    }
    (answer, rest)
}

/// Sends the sample and says whether the upstream was asked.
fn attempt(address: SocketAddr, number: usize, sample: &Sample) -> bool {
    let Sample { what, bytes, in_drops, may_pass } = sample;
    let (answer, rest) = send(address, number, bytes, *in_drops, true);
    let what = format!("{number}: {what}");
    let attempts = answer.header("x-proxy-attempts").unwrap_or("0");
    if *may_pass && attempts != "0" {
        return true;
    }
    assert_eq!(attempts, "0", "{what}: {answer}");
    assert_refused(&what, &answer);
    // What lies behind a refused request is answered by nothing, or refused as no request.
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{what}: {rest}");
    false
}

/// What has been sent in every run: so much of the program's memory is its own.
fn warm_up(outside: &Outside) {
    for number in 0..40 {
        let body = if number % 4 == 0 { "x".repeat(4_000_000) } else { "hi".to_owned() };
        let answer = Wire::open(outside.address).ask(&Call::post(CHAT, chat(&body, false).to_string()));
        assert!(matches!(answer.status, 200 | 400), "{answer}");
    }
}

fn assert_memory_is_back(outside: &Outside, before: u64) {
    println!("resident before {before}, after {}", outside.running.resident());
    wait_until("memory to be back", || {
        // What is free goes back while other requests are served.
        assert_eq!(Wire::open(outside.address).ask(&Call::bare("GET", "/health")).status, 200);
        outside.running.resident() <= before + LEFT_BEHIND
    });
}

#[test]
fn malformed_requests_are_refused_and_go_no_further() {
    let count = if is_long() { 10_000 } else { 2_000 };
    let outside = Outside::start(&[]);
    warm_up(&outside);
    let before = outside.running.resident();
    let refused = Mutex::new(BTreeSet::new());
    each(0..count, |number| {
        if !attempt(outside.address, number, &sample(number)) {
            refused.lock().expect("a set").insert(mark(number));
        }
    });
    let refused = refused.into_inner().expect("a set");
    println!("{} of {count} were refused", refused.len());
    assert!(refused.len() > count / 2);
    for received in outside.simulator.control().received() {
        let body = String::from_utf8_lossy(&received.body);
        let Some(at) = body.find("mark-") else { continue };
        let mark = body.get(at..at + mark(0).len()).unwrap_or_default();
        assert!(!refused.contains(mark), "a refused request went on: {body}");
    }
    assert_memory_is_back(&outside, before);
    outside.assert_sane();
}

#[test]
fn random_bytes_are_refused_or_closed() {
    let count = if is_long() { 100_000 } else { 10_000 };
    let outside = Outside::start(&[]);
    warm_up(&outside);
    let before = outside.running.resident();
    let posts = || outside.simulator.control().received().iter().filter(|each| each.method == "POST").count();
    let warm = posts();
    let valid = Call { body: chat("x", false).to_string().into(), ..Call::bare("POST", CHAT) };
    let valid = valid.header("Authorization", "Bearer wrong").header("Content-Type", "application/json");
    let valid = [valid.head(valid.body.len()).as_bytes(), &valid.body].concat();
    each(0..count, |number| {
        let mut rng = Rng::with_seed(number as u64);
        let mut bytes = if number % 2 == 0 { valid.clone() } else { vec![0; rng.usize(1..600)] };
        if number % 2 == 0 {
            // A request that nobody may make, with some of its bytes changed.
            for _ in 0..rng.usize(1..20) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
        } else {
            rng.fill(&mut bytes);
        }
        let (answer, _) = send(outside.address, number, &bytes, false, false);
        assert_refused(&format!("{number}: {}", bytes.escape_ascii()), &answer);
    });
    assert_eq!(posts(), warm, "nothing went further");
    assert_memory_is_back(&outside, before);
    outside.assert_sane();
}

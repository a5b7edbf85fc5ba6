//! A stop of the real program: open streams come to their end, what outlasts the deadline is ended
//! with a word two seconds before it, rows are stored, and the exit code is 0.
//!
//! Streams of 1 to 3 seconds; of 1 to 20 with `LONG_TESTS`.

use crate::support::{
    Answer, CHAT, Call, PASSWORD, Program, Wire, chat, error_events, good_keys, is_long, json_events, text,
};
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const STREAMS: usize = 200;

/// A simulator and the program in front of it, which has so many seconds to end.
fn program(shutdown_timeout: &str) -> (Simulator, Program) {
    let simulator =
        Simulator::start(SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() });
    let simulator = simulator.expect("a free port");
    let program = Program::new()
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("OPENROUTER_API_KEY", &good_keys(5).join("\n"))
        .set("SERVER_SHUTDOWN_TIMEOUT", shutdown_timeout)
        .set("PROXY_FREE_MINUTE_LIMIT", "-1")
        .set("PROXY_FREE_DAILY_LIMIT", "-1")
        .set("ACCESS_PASSWORD", PASSWORD)
        .set("ADMIN_PASSWORD", "admin-password");
    (simulator, program)
}

fn rows(program: &Program) -> Vec<Value> {
    let ended = program.run(&["usage", "export"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A stream that has begun: its connection and what has come of it.
fn begun(address: SocketAddr, manner: &str) -> (Wire, Answer) {
    let mut wire = Wire::open(address);
    wire.send(&Call::post(CHAT, chat(&format!("to the end [[{manner}]]"), true).to_string()));
    let mut answer = wire.head();
    assert_eq!(answer.status, 200, "{answer}");
    assert!(wire.piece(&mut answer), "{answer}");
    (wire, answer)
}

/// Short calls, each on a connection of its own, until `over` or no connection is taken any more.
fn short_calls(address: SocketAddr, over: &AtomicBool) -> usize {
    let mut served = 0;
    while !over.load(Ordering::Relaxed) {
        let Some(mut wire) = Wire::try_open(address) else { break };
        let call = Call::post(CHAT, chat("short", served % 2 == 0).to_string());
        let request = [call.head(call.body.len()).as_bytes(), &call.body].concat();
        // One that was still in the queue of the closed port is refused as a whole.
        let answer = if wire.try_write(&request) { wire.answer() } else { Answer::default() };
        if answer.status == 0 {
            break;
        }
        assert!(answer.whole && answer.status == 200, "{answer}");
        served += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    served
}

#[test]
fn two_hundred_open_streams_end_whole() {
    let longest = if is_long() { 20.0 } else { 3.0 };
    let (_simulator, program) = program("30");
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    server.line("5 keys (5 usable)");
    let (over, ready, short) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut last_end = Instant::now();
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..STREAMS)
            .map(|number| {
                let ready = &ready;
                scope.spawn(move || {
                    let seconds = 1.0 + (longest - 1.0) * number as f64 / STREAMS as f64;
                    // Twenty events a second, and some that the answer needs besides.
                    let chunks = (seconds * 20.0) as usize;
                    let (mut wire, mut answer) = begun(address, &format!("chunks={chunks} delay_ms=50"));
                    ready.fetch_add(1, Ordering::Relaxed);
                    while wire.piece(&mut answer) {}
                    answer
                })
            })
            .collect();
        for _ in 0..2 {
            let (over, short) = (&over, &short);
            scope.spawn(move || short.fetch_add(short_calls(address, over), Ordering::Relaxed));
        }
        crate::support::wait_until("every stream to begin", || ready.load(Ordering::Relaxed) == STREAMS);
        server.signal("TERM");
        for stream in streams {
            let answer = stream.join().expect("no client fails");
            assert!(answer.whole, "{answer}");
            assert!(error_events(&answer.body).is_empty(), "{answer}");
            assert!(text(&answer.body).starts_with("echo: to the end"), "{answer}");
        }
        last_end = Instant::now();
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    let took = last_end.elapsed();
    assert!(took < Duration::from_secs(3), "it ended {took:?} after the last stream");
    let rows = rows(&program);
    let short = short.load(Ordering::Relaxed);
    println!("{short} short calls beside {STREAMS} streams; ended {took:?} after the last");
    assert_eq!(rows.len(), STREAMS + short);
    assert!(rows.iter().all(|row| row["outcome"] == "completed" && row["status"] == 200));
}

#[test]
fn load_balancers_see_it_before_connections_are_refused() {
    let (_simulator, program) = program("30");
    let program = program.set("SERVER_DRAIN_DELAY", "2");
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    server.line("5 keys (5 usable)");
    let ready = || Wire::open(address).ask(&Call::bare("GET", "/ready")).status;
    crate::support::wait_until("it to be ready", || ready() == 200);
    server.signal("TERM");
    crate::support::wait_until("the word that it ends", || ready() == 503);
    // Who has not heard yet is served all the same.
    let answer = Wire::open(address).ask(&Call::post(CHAT, chat("late", true).to_string()));
    assert!(answer.status == 200 && answer.whole, "{answer}");
    crate::support::wait_until("refused connections", || TcpStream::connect(address).is_err());
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
}

#[test]
fn what_outlasts_the_deadline_is_ended_two_seconds_before_it() {
    let (_simulator, program) = program("6");
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    let (mut wire, mut answer) = begun(address, "chunks=3000 delay_ms=20");
    let began = Instant::now();
    server.signal("TERM");
    while wire.piece(&mut answer) {}
    let told = began.elapsed();
    assert!(answer.whole, "{answer}");
    assert_eq!(error_events(&answer.body).len(), 1, "{answer}");
    assert_eq!(json_events(&answer.body).last().map(|last| last["error"]["code"] == 503), Some(true));
    assert!(told >= Duration::from_millis(3900) && told < Duration::from_millis(5900), "{told:?}");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let rows = rows(&program);
    assert_eq!(
        (rows.len(), &rows[0]["outcome"], &rows[0]["error_kind"]),
        (1, &"truncated".into(), &"stopping".into())
    );
}

#[test]
fn a_client_that_does_not_read_cannot_hold_the_stop_up() {
    let (_simulator, program) = program("60");
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    // More than any buffer on the way holds.
    let (wire, _) = begun(address, "chunks=400 size=100000");
    server.signal("TERM");
    server.line("stopping");
    let began = Instant::now();
    server.signal("INT");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    // A minute was allowed; a busy machine may need some seconds to end at once.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(wire);
    let rows = rows(&program);
    assert_eq!((rows.len(), &rows[0]["status"]), (1, &200.into()), "{rows:?}");
}

//! Killed at any moment: every answer that a client had whole has its row, once; and a start does not
//! wait for what the last process left.

use super::{ask, exported, leave_rows, program};
use crate::support::{Call, Running, Wire, chat, is_long, wait_until};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Streams and plain answers, quick and slow ones, some that break off and some that are refused.
const MIX: [(&str, bool); 8] = [
    ("a", true),
    ("b", false),
    ("c [[chunks=5 delay_ms=5]]", true),
    ("d [[delay_ms=10]]", false),
    ("e [[fault=cut900]]", true),
    ("f [[chunks=30]]", true),
    ("g", false),
    ("h [[chunks=2 delay_ms=30]]", true),
];

/// Asks until told to stop; the ids of the answers that came whole.
fn clients(address: SocketAddr, count: usize, stop: &AtomicBool, whole: &Mutex<Vec<String>>) {
    std::thread::scope(|scope| {
        for client in 0..count {
            scope.spawn(move || {
                let mut number = client;
                while !stop.load(Ordering::Acquire) {
                    let (text, stream) = MIX[number % MIX.len()];
                    number += 1;
                    let said = ask(address, &chat(text, stream));
                    if said.whole && said.status == 200 {
                        whole.lock().expect("no panic").push(said.id);
                    }
                }
            });
        }
    });
}

fn status(server: &mut Running) -> serde_json::Value {
    Wire::open(server.address("the operator connects to")).ask(&Call::admin("GET", "/api/status")).json()
}

#[test]
fn answers_that_came_whole_have_their_rows_whatever_was_killed_when() {
    let (rounds, count, longest) = if is_long() { (200, 64, 3000) } else { (10, 16, 250) };
    let (_simulator, program) = program();
    let whole = Mutex::new(Vec::new());
    let mut taken_over = 0;
    for _ in 0..rounds {
        let mut server = program.start(&[]);
        let address = server.address("clients connect to");
        let stop = AtomicBool::new(false);
        let time = Duration::from_millis(fastrand::u64(longest / 15..longest));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| clients(address, count, &stop, &whole));
            std::thread::sleep(time);
            server.signal("KILL");
            server.ended();
            stop.store(true, Ordering::Release);
            asking.join().expect("no panic");
        });
        taken_over += usize::from(server.seen.iter().any(|line| line.contains("of a process that is gone")));
    }
    let whole = whole.into_inner().expect("no panic");
    assert!(whole.len() > rounds && taken_over > 0, "{} answers, {taken_over} journals", whole.len());

    let mut server = program.start(&[]);
    let mut rows = Vec::new();
    wait_until("every row", || {
        rows = exported(&program);
        let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
        whole.iter().all(|id| ids.contains(id.as_str())) && status(&mut server)["journal"]["rows"] == 0
    });
    rows = exported(&program);
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "a request has two rows");
    // The sums, which are written beside the rows, counted each of them once.
    let admin = server.address("the operator connects to");
    let stats = Wire::open(admin).ask(&Call::admin("GET", "/api/usage/stats?days=3")).json();
    let days = stats["days"].as_array().expect("days");
    let summed: u64 = days.iter().filter_map(|day| day["requests"].as_u64()).sum();
    assert_eq!(summed, rows.len() as u64);
    assert_eq!(status(&mut server)["journal"]["damaged_files"], 0);
    println!("{rounds} kills: {} whole answers, {} rows, {taken_over} journals", whole.len(), rows.len());
}

#[test]
fn a_start_does_not_wait_for_a_hundred_thousand_rows() {
    let (_simulator, program) = program();
    // The database is there already, as it is where rows were left.
    let mut server = program.start(&[]);
    server.address("clients connect to");
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    leave_rows(program.folder(), 100_000);

    let began = Instant::now();
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    assert_eq!(Wire::open(address).ask(&Call::bare("GET", "/ready")).status, 200);
    let took = began.elapsed();
    assert_eq!(ask(address, &chat("served meanwhile", false)).status, 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
    server.line("usage rows of a process that is gone");
    // As long as rows go on arriving, on a machine that may be busy with other tests.
    let mut left = u64::MAX;
    while left > 0 {
        wait_until("the next rows to be stored", || {
            let before = left;
            left = status(&mut server)["journal"]["rows"].as_u64().expect("a number");
            left < before
        });
    }
    assert_eq!(exported(&program).len(), 100_001);
    println!("ready after {took:?}, all stored after {:?}", began.elapsed());
}

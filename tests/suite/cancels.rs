//! Clients that leave at any moment, by FIN and by RST: the upstream is closed within a second, each
//! has its row, and nothing of them is left behind. 300 of them; 1,000 with `LONG_TESTS`.

use crate::support::{CHAT, Call, House, Options, Wire, chat, good_keys, is_long, spawn, wait_for};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// When a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Moment {
    /// So many milliseconds after its request, while no head has come.
    BeforeTheHead(u64),
    /// After so many pieces of the stream.
    Midway(usize),
    /// After the last token, before the end marker.
    BeforeTheMarker,
}

/// One client that left.
struct Leaver {
    /// What its request says and no other: its number.
    tag: String,
    moment: Moment,
    /// When it left, on the simulator's clock.
    left: Duration,
}

/// Its request: long enough that it is under way when the client leaves.
fn said(tag: &str, moment: Moment) -> String {
    let manner = match moment {
        Moment::BeforeTheHead(_) => "fault=late60000",
        Moment::Midway(_) => "chunks=2000 delay_ms=10",
        Moment::BeforeTheMarker => "chunks=3 delay_ms=400",
    };
    format!("{tag} [[{manner}]]")
}

fn leave(house: &House, number: usize, random: &mut fastrand::Rng) -> Leaver {
    let tag = format!("leaver-{number:05}-");
    let moment = match number % 3 {
        0 => Moment::BeforeTheHead(random.u64(0..60)),
        1 => Moment::Midway(random.usize(1..12)),
        _ => Moment::BeforeTheMarker,
    };
    let mut wire: Wire = house.connect();
    wire.send(&Call::post(CHAT, chat(&said(&tag, moment), true).to_string()));
    match moment {
        Moment::BeforeTheHead(millis) => std::thread::sleep(Duration::from_millis(millis)),
        Moment::Midway(pieces) => {
            let mut answer = wire.head();
            while answer.pieces.len() < pieces {
                assert!(wire.piece(&mut answer), "{answer}");
            }
        }
        Moment::BeforeTheMarker => {
            let mut answer = wire.head();
            while memchr::memmem::find(&answer.body, b"\"finish_reason\":\"stop\"").is_none() {
                assert!(wire.piece(&mut answer), "{answer}");
            }
            assert!(memchr::memmem::find(&answer.body, b"[DONE]").is_none(), "{answer}");
        }
    }
    let left = house.control().elapsed();
    if random.bool() {
        wire.close()
    } else {
        wire.reset()
    }
    Leaver { tag, moment, left }
}

#[test]
fn clients_that_leave_at_any_moment_leave_nothing_behind() {
    let count = if is_long() { 1000 } else { 300 };
    let options = Options { keys: good_keys(4), keep: 2 * count, ..Options::default() };
    let house = spawn(options.unpaced().set("SERVER_WORKERS", "2"));
    let next = AtomicUsize::new(0);
    let serve = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut leavers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return leavers;
            }
            leavers.push(leave(&house, number, &mut random));
        }
    };
    let serve = &serve;
    let over = AtomicBool::new(false);
    let (leavers, late): (Vec<Leaver>, Duration) = std::thread::scope(|scope| {
        let machine = scope.spawn(|| lateness(&over));
        let clients: Vec<_> = (0..16).map(|seed| scope.spawn(move || serve(seed))).collect();
        let ended: Vec<_> = clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        let leavers = ended.into_iter().flat_map(|leavers| leavers.expect("no client fails")).collect();
        (leavers, machine.join().expect("a clock"))
    });
    the_upstream_was_closed(&house, &leavers, late);
    every_row_is_there(&house, &leavers);
    let keys = house.keys();
    assert!(keys.iter().all(|key| key.in_flight == 0 && key.rest.is_none()), "{keys:?}");
    assert_eq!(house.shared().gate.inside(), 0);
    // The next ones are served as if nothing had been.
    for stream in [false, true] {
        assert_eq!(house.chat(&chat("next", stream)).header("x-proxy-attempts"), Some("1"));
    }
}

/// How late this machine woke who slept, at worst, until `over`: on a busy one everything is.
fn lateness(over: &AtomicBool) -> Duration {
    let nap = Duration::from_millis(10);
    let mut worst = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        std::thread::sleep(nap);
        worst = worst.max(began.elapsed().saturating_sub(nap));
    }
    worst
}

/// Within a second of each leaving, unless it never got so far. Several threads take part in
/// it in turn, each of which a busy machine may have woken `late`, and more than once.
fn the_upstream_was_closed(house: &House, leavers: &[Leaver], late: Duration) {
    let limit = Duration::from_secs(1) + 10 * late;
    let ends: Vec<(String, Duration)> = wait_for("every attempt to end", || {
        let received = house.control().received();
        let posted = received.iter().filter(|request| request.method == "POST");
        posted
            .map(|request| {
                Some((String::from_utf8_lossy(&request.body).into_owned(), request.end.clone()?.since_start))
            })
            .collect()
    });
    let end_of: HashMap<&str, Duration> = ends
        .iter()
        .filter_map(|(body, end)| {
            let at = body.find("leaver-")?;
            Some((body.get(at..at + "leaver-00000-".len())?, *end))
        })
        .collect();
    assert_eq!(end_of.len(), ends.len(), "a request was sent twice");
    let mut slowest = Duration::ZERO;
    for leaver in leavers {
        let Some(end) = end_of.get(leaver.tag.as_str()) else {
            // Gone before its attempt was sent.
            assert!(matches!(leaver.moment, Moment::BeforeTheHead(_)), "{} {:?}", leaver.tag, leaver.moment);
            continue;
        };
        let took = end.saturating_sub(leaver.left);
        assert!(took < limit, "{} {:?}: closed after {took:?}", leaver.tag, leaver.moment);
        slowest = slowest.max(took);
    }
    println!(
        "{} of {} reached the upstream, closed within {slowest:?}; the machine was up to {late:?} late",
        end_of.len(),
        leavers.len()
    );
    assert!(end_of.len() * 10 >= leavers.len() * 9, "{} of {}", end_of.len(), leavers.len());
}

fn every_row_is_there(house: &House, leavers: &[Leaver]) {
    let rows = house.rows(leavers.len() - leavers.len() / 10);
    // A client that is gone before its request was read has asked for nothing.
    assert!(rows.len() <= leavers.len(), "{} rows", rows.len());
    let began = rows.iter().filter(|row| row.status == 200).count();
    let want = leavers.iter().filter(|leaver| !matches!(leaver.moment, Moment::BeforeTheHead(_))).count();
    assert_eq!(began, want, "streams that had begun");
    for row in &rows {
        assert_eq!(
            (row.outcome.as_str(), row.error_kind.as_deref()),
            ("cancelled", Some("client_left")),
            "{row:?}"
        );
        assert!(matches!(row.status, 200 | 499), "{row:?}");
        // The tokens so far, and by what name the upstream knows the rest.
        if row.status == 200 {
            assert!(row.tokens.completion > Some(0) && row.generation_id.is_some(), "{row:?}");
        }
    }
}

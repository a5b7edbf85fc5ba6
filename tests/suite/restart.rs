//! What a stop leaves behind is there at the next start: keys, counts, models and rows; and a stop
//! lets open requests come to their end.

use crate::support::{
    CHAT, Call, House, MODEL, Options, PASSWORD, Program, Wire, chat, error_events, good_keys, json_events,
    key, spawn, wait_until,
};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use std::time::{Duration, Instant};

/// Used today and ever, of each key.
fn counts(house: &House) -> Vec<(u64, u64)> {
    house.keys().iter().map(|key| (key.record.used_today, key.record.used_total)).collect()
}

#[test]
fn keys_counts_models_and_rows_are_there_again() {
    let clock = Clock::manual(Timestamp::parse("2026-10-10T12:00:00Z").expect("a time"));
    let mut house = spawn(Options { keys: good_keys(2), clock: clock.clone(), ..Options::default() });
    for number in 0..5 {
        assert_eq!(house.chat(&chat(&format!("{number}"), number % 2 == 0)).status, 200);
    }
    let list = house.ask(&Call::get("/v1/models"));
    assert_eq!(counts(&house), [(3, 3), (2, 2)]);
    house.stop();

    // The upstream is away: the models are known all the same.
    house.control().set_fault(
        openrouter_proxy::simulator::Scope::Path("/models".to_owned()),
        openrouter_proxy::simulator::Fault::Internal,
    );
    house.start();
    let again = house.ask(&Call::get("/v1/models"));
    assert_eq!((again.status, again.body), (200, list.body));
    assert_eq!(counts(&house), [(3, 3), (2, 2)]);
    assert_eq!(house.rows(5).len(), 5);
    assert_eq!(house.chat(&chat("5", false)).status, 200);
    assert_eq!(house.rows(6).len(), 6);
    house.stop();

    // A new day: what was used ever stays.
    clock.turn(Duration::from_secs(86_400));
    house.start();
    let (today, ever): (Vec<u64>, Vec<u64>) = counts(&house).into_iter().unzip();
    assert_eq!((today, ever.iter().sum::<u64>()), (vec![0, 0], 6));
}

#[test]
fn the_day_turns_without_a_restart() {
    let clock = Clock::manual(Timestamp::parse("2026-10-10T23:59:59Z").expect("a time"));
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    house.chat(&chat("late", false));
    assert_eq!(counts(&house), [(1, 1)]);
    clock.turn(Duration::from_secs(2));
    house.chat(&chat("early", false));
    assert_eq!(counts(&house), [(1, 2)]);
    let days: Vec<i32> = house.rows(2).iter().map(|row| row.time.day().0).collect();
    assert_eq!(days[1], days[0] + 1);
}

#[test]
fn a_rejected_key_stays_rejected() {
    let mut house = spawn(Options::keys(["revoked", "good"]));
    assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("2"));
    wait_until("the fault to be stored", || {
        let now = Clock::system().now();
        house.store().key_records(now.day()).is_ok_and(|keys| keys[0].fault.is_some())
    });
    house.stop();
    house.start();
    assert_eq!(house.chat(&chat("x", false)).header("x-proxy-attempts"), Some("1"));
    assert_eq!(house.control().key(&key("revoked", 1)).attempts, 1);
}

#[test]
fn a_stop_lets_open_streams_end() {
    let mut house = spawn(Options::default());
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("to the end [[chunks=40 delay_ms=20]]", true).to_string()));
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer));
    let stopping = house.ask_to_stop();
    wait_until("readiness to be denied", || house.shared().gate.is_draining());
    while wire.piece(&mut answer) {}
    assert!(answer.whole, "{answer}");
    assert!(json_events(&answer.body).len() > 40);
    assert!(stopping.elapsed() > Duration::from_millis(300));
    house.stop();
    let rows = crate::support::all_rows(&house.store());
    assert_eq!(rows[0].outcome, "completed");
}

#[test]
fn what_outlasts_the_stop_is_ended_with_a_word() {
    let mut house = spawn(Options::default().set("SERVER_SHUTDOWN_TIMEOUT", "0.3"));
    let ask = |text: &str, stream: bool| {
        let mut wire = house.connect();
        wire.send(&Call::post(CHAT, chat(text, stream).to_string()));
        wire
    };
    let mut open = ask("without end [[chunks=3000 delay_ms=20]]", true);
    let mut waiting = ask("no answer [[fault=late60000]]", false);
    let mut streamed = open.head();
    assert!(open.piece(&mut streamed));
    wait_until("both attempts", || house.attempts() == 2);
    house.ask_to_stop();
    while open.piece(&mut streamed) {}
    assert!(streamed.whole, "{streamed}");
    assert_eq!(error_events(&streamed.body)[0]["error"]["code"], 503, "{streamed}");
    let refused = waiting.answer();
    assert_eq!((refused.status, refused.error("code").as_str()), (503, "stopping"), "{refused}");
    house.stop();
    let rows = crate::support::all_rows(&house.store());
    let mut outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["refused", "truncated"]);
    assert!(rows.iter().all(|row| row.error_kind.as_deref() == Some("stopping")), "{rows:?}");
}

/// A simulator and the real program in front of it.
fn program(keys: usize) -> (Simulator, Program) {
    let simulator =
        Simulator::start(SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() });
    let simulator = simulator.expect("a free port");
    let program = Program::new()
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("OPENROUTER_API_KEY", &good_keys(keys).join("\n"))
        .set("ACCESS_PASSWORD", PASSWORD)
        .set("ADMIN_PASSWORD", "admin-password");
    (simulator, program)
}

fn exported(program: &Program) -> Vec<serde_json::Value> {
    let ended = program.run(&["usage", "export"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn sigterm_stores_every_row_and_count() {
    let (_simulator, program) = program(3);
    let mut server = program.start(&[]);
    let address = server.address("clients connect to");
    server.line("3 keys (3 usable)");
    let mut wire = Wire::open(address);
    for number in 0..30 {
        let answer = wire.ask(&Call::post(CHAT, chat(&format!("{number}"), number % 2 == 0).to_string()));
        assert_eq!(answer.status, 200, "{answer}");
    }
    // At once: what is not stored yet must be stored by the stop.
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    let rows = exported(&program);
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row["status"] == 200 && row["model"] == MODEL));
    let keys = program.run(&["keys", "list", "--json"]);
    let keys: serde_json::Value = serde_json::from_str(&keys.out).expect("JSON");
    let used = |member: &str| -> i64 {
        keys["data"].as_array().into_iter().flatten().filter_map(|key| key[member].as_i64()).sum()
    };
    assert_eq!((used("used_today"), used("used_total")), (30, 30));

    let mut server = program.start(&[]);
    server.line("3 keys (3 usable)");
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
}

#[test]
fn a_second_signal_ends_at_once_and_still_stores() {
    let (_simulator, program) = program(1);
    let mut server = program.start(&[]);
    let mut wire = Wire::open(server.address("clients connect to"));
    wire.send(&Call::post(CHAT, chat("without end [[chunks=3000 delay_ms=20]]", true).to_string()));
    let mut answer = wire.head();
    assert!(wire.piece(&mut answer));
    server.signal("TERM");
    server.line("stopping");
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let rows = exported(&program);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["status"], &rows[0]["error_kind"]), (&200.into(), &"stopping".into()));
    while wire.piece(&mut answer) {}
    assert!(answer.whole, "{answer}");
    assert_eq!(error_events(&answer.body).len(), 1, "{answer}");
}

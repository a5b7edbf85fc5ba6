//! The database is away: requests go on, the journal grows and says so, and every row arrives soon after
//! the database is back. When nothing more can be kept, new requests are turned away.

use crate::support::{Answer, CHAT, Call, House, Options, chat, is_long, spawn, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn status(house: &House) -> Value {
    house.operate(&Call::admin("GET", "/api/status")).json()
}

fn id(answer: &Answer) -> String {
    answer.header("x-request-id").expect("a request id").to_owned()
}

fn warns(status: &Value, kind: &str) -> bool {
    status["warnings"].as_array().is_some_and(|all| all.iter().any(|banner| banner["kind"] == kind))
}

fn stored(house: &House) -> BTreeSet<String> {
    let rows = crate::support::all_rows(&house.store());
    let ids: BTreeSet<String> = rows.iter().map(|row| row.request_id.clone()).collect();
    assert_eq!(ids.len(), rows.len());
    ids
}

#[test]
fn requests_go_on_while_the_database_is_away() {
    let time = Duration::from_secs(if is_long() { 60 } else { 3 });
    let house = spawn(Options::default().unpaced());
    let before = house.chat(&chat("before", false));
    wait_until("a row", || house.shared().usage.waiting() == 0);
    let lock = house.lock_database();
    let began = Instant::now();
    let mut answered: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let house = &house;
                scope.spawn(move || {
                    let mut wire = house.connect();
                    let mut ids = Vec::new();
                    while began.elapsed() < time {
                        let body = chat("meanwhile", (client + ids.len()) % 2 == 0).to_string();
                        let answer = wire.ask(&Call::post(CHAT, body));
                        assert!(answer.status == 200 && answer.whole, "{answer}");
                        ids.push(id(&answer));
                    }
                    ids
                })
            })
            .collect();
        wait_until("the status to say so", || {
            let status = status(&house);
            status["degraded"] == true
                && status["journal"]["rows"].as_u64() > Some(0)
                && status["journal"]["bytes"].as_u64() > Some(0)
                && warns(&status, "database_away")
                && warns(&status, "journal_growing")
        });
        assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 200);
        let metrics = String::from_utf8(house.operate(&Call::admin("GET", "/metrics")).body).expect("text");
        assert!(metrics.contains("openrouter_proxy_database_up 0"), "{metrics}");
        clients.into_iter().flat_map(|client| client.join().expect("every answer is right")).collect()
    });
    answered.push(id(&before));
    drop(lock);
    let back = Instant::now();
    wait_until("every row", || {
        let stored = stored(&house);
        answered.iter().all(|id| stored.contains(id))
    });
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    wait_until("the status to be well", || status(&house)["degraded"] == false);
    println!("{} requests in {time:?}, all stored {:?} after", answered.len(), back.elapsed());
}

#[test]
fn a_full_journal_turns_new_requests_away_until_it_is_emptied() {
    let house = spawn(Options::default().unpaced().set("USAGE_JOURNAL_MAX_BYTES", "64 KiB"));
    let lock = house.lock_database();
    let mut wire = house.connect();
    let mut answered = Vec::new();
    let refused = loop {
        let answer = wire.ask(&Call::post(CHAT, chat("fill", answered.len() % 2 == 0).to_string()));
        if answer.status != 200 {
            break answer;
        }
        answered.push(id(&answer));
        assert!(answered.len() < 2000, "it never fills");
    };
    assert_eq!((refused.status, refused.error("code").as_str()), (503, "usage_not_recorded"));
    assert!(refused.number("retry-after") > 0);
    assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 503);
    let state = status(&house);
    assert!(state["degraded"] == true && state["journal"]["full"] == true, "{state}");
    assert!(warns(&state, "journal_full"), "{state}");
    let bytes = house.shared().usage.depth().bytes;
    for _ in 0..50 {
        assert_eq!(house.chat(&chat("no", false)).status, 503);
    }
    assert_eq!(house.shared().usage.depth().bytes, bytes, "what is turned away takes no room");
    drop(lock);
    wait_until("room", || house.chat(&chat("again", false)).status == 200);
    wait_until("every row", || {
        let stored = stored(&house);
        answered.iter().all(|id| stored.contains(id))
    });
    assert_eq!(house.ask(&Call::bare("GET", "/ready")).status, 200);
}

/// The journal holds the row before the last byte of the answer reaches the client, whatever it is.
fn every_ending_is_written_first(durability: &str) {
    let early = |options: Options| Options {
        adjust: |settings| settings.proxy.early_headers = Some(Duration::from_millis(50)),
        ..options
    };
    let options = Options::default().unpaced().set("USAGE_DURABILITY", durability);
    let house = spawn(early(options.set("PROXY_MAX_ATTEMPTS", "1")));
    let _lock = house.lock_database();
    let mut wrong = Call::post(CHAT, chat("who", false).to_string());
    wrong.headers[0].1 = "Bearer wrong".to_owned();
    let calls = [
        ("completed", Call::post(CHAT, chat("plain", false).to_string())),
        ("completed", Call::post(CHAT, chat("stream [[chunks=3]]", true).to_string())),
        ("completed", Call::post(CHAT, chat("late [[fault=late300 comments=0]]", true).to_string())),
        ("truncated", Call::post(CHAT, chat("cut [[fault=cut900]]", true).to_string())),
        ("refused", wrong),
        ("refused", Call::post(CHAT, "no JSON")),
        ("failed", Call::post(CHAT, chat("[[fault=internal]]", false).to_string())),
        ("failed", Call::post(CHAT, chat("[[fault=internal]]", true).to_string())),
    ];
    for (outcome, call) in calls {
        let answer = house.ask(&call);
        let written = house.journal();
        let id = id(&answer);
        let row = written.split(&id).nth(1).unwrap_or_else(|| panic!("no row of {answer}"));
        let row = row.split("request_id").next().unwrap_or_default();
        assert!(row.contains(&format!("\"outcome\":\"{outcome}\"")), "{answer}: {row}");
    }
    // A client that leaves has nothing to wait for; its row comes soon.
    let mut wire = house.connect();
    wire.send(&Call::post(CHAT, chat("gone [[chunks=500 delay_ms=20]]", true).to_string()));
    let id = id(&wire.head());
    wire.reset();
    wait_until("its row", || house.journal().contains(&id));
}

#[test]
fn every_ending_is_written_before_its_last_byte() {
    every_ending_is_written_first("process");
}

#[test]
fn every_ending_waits_for_the_disk_if_that_was_chosen() {
    every_ending_is_written_first("disk");
}

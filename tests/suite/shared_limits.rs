//! Several processes on one database: however requests are spread, and whoever is killed, the upstream
//! sees no more of them than a limit allows. The simulator counts and refuses nothing by itself.
//!
//! On SQLite two processes share one file; where `TEST_POSTGRES_URL` names a server, three share a
//! database there. The nemesis goes on for some seconds; for two minutes and among four with `LONG_TESTS`,
//! `NEMESIS_RUNS` times. On Postgres it has a server of its own, which it starts anew, and clocks that are wrong.

use crate::support::{
    Answer, CHAT, Call, PASSWORD, PATIENCE, PostgresServer, Program, Running, Wire, chat, good_keys, is_long,
    key, postgres, wait_until,
};
use openrouter_proxy::simulator::{Control, Options as SimulatorOptions, Simulator};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Programs on one database, and what they ask upstream.
struct Fleet {
    simulator: Simulator,
    program: Program,
    running: Vec<(Running, SocketAddr)>,
    _database: Option<postgres::Database>,
}

impl Fleet {
    fn start(&mut self) {
        let mut running = self.program.start(&[]);
        let address = running.address("clients connect to");
        self.running.push((running, address));
    }

    fn control(&self) -> Control {
        self.simulator.control()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().map(|(_, address)| *address).collect()
    }

    /// Ends the process at `at` in this way and starts another in its place.
    fn replace(&mut self, at: usize, signal: &str) {
        let (mut running, _) = self.running.remove(at);
        running.signal(signal);
        running.ended();
        self.start();
    }
}

fn spread(programs: usize, database: Option<postgres::Database>, settings: &[(&str, &str)]) -> Fleet {
    let options = SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).expect("a free port");
    let mut program = Program::new()
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("OPENROUTER_API_KEY", &good_keys(1).join("\n"))
        .set("OPENROUTER_KEY_CHECK_INTERVAL", "0")
        .set("ACCESS_PASSWORD", PASSWORD)
        .set("ADMIN_PASSWORD", "admin-password")
        .set("PROXY_FREE_DAILY_LIMIT", "-1")
        .set("PROXY_FREE_MINUTE_LIMIT", "-1")
        .set("PROXY_QUEUE_TIMEOUT", "0");
    if let Some(database) = &database {
        program = program.set("DATABASE_URL", &database.url());
    }
    for (variable, value) in settings {
        program = program.set(variable, value);
    }
    let mut fleet = Fleet { simulator, program, running: Vec::new(), _database: database };
    for _ in 0..programs {
        fleet.start();
    }
    fleet
}

/// On each database that is to be had.
fn on_each(story: impl Fn(usize, Option<postgres::Database>)) {
    story(2, None);
    if let Some(database) = postgres::Database::create() {
        story(3, Some(database));
    }
}

fn ask(address: SocketAddr, password: &str) -> Answer {
    let mut call = Call::post(CHAT, chat("hello", false).to_string());
    call.headers.retain(|(name, _)| name != "Authorization");
    let call = call.header("Authorization", &format!("Bearer {password}"));
    Wire::open(address).ask(&call)
}

/// Asks every program at once until each has refused for some time; the statuses that came.
fn exhaust(addresses: &[SocketAddr], password: &str) -> BTreeMap<u16, u64> {
    let statuses: Mutex<BTreeMap<u16, u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for address in addresses.iter().flat_map(|address| [address, address]) {
            let statuses = &statuses;
            scope.spawn(move || {
                let (mut in_vain, mut away) = (0, Instant::now());
                while in_vain < 10 {
                    let answer = ask(*address, password);
                    // On a busy machine the database may not have answered in time: that is no refusal.
                    if answer.json()["error"]["code"] == "quota_unknown" && away.elapsed() < PATIENCE {
                        std::thread::sleep(Duration::from_millis(100));
                        continue;
                    }
                    away = Instant::now();
                    *statuses.lock().expect("no panic").entry(answer.status).or_default() += 1;
                    in_vain = if answer.status == 200 { 0 } else { in_vain + 1 };
                    assert!(matches!(answer.status, 200 | 429), "{answer}");
                }
            });
        }
    });
    statuses.into_inner().expect("no panic")
}

/// The most that reached the upstream in one UTC day, and all that did.
fn by_day(control: &Control) -> (u64, u64) {
    let days = control.key(&key("good", 1)).by_day;
    (days.values().copied().max().unwrap_or(0), days.values().sum())
}

/// What reached the upstream in each UTC minute.
fn by_minute(control: &Control) -> BTreeMap<i64, u64> {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for received in control.received().iter().filter(|received| received.method == "POST") {
        *minutes.entry(received.at.minute()).or_default() += 1;
    }
    minutes
}

#[test]
fn an_accounts_day_is_shared_and_used_up() {
    on_each(|programs, database| {
        let fleet = spread(programs, database, &[("PROXY_FREE_DAILY_LIMIT", "50")]);
        let statuses = exhaust(&fleet.addresses(), PASSWORD);
        let (most, all) = by_day(&fleet.control());
        assert!(most <= 50, "{most}");
        assert!(all >= 50, "{all} of 50 were usable: {statuses:?}");
        assert_eq!(statuses.get(&200), Some(&all));
    });
}

#[test]
fn an_accounts_minute_is_shared() {
    on_each(|programs, database| {
        let fleet = spread(programs, database, &[("PROXY_FREE_MINUTE_LIMIT", "20")]);
        exhaust(&fleet.addresses(), PASSWORD);
        let minutes = by_minute(&fleet.control());
        let most = minutes.values().max().copied().unwrap_or(0);
        assert!(most <= 20, "{minutes:?}");
        assert!(minutes.values().sum::<u64>() >= 20, "{minutes:?}");
    });
}

#[test]
fn a_client_tokens_day_is_shared() {
    on_each(|programs, database| {
        let fleet = spread(programs, database, &[]);
        let created = fleet.program.run(&["tokens", "create", "Ada", "--daily-limit", "30", "--json"]);
        let created: serde_json::Value = serde_json::from_str(&created.out).expect("JSON");
        let token = created["token"].as_str().expect("a token");
        for address in fleet.addresses() {
            wait_until("the token to be known", || ask(address, token).status != 401);
        }
        exhaust(&fleet.addresses(), token);
        let (most, all) = by_day(&fleet.control());
        assert!(most <= 30, "{most}");
        assert!(all >= 30, "{all} of 30 were usable");
    });
}

#[test]
fn who_is_killed_or_stopped_takes_nothing_along() {
    on_each(|programs, database| {
        let mut fleet = spread(programs, database, &[("PROXY_FREE_DAILY_LIMIT", "100")]);
        let mut served = 0;
        for signal in ["TERM", "KILL", "KILL", "TERM", "KILL"] {
            for address in fleet.addresses() {
                served += u64::from(ask(address, PASSWORD).status == 200);
            }
            fleet.replace(0, signal);
        }
        served += exhaust(&fleet.addresses(), PASSWORD).get(&200).copied().unwrap_or(0);
        let (most, all) = by_day(&fleet.control());
        assert_eq!(served, all);
        assert!(most <= 100, "{most}");
        assert!(all >= 100, "{all} of 100 were usable");
    });
}

#[test]
fn a_restart_within_a_minute_neither_passes_its_limit_nor_waits_for_the_next() {
    let mut fleet = spread(1, None, &[("PROXY_FREE_MINUTE_LIMIT", "30")]);
    let mut served = 0;
    for signal in ["KILL", "TERM", "KILL"] {
        for _ in 0..5 {
            served += u64::from(ask(fleet.addresses()[0], PASSWORD).status == 200);
        }
        fleet.replace(0, signal);
    }
    served += exhaust(&fleet.addresses(), PASSWORD).get(&200).copied().unwrap_or(0);
    let minutes = by_minute(&fleet.control());
    assert!(minutes.values().all(|count| *count <= 30), "{minutes:?}");
    assert!(served >= 30, "{minutes:?}");
}

/// The status of an answer from a process that may be killed or paused meanwhile.
fn try_ask(address: SocketAddr) -> Option<u16> {
    let body = chat("slowly [[chunks=5 delay_ms=100]]", true).to_string();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {PASSWORD}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// The library that turns a process's clock, where Debian's package `faketime` puts it.
fn clock_turner() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("the libraries").flatten();
    let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let file = files.find(|file| file.exists()).expect("the package faketime is installed");
    file.to_str().expect("UTF-8").to_owned()
}

/// Lets the clock of the next process be wrong.
fn turn_clock(fleet: &mut Fleet) {
    let wrong = ["-90s", "+90s", "+0s"][fastrand::usize(..3)];
    fleet.program.change("LD_PRELOAD", &clock_turner());
    fleet.program.change("FAKETIME", wrong);
    fleet.program.change("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

/// A server and the name of the database there.
type Place<'a> = (&'a PostgresServer, &'a str);

/// One thing that goes wrong with the fleet, or with its database.
fn harm(fleet: &Mutex<Fleet>, database: Option<Place<'_>>) {
    let programs = fleet.lock().expect("no panic").running.len();
    let who = fastrand::usize(..programs);
    let replace = |signal| {
        let mut fleet = fleet.lock().expect("no panic");
        if database.is_some() {
            turn_clock(&mut fleet);
        }
        fleet.replace(who, signal);
    };
    let a_while = || {
        std::thread::sleep(Duration::from_millis(fastrand::u64(500..if is_long() { 20_000 } else { 2_000 })))
    };
    let cut = |(server, name): Place<'_>| {
        server.tell(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    };
    let kind = fastrand::u8(..if database.is_some() { 7 } else { 3 });
    match (kind, database) {
        (3, Some(place)) => cut(place),
        // Everybody is thrown out, and nobody is let in for a while.
        (4, Some((server, name))) => {
            server.tell(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
            cut((server, name));
            a_while();
            server.tell(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
        }
        (5, Some((server, _))) => {
            server.restart("INT");
            a_while();
        }
        // As if it had crashed: it recovers from its log.
        (6, Some((server, _))) => {
            server.restart("QUIT");
            a_while();
        }
        (1, _) => replace("TERM"),
        (2, _) => {
            fleet.lock().expect("no panic").running[who].0.signal("STOP");
            a_while();
            fleet.lock().expect("no panic").running[who].0.signal("CONT");
        }
        _ => replace("KILL"),
    }
}

/// The most that each account was asked in one UTC minute.
fn most_in_a_minute(control: &Control) -> u64 {
    let mut minutes: BTreeMap<(String, i64), u64> = BTreeMap::new();
    for received in control.received().iter().filter(|received| received.method == "POST") {
        *minutes.entry((received.key_hint.clone(), received.at.minute())).or_default() += 1;
    }
    minutes.values().max().copied().unwrap_or(0)
}

#[test]
fn whatever_dies_or_pauses_no_limit_is_passed() {
    nemesis(2, None);
    let runs = std::env::var("NEMESIS_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    for _ in 0..runs {
        let Some(server) = PostgresServer::start() else { return };
        nemesis(if is_long() { 4 } else { 3 }, Some(&server));
    }
}

fn nemesis(programs: usize, server: Option<&PostgresServer>) {
    const LIMIT: u64 = 200;
    let (accounts, lasting, minute) = if is_long() { (10, 120, 120) } else { (2, 6, 1_000) };
    let database = server.map(PostgresServer::database);
    let url = database.as_ref().map(postgres::Database::url);
    let place = server.zip(url.as_deref().and_then(|url| url.rsplit('/').next()));
    let keys = good_keys(accounts).join("\n");
    let settings = [
        ("PROXY_FREE_DAILY_LIMIT", "200"),
        ("PROXY_FREE_MINUTE_LIMIT", &minute.to_string()),
        ("OPENROUTER_API_KEY", keys.as_str()),
    ];
    let fleet = Mutex::new(spread(programs, database, &settings));
    let control = fleet.lock().expect("no panic").control();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let addresses = fleet.lock().expect("no panic").addresses();
                    try_ask(addresses[fastrand::usize(..addresses.len())]);
                }
            });
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(lasting) {
            harm(&fleet, place);
        }
        over.store(true, Ordering::Relaxed);
    });
    let most = || {
        let keys = control.keys();
        keys.values().flat_map(|key| key.by_day.values()).max().copied().unwrap_or(0)
    };
    assert!(most() <= LIMIT, "{}", most());
    // Once nothing goes wrong any more, what is left of the day can be used, some in the next minute.
    wait_until("every process to serve again", || {
        let addresses = fleet.lock().expect("no panic").addresses();
        addresses.iter().all(|address| matches!(try_ask(*address), Some(200 | 429)))
    });
    let addresses = fleet.lock().expect("no panic").addresses();
    exhaust(&addresses, PASSWORD);
    if is_long() {
        std::thread::sleep(Duration::from_secs(60));
        exhaust(&addresses, PASSWORD);
    }
    let in_a_minute = most_in_a_minute(&control);
    assert!(most() <= LIMIT, "{}", most());
    assert!(in_a_minute <= minute, "{in_a_minute}");
    let all: u64 = control.keys().values().map(|key| key.attempts).sum();
    let limits = LIMIT * u64::try_from(accounts).expect("small");
    println!("{all} of {limits} were used by {programs} programs, {in_a_minute} of {minute} in one minute");
    // Who is started in the place of one that was killed finds what that had, but for requests that were noted
    // and not sent yet, and for a first part that was on its way.
    assert!(all >= limits * 3 / 4, "{all} of {limits}");
}

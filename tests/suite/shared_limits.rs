//! Several processes on one database: however requests are spread, and whoever is killed, the upstream
//! sees no more of them than a limit allows. The simulator counts and refuses nothing by itself.
//!
//! On SQLite two processes share one file; where `TEST_POSTGRES_URL` names a server, three share a
//! database there.

use crate::support::{
    Answer, CHAT, Call, PASSWORD, Program, Running, Wire, chat, good_keys, key, postgres, wait_until,
};
use openrouter_proxy::simulator::{Control, Options as SimulatorOptions, Simulator};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

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
                let mut in_vain = 0;
                while in_vain < 10 {
                    let answer = ask(*address, password);
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
        let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
        for received in fleet.control().received().iter().filter(|received| received.method == "POST") {
            *minutes.entry(received.at.minute()).or_default() += 1;
        }
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
fn who_is_killed_takes_little_along_and_who_stops_gives_back() {
    on_each(|programs, database| {
        let mut fleet = spread(programs, database, &[("PROXY_FREE_DAILY_LIMIT", "100")]);
        let mut served = 0;
        for signal in ["TERM", "KILL", "TERM"] {
            for address in fleet.addresses() {
                served += u64::from(ask(address, PASSWORD).status == 200);
            }
            fleet.replace(0, signal);
        }
        served += exhaust(&fleet.addresses(), PASSWORD).get(&200).copied().unwrap_or(0);
        let (most, all) = by_day(&fleet.control());
        assert_eq!(served, all);
        assert!(most <= 100, "{most}");
        assert!(all >= 80, "a killed process took more than a block along: {all}");
    });
}

//! Two processes on one database: what is done at one holds at the other, soon and without a restart, and
//! each knows of the other.

use crate::support::{
    Answer, CHAT, Call, MODEL, PASSWORD, PostgresServer, Program, Running, Wire, chat, key, postgres,
    wait_for, wait_until,
};
use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// One process: where clients and where operators connect to.
struct Side {
    password: &'static str,
    running: Running,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Side {
    fn operate(&self, call: &Call) -> Answer {
        Wire::open(self.admin).ask(call)
    }

    fn call(&self, method: &str, target: &str) -> Call {
        Call::bare(method, target).header("Authorization", &format!("Bearer {}", self.password))
    }

    fn get(&self, target: &str) -> Value {
        let answer = self.operate(&self.call("GET", target));
        assert_eq!(answer.status, 200, "{answer}");
        answer.json()
    }

    fn change(&self, method: &str, target: &str, body: &Value) -> Answer {
        let answer = self.operate(&self.call(method, target).json(body));
        assert!((200..300).contains(&answer.status), "{answer}");
        answer
    }

    /// What a client gets who comes with this credential.
    fn chat_as(&self, credential: &str) -> u16 {
        let call = Call::bare("POST", CHAT).json(&chat("hello", false));
        Wire::open(self.data).ask(&call.header("Authorization", &format!("Bearer {credential}"))).status
    }

    fn chat(&self) -> u16 {
        self.chat_as(PASSWORD)
    }

    /// The status of the first page for who comes with this cookie.
    fn session(&self, cookie: &str) -> u16 {
        self.operate(&Call::bare("GET", "/api/session").header("Cookie", cookie)).status
    }

    fn try_sign_in(&self, password: &str) -> Option<String> {
        let answer = self.operate(&Call::bare("POST", "/api/login").json(&json!({"password": password})));
        let cookie = answer.header("set-cookie").filter(|_| answer.status == 200)?;
        cookie.split(';').next().map(str::to_owned)
    }

    fn sign_in(&self, password: &str) -> String {
        self.try_sign_in(password).expect("a cookie")
    }

    fn sign_out(&self, cookie: &str) {
        assert_eq!(self.operate(&Call::bare("POST", "/api/logout").header("Cookie", cookie)).status, 204);
    }

    /// The state of each process that this one knows.
    fn states(&self) -> Vec<String> {
        let list = self.get("/api/instances");
        let entries = list["data"].as_array().expect("a list");
        entries.iter().map(|entry| entry["state"].as_str().expect("a state").to_owned()).collect()
    }
}

/// Two processes on one database, and what they ask upstream.
struct Pair {
    one: Side,
    two: Side,
    simulator: Simulator,
    program: Program,
}

impl Pair {
    /// Of this program, whose admin password is known.
    fn of(program: Program, password: &'static str) -> Pair {
        let options = SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() };
        let simulator = Simulator::start(options).expect("a free port");
        let program = program
            .set("OPENROUTER_API_URL", &simulator.base_url())
            .set("OPENROUTER_KEY_CHECK_INTERVAL", "0")
            .set("ACCESS_PASSWORD", PASSWORD)
            .set("PROXY_FREE_DAILY_LIMIT", "-1")
            .set("PROXY_FREE_MINUTE_LIMIT", "-1")
            .set("PROXY_QUEUE_TIMEOUT", "0");
        let (one, two) = (side(&program, password), side(&program, password));
        let pair = Pair { one, two, simulator, program };
        wait_until("both to know of both", || {
            pair.one.states() == ["live", "live"] && pair.two.states() == ["live", "live"]
        });
        pair
    }

    fn new() -> Pair {
        Pair::of(Program::new().set("ADMIN_PASSWORD", "admin-password"), "admin-password")
    }

    /// With one upstream key that both know.
    fn with_key() -> Pair {
        let pair = Pair::new();
        pair.one.change("POST", "/api/keys", &json!({"key": key("good", 1)}));
        wait_until("the key to serve at both", || pair.one.chat() == 200 && pair.two.chat() == 200);
        pair
    }
}

fn side(program: &Program, password: &'static str) -> Side {
    let mut running = program.start(&[]);
    let data = running.address("clients connect to");
    let admin = running.address("operator connects to");
    Side { password, running, data, admin }
}

#[test]
fn each_knows_the_other_until_it_ends() {
    let mut pair = Pair::with_key();
    let list = pair.two.get("/api/instances");
    let entries = list["data"].as_array().expect("a list");
    assert_eq!(list["next_cursor"], json!(null));
    assert_eq!((&entries[0]["this"], &entries[1]["this"]), (&json!(false), &json!(true)), "{list}");
    assert_eq!(entries[0]["data_address"], json!(pair.one.data.to_string()));
    assert_eq!(entries[1]["admin_address"], json!(pair.two.admin.to_string()));
    assert_ne!(entries[0]["pid"], entries[1]["pid"]);
    assert_eq!(pair.two.get("/api/status")["instances"], list["data"]);

    // While an answer is under way the first one drains, and says so.
    let mut slow = Wire::open(pair.one.data);
    slow.send(&Call::post(CHAT, chat("[[chunks=600 delay_ms=100]]", true).to_string()));
    assert_eq!(slow.head().status, 200);
    pair.one.running.signal("TERM");
    wait_until("the drain to be said", || pair.two.states() == ["draining", "live"]);
    slow.close();
    assert_eq!(pair.one.running.ended(), 0);
    assert_eq!(wait_for("the farewell", || Some(pair.two.states()).filter(|all| all.len() == 1)), ["live"]);
}

#[test]
fn keys_are_added_disabled_and_removed_for_both() {
    let pair = Pair::new();
    assert_eq!(pair.two.chat(), 503);
    let added = pair.one.change("POST", "/api/keys", &json!({"key": key("good", 1)})).json();
    wait_until("the key to serve", || pair.two.chat() == 200);
    let target = format!("/api/keys/{}", added["id"]);
    pair.one.change("PATCH", &target, &json!({"enabled": false}));
    wait_until("the key to serve no more", || pair.two.chat() == 503);
    pair.two.change("PATCH", &target, &json!({"enabled": true}));
    wait_until("the key to serve again", || pair.one.chat() == 200);
    pair.two.change("DELETE", &target, &json!({}));
    wait_until("the key to be gone", || pair.one.chat() == 503);
    assert_eq!(pair.one.get("/api/keys")["data"], json!([]));
}

#[test]
fn tokens_open_and_close_both() {
    let pair = Pair::with_key();
    let issued = pair.one.change("POST", "/api/tokens", &json!({"name": "somebody"})).json();
    let token = issued["token"].as_str().expect("a token");
    wait_until("the token to open", || pair.two.chat_as(token) == 200);
    pair.one.change("DELETE", &format!("/api/tokens/{}", issued["id"]), &json!({}));
    wait_until("the token to close", || pair.two.chat_as(token) == 401);
}

#[test]
fn models_are_chosen_and_listed_for_both() {
    let pair = Pair::with_key();
    let target = format!("/api/models/{MODEL}");
    pair.one.change("PATCH", &target, &json!({"enabled": false}));
    wait_until("the model to be refused", || pair.two.chat() != 200);
    pair.two.change("PATCH", &target, &json!({"enabled": true}));
    wait_until("the model to be served", || pair.one.chat() == 200);

    // What one has fetched, the other takes over.
    let fetched = |side: &Side| side.get("/api/status")["models"]["fetched_at"].clone();
    let before = fetched(&pair.two);
    pair.one.change("POST", "/api/models/refresh", &json!({}));
    wait_until("the list to be taken over", || {
        fetched(&pair.two) != before && fetched(&pair.two) == fetched(&pair.one)
    });
}

#[test]
fn what_rests_rests_for_both_and_is_ended_for_both() {
    let pair = Pair::with_key();
    let state = |side: &Side| side.get("/api/keys")["data"][0]["state"].clone();
    pair.simulator.control().set_fault(
        openrouter_proxy::simulator::Scope::Key(key("good", 1)),
        openrouter_proxy::simulator::Fault::Daily,
    );
    assert_eq!(pair.one.chat(), 429);
    wait_until("the rest to be shown", || state(&pair.one) == json!("resting"));
    wait_until("the rest to be known", || state(&pair.two) == json!("resting"));
    let asked = pair.simulator.control().keys().values().map(|key| key.attempts).sum::<u64>();
    assert_eq!(pair.two.chat(), 429);
    let now = pair.simulator.control().keys().values().map(|key| key.attempts).sum::<u64>();
    assert_eq!(now, asked, "it was not asked to find out again");

    pair.two.change("POST", "/api/keys/1/reset", &json!({}));
    wait_until("the rest to be over", || state(&pair.one) == json!("active"));
}

#[test]
fn who_signs_in_at_one_is_signed_in_at_both() {
    let pair = Pair::new();
    let cookie = pair.one.sign_in("admin-password");
    assert_eq!(pair.two.session(&cookie), 200, "at once");
    assert_eq!(pair.one.session("openrouter_proxy_session=guessed"), 401);
    pair.two.sign_out(&cookie);
    wait_until("the session to end", || pair.one.session(&cookie) == 401);
    assert_eq!(pair.two.session(&cookie), 401);
}

#[test]
fn another_password_ends_the_sessions_of_both() {
    let set = |program: &Program, text: &str| {
        let ended = program.run_with(&["admin", "reset-password", "-"], text);
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    let program = Program::new();
    set(&program, "correct horse battery");
    let pair = Pair::of(program, "correct horse battery");
    let cookie = pair.one.sign_in(pair.one.password);
    assert_eq!(pair.two.session(&cookie), 200);
    set(&pair.program, "another horse battery");
    wait_until("the session to end", || pair.one.session(&cookie) == 401 && pair.two.session(&cookie) == 401);
    let cookie = wait_for("the other password to open", || pair.two.try_sign_in("another horse battery"));
    wait_until("both to know it", || pair.one.session(&cookie) == 200);
}

#[test]
fn who_is_signed_in_stays_so_while_sessions_cannot_be_read() {
    let Some(database) = postgres::Database::create() else { return };
    let pair = Pair::of(
        Program::on_sqlite().set("DATABASE_URL", &database.url()).set("ADMIN_PASSWORD", "admin-password"),
        "admin-password",
    );
    let cookie = pair.one.sign_in("admin-password");
    assert_eq!(pair.one.session(&cookie), 200);
    let mut lock = PgConnection::establish(&database.url()).expect("a database");
    lock.batch_execute("BEGIN; LOCK TABLE admin_sessions IN ACCESS EXCLUSIVE MODE").expect("the lock");
    assert_eq!(pair.one.session(&cookie), 200);
    let unknown = Call::bare("GET", "/api/session").header("Cookie", "openrouter_proxy_session=unknown");
    let answer = pair.two.operate(&unknown);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer}");
    lock.batch_execute("ROLLBACK").expect("the lock is given back");
    assert_eq!(pair.two.session(&cookie), 200);
    assert_eq!(pair.two.operate(&unknown).status, 401);
}

#[test]
fn a_server_that_falls_silent_holds_nobody_up() {
    let Some(server) = PostgresServer::start() else { return };
    let database = server.database();
    let program = Program::on_sqlite()
        .set("DATABASE_URL", &database.url())
        .set("OPENROUTER_API_KEY", &key("good", 1))
        .set("ADMIN_PASSWORD", PASSWORD);
    let mut pair = Pair::of(program, PASSWORD);
    assert_eq!((pair.one.chat(), pair.two.chat()), (200, 200));
    let silence = server.silence();
    assert_eq!((pair.one.chat(), pair.two.chat()), (200, 200));
    // What needs the database says so; the rest is known without it.
    for target in ["/api/status", "/api/keys", "/metrics"] {
        assert_eq!(pair.one.operate(&pair.one.call("GET", target)).status, 200, "{target}");
    }
    pair.one.running.signal("TERM");
    pair.two.running.signal("TERM");
    for side in [&mut pair.one, &mut pair.two] {
        assert_eq!(side.running.ended(), 0, "{:#?}", side.running.seen);
    }
    drop(silence);
}

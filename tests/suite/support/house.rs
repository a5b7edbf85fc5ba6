//! A whole proxy in this process, with a simulator behind it: both planes on free ports, a database
//! of its own (SQLite, or Postgres with `TEST_DATABASE=postgres`). Dropping it stops it in order and asserts that nothing was left behind.

use super::{Answer, Call, Wire, postgres, wait_for, wait_until};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use openrouter_proxy::app::{App, StartError, Stop, open_store};
use openrouter_proxy::config::database::DatabaseUrl;
use openrouter_proxy::config::sources::Sources;
use openrouter_proxy::config::{Settings, load};
use openrouter_proxy::data_plane::Shared;
use openrouter_proxy::domain::time::Clock;
use openrouter_proxy::domain::usage::UsageRow;
use openrouter_proxy::domain::usage_query::{UsageFilter, UsageOrder, UsageQuery};
use openrouter_proxy::keypool::{KeyView, PoolView};
use openrouter_proxy::listener::Deadlines;
use openrouter_proxy::simulator::{self, Control, Simulator};
use openrouter_proxy::store::Store;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::TempDir;

/// What clients send as their key.
pub const PASSWORD: &str = "access-password";

/// How a house is to stand.
pub struct Options {
    /// The upstream keys.
    pub keys: Vec<String>,
    /// Settings by environment variable, over those of every house.
    pub settings: Vec<(&'static str, String)>,
    /// Settings of every house that this one goes without.
    pub without: Vec<&'static str>,
    /// Whether the simulator enforces its accounts' limits.
    pub limits: bool,
    /// The clock of proxy and simulator.
    pub clock: Clock,
    /// The upstream in place of the simulator, as a base URL.
    pub upstream: Option<String>,
    /// What the simulator remembers of requests.
    pub keep: usize,
    /// Models that the simulator lists beside its own.
    pub models: Vec<String>,
    /// What no variable can set: waits that people do not choose.
    pub adjust: fn(&mut Settings),
    /// How long clients may take.
    pub deadlines: Deadlines,
}

impl Default for Options {
    /// One good key, no limits, the machine's clock.
    fn default() -> Options {
        Options {
            keys: super::good_keys(1),
            settings: Vec::new(),
            without: Vec::new(),
            limits: false,
            clock: Clock::system(),
            upstream: None,
            keep: 1000,
            models: Vec::new(),
            adjust: |_| {},
            deadlines: Deadlines::default(),
        }
    }
}

impl Options {
    /// Good and bad keys of these behaviours, in this order.
    pub fn keys<'a>(behaviours: impl IntoIterator<Item = &'a str>) -> Options {
        let numbered = behaviours.into_iter().enumerate();
        let keys = numbered.map(|(at, behaviour)| super::key(behaviour, at + 1)).collect();
        Options { keys, ..Options::default() }
    }

    /// Without limits of accounts, and with every request free to go to any of them.
    pub fn unpaced(self) -> Options {
        let unlimited = self.set("PROXY_FREE_MINUTE_LIMIT", "-1").set("PROXY_FREE_DAILY_LIMIT", "-1");
        unlimited.set("PROXY_SESSION_AFFINITY", "false")
    }

    /// With one more setting.
    pub fn set(mut self, variable: &'static str, value: &str) -> Options {
        self.settings.push((variable, value.to_owned()));
        self
    }
}

/// A running proxy and its simulator.
pub struct House {
    /// What stands behind the proxy.
    pub simulator: Simulator,
    settings: Settings,
    clock: Clock,
    deadlines: Deadlines,
    app: Option<Running>,
    _folder: TempDir,
    _database: Option<postgres::Database>,
}

struct Running {
    data: SocketAddr,
    admin: SocketAddr,
    shared: Arc<Shared>,
    stop: Stop,
    thread: JoinHandle<Result<(), StartError>>,
}

/// Starts a simulator and a proxy in front of it; both serve when it returns.
pub fn spawn(options: Options) -> House {
    let simulator = Simulator::start(simulator::Options {
        clock: options.clock.clone(),
        enforce_limits: options.limits,
        keep: options.keep,
        models: options.models,
        ..simulator::Options::default()
    });
    let simulator = simulator.expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let database = postgres::wanted().then(|| postgres::Database::create().expect("a server"));
    let url = match &database {
        Some(database) => database.url(),
        None => folder.path().join("proxy.db").display().to_string(),
    };
    let upstream = options.upstream.unwrap_or_else(|| simulator.base_url());
    let mut sources = Sources::default();
    for (variable, value) in [
        ("SERVER_HOST", "127.0.0.1"),
        ("SERVER_PORT", "0"),
        ("SERVER_WORKERS", "1"),
        ("SERVER_SHUTDOWN_TIMEOUT", "5"),
        ("SERVER_DRAIN_DELAY", "0"),
        ("ADMIN_PORT", "0"),
        ("ADMIN_PASSWORD", "admin-password"),
        ("ACCESS_PASSWORD", PASSWORD),
        ("DATABASE_URL", &url),
        ("OPENROUTER_PROXY_DATA_DIR", &folder.path().display().to_string()),
        ("OPENROUTER_API_URL", &upstream),
        // Tests of shaping ask for it; the others want their bodies as they are.
        ("PROXY_MAX_TOKENS", "off"),
        ("PROXY_CACHE_CONTROL", "off"),
        // Tests of limits ask for them; the others send more than a real account may.
        ("PROXY_FREE_DAILY_LIMIT", "-1"),
        ("PROXY_FREE_MINUTE_LIMIT", "-1"),
        // Tests of looks at keys ask for them; the others count what a request finds out.
        ("OPENROUTER_KEY_CHECK_INTERVAL", "0"),
    ] {
        if !options.without.contains(&variable) {
            sources.environment.insert(variable.to_owned(), value.to_owned());
        }
    }
    if !options.keys.is_empty() {
        sources.environment.insert("OPENROUTER_API_KEY".to_owned(), options.keys.join(","));
    }
    for (variable, value) in options.settings {
        sources.environment.insert(variable.to_owned(), value);
    }
    let mut settings = load(&sources).unwrap_or_else(|faults| panic!("{faults}"));
    (options.adjust)(&mut settings);
    let (clock, deadlines) = (options.clock, options.deadlines);
    let mut house =
        House { simulator, settings, clock, deadlines, app: None, _folder: folder, _database: database };
    house.start();
    if house.settings.openrouter.base_url.to_string() == house.simulator.base_url() {
        wait_until("the first model list", || !house.shared().catalog.get().is_empty());
    }
    house
}

impl House {
    /// Starts the proxy, on the same database as before. The ports are new.
    pub fn start(&mut self) {
        let (settings, clock, deadlines) = (self.settings.clone(), self.clock.clone(), self.deadlines);
        let (tell, told) = mpsc::channel();
        let stop = Stop::default();
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let system = actix_web::rt::System::new();
            let ended = system.block_on(async {
                let app = App::build_with(&settings, clock, deadlines)?;
                let _ = tell.send((app.data_address(), app.admin_address(), app.shared()));
                app.run(stopping).await
            });
            // The actors' threads end with the system.
            actix_web::rt::System::current().stop();
            system.run().expect("the system stops");
            ended
        });
        let Ok((data, admin, shared)) = told.recv() else {
            panic!("the proxy did not start: {:?}", thread.join());
        };
        self.app = Some(Running { data, admin, shared, stop, thread });
    }

    /// Stops the proxy in order, once every request has ended; asserts that nothing is left.
    pub fn stop(&mut self) {
        let Some(app) = self.app.take() else { return };
        wait_until("open requests to end", || {
            let view = block_on(app.shared.pool.look());
            app.shared.gate.inside() == 0 && view.keys.iter().all(|key| key.in_flight == 0)
        });
        wait_until("the simulator's requests to end", || self.control().open().0 == 0);
        if !app.shared.gate.is_draining() {
            app.stop.ask();
        }
        wait_until("the proxy to stop", || app.thread.is_finished());
        app.thread.join().expect("no panic").expect("an orderly end");
        assert_eq!(app.shared.usage.waiting(), 0, "usage rows were left behind");
        wait_until("the proxy's connections to close", || self.control().open().1 == 0);
    }

    /// Asks the proxy to stop, and gives the moment.
    pub fn ask_to_stop(&self) -> Instant {
        self.app().stop.ask();
        Instant::now()
    }

    fn app(&self) -> &Running {
        self.app.as_ref().expect("a running proxy")
    }

    /// The state of the data plane.
    pub fn shared(&self) -> &Shared {
        &self.app().shared
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.app().data
    }

    /// Where the operator connects to.
    pub fn admin_address(&self) -> SocketAddr {
        self.app().admin
    }

    /// The simulator's control.
    pub fn control(&self) -> Control {
        self.simulator.control()
    }

    /// A connection to the data plane.
    pub fn connect(&self) -> Wire {
        Wire::open(self.address())
    }

    /// One request on a connection of its own.
    pub fn ask(&self, call: &Call) -> Answer {
        self.connect().ask(call)
    }

    /// One request to the admin plane on a connection of its own.
    pub fn operate(&self, call: &Call) -> Answer {
        Wire::open(self.admin_address()).ask(call)
    }

    /// One chat request on a connection of its own.
    pub fn chat(&self, body: &Value) -> Answer {
        self.ask(&Call::post(super::CHAT, body.to_string()))
    }

    /// Fetches the model list now.
    pub fn refresh_models(&self) -> Result<(), String> {
        block_on(self.shared().catalog.refresh()).map(|_| ())
    }

    /// Attempts that reached the simulator with any key.
    pub fn attempts(&self) -> u64 {
        self.control().keys().values().map(|key| key.attempts).sum()
    }

    /// The keys as the operator sees them, once every attempt has ended.
    pub fn keys(&self) -> Vec<KeyView> {
        wait_for("attempts to end", || {
            let view = block_on(self.shared().pool.look());
            view.keys.iter().all(|key| key.in_flight == 0).then_some(view.keys)
        })
    }

    /// The pool as it is now.
    pub fn view(&self) -> PoolView {
        block_on(self.shared().pool.look())
    }

    /// The database, opened beside the proxy.
    pub fn store(&self) -> Store {
        open_store(&self.settings.database).expect("the database opens")
    }

    /// Keeps every usage row out of the database until it is dropped.
    pub fn lock_database(&self) -> Locked {
        match &self.settings.database.url {
            DatabaseUrl::Sqlite(path) => {
                let connection = SqliteConnection::establish(&path.display().to_string());
                let mut connection = connection.expect("a database");
                let lock = "PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE";
                connection.batch_execute(lock).expect("the lock");
                Locked::Sqlite(connection)
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = PgConnection::establish(url.secret().expose()).expect("a database");
                let lock = "BEGIN; LOCK TABLE usage IN ACCESS EXCLUSIVE MODE";
                connection.batch_execute(lock).expect("the lock");
                Locked::Postgres(connection)
            }
        }
    }

    /// What lies in the journal.
    pub fn journal(&self) -> String {
        let folder = self.settings.database.data_dir.join("journal");
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let texts = entries.map(|entry| std::fs::read(entry.path()).unwrap_or_default());
        texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    /// Every usage row, oldest first, once `count` or more are there.
    pub fn rows(&self, count: usize) -> Vec<UsageRow> {
        let store = self.store();
        let enough = || {
            block_on(self.shared().usage.flush());
            store.usage_count().is_ok_and(|rows| rows >= count as u64)
        };
        wait_until("usage rows", enough);
        all_rows(&store)
    }

    /// The only usage row there is.
    pub fn row(&self) -> UsageRow {
        let mut rows = self.rows(1);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// The row of the request that was answered so.
    pub fn row_of(&self, answer: &Answer) -> UsageRow {
        let id = answer.header("x-request-id").expect("a request id");
        let found = || {
            let mut rows: Vec<UsageRow> =
                self.rows(0).into_iter().filter(|row| row.request_id == id).collect();
            assert!(rows.len() < 2, "{rows:?}");
            rows.pop()
        };
        wait_for("its row", found)
    }
}

/// A database that takes no usage rows, for as long as this connection is open.
#[expect(dead_code, reason = "held, never used")]
pub enum Locked {
    /// No other writer comes in.
    Sqlite(SqliteConnection),
    /// The table is locked.
    Postgres(PgConnection),
}

impl Drop for House {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        } else if let Some(app) = &self.app {
            app.stop.ask();
        }
    }
}

/// Every row of the database, oldest first.
pub fn all_rows(store: &Store) -> Vec<UsageRow> {
    let filter = UsageFilter::default();
    let mut query = UsageQuery { filter, after: None, order: UsageOrder::OldestFirst, limit: 1000 };
    let mut rows: Vec<UsageRow> = Vec::new();
    loop {
        let page = store.usage_page(&query).expect("a page");
        rows.extend(page.rows);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return rows,
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

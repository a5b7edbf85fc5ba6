//! The Python key pool: `config.json`, `ADMIN_PASSWORD`, `PORT`, one password for everything, and a
//! SQLite database with the keys.

use super::{ask, chat, hello, program, sent, simulator, started};
use crate::support::{MODEL, PAID_MODEL, Program, error_events, key, text};
use diesel::connection::{Connection, SimpleConnection};
use openrouter_proxy::simulator::Simulator;
use serde_json::{Value, json};

/// Every key that its `config.json` ever had.
const CONFIG: &str = r#"{
  "server": {"host": "0.0.0.0", "port": 8000},
  "admin": {"password": "admin123"},
  "database": {"url": "openrouter_proxy.db"},
  "openrouter": {
    "base_url": "https://openrouter.ai/api/v1",
    "http_referer": "https://your-domain.com",
    "x_title": "OpenRouter Proxy",
    "free_model_suffix": ":free",
    "auto_update_models_on_startup": true,
    "model_cache_timeout": 3600,
    "request_timeout": 60.0
  },
  "proxy": {"load_balance_strategy": "round_robin"}
}"#;

const TABLES: &str = "
    CREATE TABLE api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key_name TEXT NOT NULL,
        api_key TEXT NOT NULL UNIQUE, is_active BOOLEAN DEFAULT TRUE,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, last_used TIMESTAMP, usage_count INTEGER DEFAULT 0,
        daily_limit INTEGER DEFAULT -1, daily_usage INTEGER DEFAULT 0, last_reset_time TIMESTAMP);
    CREATE TABLE usage_logs (id INTEGER PRIMARY KEY AUTOINCREMENT, api_key_id INTEGER, model TEXT,
        prompt_tokens INTEGER, completion_tokens INTEGER, total_tokens INTEGER, cost REAL,
        request_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP, response_status INTEGER);
    CREATE TABLE free_models (id INTEGER PRIMARY KEY AUTOINCREMENT, model_id TEXT UNIQUE NOT NULL,
        model_name TEXT NOT NULL, is_active BOOLEAN DEFAULT TRUE, context_length INTEGER, parameters TEXT);
    INSERT INTO api_keys (key_name, api_key, is_active, daily_limit) VALUES
        ('first', 'sk-or-v1-sim-good-0001', 1, 40), ('second', 'sk-or-v1-sim-good-0002', 1, -1),
        ('switched off', 'sk-or-v1-sim-good-0003', 0, -1);
    INSERT INTO usage_logs (api_key_id, model, prompt_tokens, completion_tokens, total_tokens, cost,
        request_time, response_status) VALUES
        (1, 'openai/gpt-oss-20b:free', 10, 5, 15, 0.0, '2026-11-20 10:00:00', 200),
        (2, 'z-ai/glm-4.5-air:free', 0, 0, 0, 0.0, '2026-11-20 10:00:01', 429);";

fn old_database(program: &Program, name: &str) {
    let path = program.folder().join(name);
    let mut old = diesel::SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a database");
    old.batch_execute(TABLES).expect("valid statements");
}

fn camel(config: &str) -> String {
    [
        ("base_url", "baseUrl"),
        ("http_referer", "httpReferer"),
        ("x_title", "xTitle"),
        ("free_model_suffix", "freeModelSuffix"),
        ("auto_update_models_on_startup", "autoUpdateModelsOnStartup"),
        ("model_cache_timeout", "modelCacheTimeout"),
        ("request_timeout", "requestTimeout"),
        ("load_balance_strategy", "loadBalancingStrategy"),
    ]
    .iter()
    .fold(config.to_owned(), |text, (snake, camel)| text.replace(snake, camel))
}

fn with_config(simulator: &Simulator, config: &str) -> Program {
    program(simulator).set("PORT", "0").file("config.json", config)
}

#[test]
fn its_configuration_serves_its_clients_in_both_spellings() {
    for config in [CONFIG.to_owned(), camel(CONFIG)] {
        let simulator = simulator();
        let pool = with_config(&simulator, &config).set("OPENROUTER_API_KEY", &key("good", 1));
        let (mut running, address) = started(&pool, &[]);

        let models = ask(address, "GET", "/v1/models", Some("admin123"), None).json();
        let ids: Vec<&str> =
            models["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
        assert!(ids.contains(&MODEL) && !ids.contains(&PAID_MODEL), "{ids:?}");

        let answer = chat(address, Some("admin123"), &hello(MODEL));
        assert_eq!(answer.status, 200, "{answer}");
        let (request, body) = sent(&simulator);
        assert!(body["max_tokens"].as_u64().is_some_and(|tokens| tokens > 1000), "{body}");
        let header = |name: &str| {
            request
                .headers
                .iter()
                .find(|(have, _)| have.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(header("http-referer"), Some("https://your-domain.com"));
        assert_eq!(header("x-title"), Some("OpenRouter Proxy"));

        let mut streamed = hello(MODEL);
        streamed["stream"] = Value::Bool(true);
        let stream = chat(address, Some("admin123"), &streamed);
        assert!(!text(&stream.body).is_empty() && error_events(&stream.body).is_empty(), "{stream}");

        assert_eq!(chat(address, Some("admin124"), &hello(MODEL)).status, 401);
        assert_eq!(chat(address, None, &hello(MODEL)).status, 401);
        assert_eq!(chat(address, Some("admin123"), &hello(PAID_MODEL)).status, 403);
        running.signal("TERM");
        assert_eq!(running.ended(), 0);
    }
}

#[test]
fn its_variables_win_over_its_file() {
    let simulator = simulator();
    let pool = with_config(&simulator, CONFIG)
        .set("ADMIN_PASSWORD", "from the environment")
        .set("OPENROUTER_API_KEY", &key("good", 1));
    let (_running, address) = started(&pool, &[]);
    assert_ne!(address.port(), 8000, "PORT wins");
    assert_eq!(chat(address, Some("admin123"), &hello(MODEL)).status, 401);
    assert_eq!(chat(address, Some("from the environment"), &hello(MODEL)).status, 200);
}

#[test]
fn its_three_strategies_work_by_name() {
    for (name, even) in [("round_robin", true), ("least_used", true), ("random", false)] {
        let simulator = simulator();
        let keys = [key("good", 1), key("good", 2)];
        let pool = with_config(&simulator, &CONFIG.replace("round_robin", name))
            .set("OPENROUTER_API_KEY", &keys.join(","));
        let (_running, address) = started(&pool, &[]);
        for number in 0..6 {
            // Turns of one conversation may stay with one key.
            let body =
                json!({"model": MODEL, "messages": [{"role": "user", "content": format!("{number}")}]});
            assert_eq!(chat(address, Some("admin123"), &body).status, 200);
        }
        let used = keys.each_ref().map(|key| simulator.control().key(key).attempts);
        assert_eq!(used[0] + used[1], 6, "{name}: {used:?}");
        assert!(!even || used == [3, 3], "{name}: {used:?}");
    }
    let wrong =
        with_config(&simulator(), &CONFIG.replace("round_robin", "fastest")).run(&["config", "check"]);
    assert_eq!(wrong.code, 78, "{wrong:?}");
    assert!(wrong.err.contains("proxy.load_balance_strategy (config.json)"), "{wrong:?}");
}

#[test]
fn its_database_comes_across() {
    let simulator = simulator();
    let pool = with_config(&simulator, CONFIG);
    old_database(&pool, "openrouter_proxy.db");

    // Both call their database the same: the start and the import say what to do, and change nothing.
    let before = std::fs::read(pool.folder().join("openrouter_proxy.db")).expect("a file");
    let start = pool.run(&[]);
    assert_eq!(start.code, 78, "{start:?}");
    assert!(start.err.contains("keys import --from-sqlite old.db"), "{start:?}");
    let onto_itself = pool.run(&["keys", "import", "--from-sqlite", "openrouter_proxy.db"]);
    assert_eq!(onto_itself.code, 1, "{onto_itself:?}");
    assert!(onto_itself.err.contains("rename the old one first"), "{onto_itself:?}");
    assert_eq!(std::fs::read(pool.folder().join("openrouter_proxy.db")).expect("a file"), before);

    std::fs::rename(pool.folder().join("openrouter_proxy.db"), pool.folder().join("old.db"))
        .expect("a rename");
    let first = pool.run(&["keys", "import", "--from-sqlite", "old.db", "--with-usage"]);
    assert_eq!(
        (first.code, first.out.as_str()),
        (0, "keys: 3 added, 0 known already, 0 skipped\nusage rows: 2 added, 0 known already, 0 skipped\n"),
        "{first:?}"
    );
    let second = pool.run(&["keys", "import", "--from-sqlite", "old.db", "--with-usage"]);
    assert!(second.out.starts_with("keys: 0 added, 3 known already"), "{second:?}");
    assert!(second.out.contains("usage rows: 0 added, 2 known already"), "{second:?}");
    assert_eq!(std::fs::read(pool.folder().join("old.db")).expect("a file"), before, "only read");

    let list: Value = serde_json::from_str(&pool.run(&["keys", "list", "--json"]).out).expect("JSON");
    let told = |at: usize| {
        [&list["data"][at]["label"], &list["data"][at]["enabled"], &list["data"][at]["daily_limit"]]
    };
    assert_eq!(told(0), [&json!("first"), &json!(true), &json!(40)]);
    assert_eq!(told(2), [&json!("switched off"), &json!(false), &Value::Null]);
    let rows = pool.run(&["usage", "export"]).out;
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["time"], &rows[0]["key_label"]), (&json!("2026-11-20T10:00:00Z"), &json!("first")));
    assert_eq!((&rows[1]["status"], &rows[1]["total_tokens"]), (&json!(429), &Value::Null));

    let (_running, address) = started(&pool, &[]);
    for _ in 0..4 {
        assert_eq!(chat(address, Some("admin123"), &hello(MODEL)).status, 200);
    }
    assert_eq!(simulator.control().key(&key("good", 3)).attempts, 0, "it was switched off");
}

#[test]
fn a_file_that_is_not_its_database_is_named() {
    let pool = Program::new().file("notes.txt", &"not a database ".repeat(20));
    for (path, words) in [("missing.db", "does not exist"), ("notes.txt", "is not a SQLite database")] {
        let import = pool.run(&["keys", "import", "--from-sqlite", path]);
        assert_eq!(import.code, 1, "{import:?}");
        assert!(import.err.contains(path) && import.err.contains(words), "{import:?}");
    }
    assert!(!pool.folder().join("openrouter_proxy.db").exists(), "a wrong path must not create a database");
}

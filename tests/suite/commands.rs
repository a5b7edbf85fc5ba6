//! The real program at a terminal: keys, usage, configuration, health, and how it refuses to start.

use crate::support::{CHAT, Call, MODEL, PASSWORD, Program, Wire, chat, key, postgres, wait_until};
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use serde_json::Value;
use std::net::TcpListener;

/// A simulator, and a program that has it for its upstream.
fn with_simulator() -> (Simulator, Program) {
    let simulator =
        Simulator::start(SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() });
    let simulator = simulator.expect("a free port");
    let program =
        Program::new().set("OPENROUTER_API_URL", &simulator.base_url()).set("ACCESS_PASSWORD", PASSWORD);
    (simulator, program)
}

/// What `keys list --json` says.
fn listed(program: &Program) -> Vec<Value> {
    let ended = program.run(&["keys", "list", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let list: Value = serde_json::from_str(&ended.out).expect("JSON");
    list["data"].as_array().expect("a list").clone()
}

#[test]
fn keys_are_added_listed_imported_checked_and_removed() {
    let (_simulator, program) = with_simulator();
    assert!(listed(&program).is_empty());
    let added = program.run(&["keys", "add", &key("good", 1), "--label", "mine", "--daily-limit", "50"]);
    assert_eq!(added.code, 0, "{added:?}");
    let added = program.run_with(&["keys", "add", "-"], &format!("{}\nand more\n", key("revoked", 2)));
    assert_eq!(added.code, 0, "{added:?}");
    let twice = program.run(&["keys", "add", &key("good", 1)]);
    assert!(twice.code == 1 && twice.err.contains("1"), "{twice:?}");

    let lines = format!("# ours\n{},third,7\n\n{}\n{}\n", key("good", 3), key("good", 4), key("good", 1));
    let imported = program.run_with(&["keys", "import"], &lines);
    assert_eq!((imported.code, imported.out.as_str()), (0, "2 keys added, 1 were there already\n"));
    std::fs::write(program.folder().join("bad.csv"), format!("{}\nsk or v1,x\n", key("good", 5)))
        .expect("a file");
    let faulty = program.run(&["keys", "import", "bad.csv"]);
    assert!(faulty.code == 1 && faulty.err.contains("line 2"), "{faulty:?}");

    let keys = listed(&program);
    assert_eq!(keys.len(), 4, "nothing of a faulty file is imported");
    assert_eq!((&keys[0]["label"], &keys[0]["daily_limit"]), (&"mine".into(), &50.into()));
    assert_eq!((&keys[2]["label"], &keys[2]["daily_limit"]), (&"third".into(), &7.into()));
    for member in ["id", "label", "hint", "enabled", "daily_limit", "used_today", "used_total", "state"] {
        assert!(keys.iter().all(|key| key.get(member).is_some()), "{member}: {keys:?}");
    }

    let checked = program.run(&["keys", "check"]);
    assert!(checked.code == 1 && checked.err.contains("1 keys did not pass"), "{checked:?}");
    assert_eq!(
        checked.out.lines().filter(|line| line.contains("valid, free tier")).count(),
        3,
        "{checked:?}"
    );
    assert_eq!(listed(&program)[1]["state"], "key_rejected");
    assert_eq!(program.run(&["keys", "check", "1", "3"]).code, 0);
    assert_eq!(program.run(&["keys", "check", "99"]).code, 1);

    assert_eq!(program.run(&["keys", "remove", "2", "4"]).code, 0);
    let ids: Vec<Value> = listed(&program).iter().map(|key| key["id"].clone()).collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(program.run(&["keys", "remove", "2"]).code, 1);

    let table = program.run(&["keys", "list"]);
    assert!(table.out.contains("mine") && table.out.contains("0/50"), "{table:?}");
    for ended in [added, twice, imported, faulty, checked, table] {
        assert!(!format!("{ended:?}").contains("sk-or-v1-sim"), "a key is shown: {ended:?}");
    }
    if !postgres::wanted() {
        let bytes = std::fs::read(program.folder().join("openrouter_proxy.db")).expect("the database");
        assert!(memchr::memmem::find(&bytes, b"sk-or-v1-sim").is_none(), "a key is stored in clear");
    }
}

#[test]
fn a_running_server_takes_over_keys_and_its_usage_is_exported() {
    let (_simulator, program) = with_simulator();
    let program = program.set("ADMIN_PASSWORD", "admin-password");
    let mut server = program.start(&["serve"]);
    let address = server.address("clients connect to");
    server.line("there is no key yet");
    let ask = |text: &str| Wire::open(address).ask(&Call::post(CHAT, chat(text, false).to_string()));
    assert_eq!(ask("nobody is there").status, 503);
    assert_eq!(program.run(&["keys", "add", &key("good", 1), "--label", "=1+1"]).code, 0);
    wait_until("the server to take over the key", || ask("now?").status == 200);
    let rows = || {
        let ended = program.run(&["usage", "export"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    wait_until("rows of both kinds", || rows().iter().any(|row| row["status"] == 200));
    let all = rows();
    let served = all.iter().find(|row| row["status"] == 200).expect("a served row");
    assert_eq!((&served["model"], &served["outcome"]), (&MODEL.into(), &"completed".into()));
    assert_eq!(served["client"]["kind"], "access_password");
    assert!(served["prompt_tokens"].as_i64() > Some(0), "{served}");
    assert!(all.iter().any(|row| row["status"] == 503 && row["outcome"] == "refused"));

    let csv = program.run(&["usage", "export", "--format", "csv"]);
    let mut lines = csv.out.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("request_id,time,endpoint,model")), "{csv:?}");
    assert_eq!(lines.count(), all.len());
    assert!(csv.out.contains(",'=1+1,"), "a label that a spreadsheet would run: {}", csv.out);
    let none = program.run(&["usage", "export", "--until", "2020-01-01"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    let heads = program.run(&["usage", "export", "--format", "csv", "--since", "2100-01-01T00:00:00Z"]);
    assert_eq!(heads.out.lines().count(), 1);

    let port = address.port().to_string();
    let healthy = program.run(&["healthcheck", "--port", &port]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    let dead = program.run(&["healthcheck", "--port", &port]);
    assert!(dead.code == 1 && dead.err.contains("does not answer"), "{dead:?}");
    assert_eq!(listed(&program)[0]["used_total"], 1);
}

#[test]
fn every_fault_of_the_configuration_is_told_at_once() {
    let program = Program::on_sqlite().set("SERVER_PORT", "many").set("ACCESS_PASSWORD", "");
    let program = program.set("LOAD_BALANCE_STRATEGY", "best");
    let file = r#"{"server": {"prot": 1, "workers": 0}, "nothing": {}, "database": {"url": "mysql://x"}}"#;
    std::fs::write(program.folder().join("config.json"), file).expect("a file");
    for command in [&["config", "check"][..], &["serve"], &["config", "show"], &["keys", "list"]] {
        let ended = program.run(command);
        assert_eq!(ended.code, 78, "{ended:?}");
        for words in [
            "server.port",
            "SERVER_PORT",
            "access.password",
            "ACCESS_PASSWORD",
            "proxy.load_balance_strategy",
            "server.prot",
            "server.workers",
            "nothing",
            "database.url",
            "sqlite",
            "postgres",
            "config.json",
        ] {
            assert!(ended.err.contains(words), "{words} is not named: {}", ended.err);
        }
        assert_eq!(ended.out, "");
    }
    assert!(!program.folder().join("openrouter_proxy.db").exists());
}

#[test]
fn no_mistake_hides_another() {
    let dotenv = "WORKERS=lots\nthis is no setting\nADMIN_PASSWORD=\"open\nSERVER_MAX_IN_FLIGHT=none\n\
                  OPENROUTER_IDLE_TIMEOUT=-1\n";
    let file = r#"{
        "server": {"prot": 1, "https": true, "cert_path": "no-cert.pem", "key_path": "no-key.pem"},
        "telemetry": {},
        "proxy": {
            "model_provider_mapping": {"a*b": ["Open$AI"], "fine": [], "twice": "x", "TWICE": "y"},
            "model_aliases": {"none": [], "bad name": ["a"], "loop": ["other"], "other": ["b", 1]}
        }
    }"#;
    let program = Program::bare()
        .file(".env", dotenv)
        .file("config.json", file)
        .set("ACCESS_PASSWORD", "")
        .set("OPENROUTER_API_KEY", "sk or,fine,sch\u{fc}ssel")
        .set("PORT", "70000")
        .set("MODEL_PROVIDER_MAPPING", "noequals;=OpenAI;x=");
    let flags = ["--model-provider-mapping", "", "--model-provider-mapping", "q*q=Groq"];
    let ended = program.run(&[&["config", "check"][..], &flags].concat());
    assert_eq!((ended.code, ended.out.as_str()), (78, ""), "{ended:?}");
    let expected = [
        ".env: line 2 is not NAME=value",
        ".env: line 3 is not NAME=value",
        "server.prot (config.json): unknown key",
        "telemetry (config.json): unknown key",
        "server.port (environment variable PORT): expected",
        "server.workers (WORKERS in .env): expected",
        "server.max_in_flight (SERVER_MAX_IN_FLIGHT in .env): expected",
        "openrouter.api_keys (environment variable OPENROUTER_API_KEY): entry 1 ",
        "openrouter.api_keys (environment variable OPENROUTER_API_KEY): entry 3 ",
        "openrouter.idle_timeout (OPENROUTER_IDLE_TIMEOUT in .env): expected",
        "proxy.model_provider_mapping (flag --model-provider-mapping): is set but empty",
        "proxy.model_provider_mapping (flag --model-provider-mapping): the pattern \"q*q\"",
        "proxy.model_provider_mapping (environment variable MODEL_PROVIDER_MAPPING): \"noequals\" has no",
        "proxy.model_provider_mapping (environment variable MODEL_PROVIDER_MAPPING): a rule has no pattern",
        "proxy.model_provider_mapping (environment variable MODEL_PROVIDER_MAPPING): the pattern \"x\" has no providers",
        "proxy.model_provider_mapping (config.json): the pattern \"a*b\"",
        "proxy.model_provider_mapping (config.json): \"Open$AI\" for the pattern \"a*b\"",
        "proxy.model_provider_mapping (config.json): the pattern \"fine\" has no providers",
        "proxy.model_provider_mapping (config.json): the pattern \"TWICE\" is given twice",
        "proxy.model_aliases (config.json): the alias \"none\" stands for no model",
        "proxy.model_aliases (config.json): \"bad name\" cannot be the name",
        "proxy.model_aliases (config.json): the alias \"loop\" must list models, not the alias \"other\"",
        "proxy.model_aliases (config.json): expected ",
        "access.password (environment variable ACCESS_PASSWORD): is set but empty",
        "server.cert_path (no-cert.pem): cannot be read",
        "server.key_path (no-key.pem): cannot be read",
    ];
    let lines: Vec<&str> = ended.err.lines().collect();
    for words in expected {
        assert!(lines.iter().any(|line| line.starts_with(words)), "{words} is missing:\n{}", ended.err);
    }
    assert_eq!(lines.len(), expected.len(), "{}", ended.err);
}

#[test]
fn the_configuration_is_checked_shown_and_described() {
    let program =
        Program::new().set("ACCESS_PASSWORD", "hunter2-secret").set("LOAD_BALANCE_STRATEGY", "random");
    std::fs::write(program.folder().join("config.json"), r#"{"server": {"max_in_flight": 7}}"#)
        .expect("a file");
    std::fs::write(program.folder().join(".env"), "LOAD_BALANCE_STRATEGY=least_used\nWORKERS=3\n")
        .expect("a file");
    let checked = program.run(&["config", "check", "--admin-port", "0"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let shown = program.run(&["config", "show", "--host", "127.0.0.2"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(!shown.out.contains("hunter2"), "{}", shown.out);
    for (key, value, source) in [
        ("server.host", "127.0.0.2", "flag --host"),
        ("server.workers", "3", ".env"),
        ("server.max_in_flight", "7", "config.json"),
        ("proxy.load_balance_strategy", "random", "environment variable LOAD_BALANCE_STRATEGY"),
        ("openrouter.free_model_suffix", ":free", "default"),
    ] {
        let line = shown.out.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        assert!(line.contains(value) && line.contains(source), "{key}: {line:?}");
    }
    let schema = program.run(&["config", "schema"]);
    let schema: Value = serde_json::from_str(&schema.out).expect("JSON");
    assert_eq!(schema["properties"]["server"]["additionalProperties"], false);
    let unknown = program.run(&["config", "check", "--prot", "1"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert_eq!(program.run(&["--help"]).code, 0);
    assert!(program.run(&["--version"]).out.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_first_password_is_shown_once() {
    let (_simulator, program) = with_simulator();
    let mut server = program.start(&[]);
    let line = server.line("password");
    let password = line.rsplit(' ').next().expect("a password").to_owned();
    assert!(password.len() >= 16, "{line}");
    let admin = server.address("operator connects to");
    let ask = |password: &str| {
        let bearer = format!("Bearer {password}");
        Wire::open(admin).ask(&Call::bare("GET", "/api/status").header("Authorization", &bearer)).status
    };
    assert_eq!((ask(&password), ask("wrong")), (200, 401));
    server.signal("INT");
    assert_eq!(server.ended(), 0);
    assert_eq!(server.seen.iter().filter(|line| line.contains(&password)).count(), 1);

    let mut server = program.start(&["serve"]);
    server.line("clients connect to");
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    assert!(!server.seen.iter().any(|line| line.contains("password")), "{:#?}", server.seen);
}

#[test]
fn a_wrong_secret_key_is_refused_by_every_command() {
    let program = Program::new();
    assert_eq!(program.run(&["keys", "add", &key("good", 1)]).code, 0);
    let file = program.folder().join("secret.key");
    let right = std::fs::read_to_string(&file).expect("the secret key");
    let commands = [&["keys", "list"][..], &["serve"], &["usage", "export"], &["keys", "remove", "1"]];
    let all_refuse = |program: &Program, what: &str| {
        for command in commands {
            let ended = program.run(command);
            assert!(ended.code == 78 && ended.err.contains("secret"), "{what}: {ended:?}");
        }
    };
    std::fs::remove_file(&file).expect("its file");
    all_refuse(&program, "missing");
    std::fs::write(&file, "not a key").expect("its file");
    all_refuse(&program, "unreadable");
    let other = Program::new();
    assert_eq!(other.run(&["keys", "list"]).code, 0);
    std::fs::copy(other.folder().join("secret.key"), &file).expect("its file");
    all_refuse(&program, "another's");
    let program = program.set("SECRET_KEY", right.trim());
    assert_eq!(program.run(&["keys", "list"]).code, 0);
}

#[test]
fn a_port_that_is_taken_ends_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port().to_string();
    for (variable, name) in [("SERVER_PORT", "server.port"), ("ADMIN_PORT", "admin.port")] {
        let program = Program::new().set(variable, &port);
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.err.contains(name) && ended.err.contains(&port), "{ended:?}");
        assert!(!program.folder().join("openrouter_proxy.db").exists(), "the database was touched");
    }
}

#[test]
fn the_demo_answers_as_it_says() {
    let mut demo = Program::new().start(&["demo", "--port", "0", "--admin-port", "0"]);
    let address = demo.address("curl http://");
    demo.line("Ctrl-C");
    for stream in [false, true] {
        let call = Call::bare("POST", CHAT).header("Authorization", "Bearer demo");
        let call = Call { body: chat("Hello!", stream).to_string().into_bytes(), ..call };
        for _ in 0..4 {
            let answer = Wire::open(address).ask(&call);
            assert_eq!(answer.status, 200, "{answer}");
            assert!(crate::support::text(&answer.body).starts_with("echo: Hello!"), "{answer}");
        }
    }
    demo.signal("INT");
    assert_eq!(demo.ended(), 0, "{:#?}", demo.seen);
}

#[test]
fn the_simulator_runs_alone() {
    let mut running = Program::new().start(&["simulate", "--port", "0"]);
    let address = running.address("answers at");
    let answer = Wire::open(address).ask(&Call::bare("GET", "/api/v1/models"));
    assert!(answer.status == 200 && answer.json()["data"].is_array());
    running.signal("TERM");
    assert_eq!(running.ended(), 0);
}

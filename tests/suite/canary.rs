//! Canaries: the real program at log level trace, with secrets that exist nowhere else, through its
//! journeys and its errors. Afterwards nothing of them may be anywhere but where they were given.

mod traces;

use crate::support::{Answer, Call, MODEL, Program, Running, Wire, chat, postgres, wait_until};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use traces::Traces;

/// How the simulated keys behave: well, and in every way that repeats the key.
const BEHAVIOURS: &[&str] = &[
    "good",
    "echo",
    "echo402",
    "echo403",
    "echo429",
    "echo502",
    "echoauth",
    "echopage",
    "echofirst",
    "echomid",
    "revoked",
];
const DIALECTS: &[&str] =
    &["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"];

/// Letters and digits that nothing else in the world begins with.
fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}

/// A key of this behaviour, and the part of it that is secret.
fn upstream_key(behaviour: &str) -> (String, String) {
    let secret = random(40);
    (format!("sk-or-v1-sim-{behaviour}-{secret}"), secret)
}

/// Everything secret of one run, and everything that came out of it.
#[derive(Default)]
struct Run {
    secrets: Vec<(String, Vec<u8>)>,
    said: Vec<(String, Vec<u8>)>,
}

impl Run {
    fn hide(&mut self, name: &str, secret: impl Into<Vec<u8>>) {
        self.secrets.push((name.to_owned(), secret.into()));
    }

    fn hear(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.said.push((place.to_owned(), bytes.into()));
    }

    /// Runs a command; what it prints is heard.
    fn command(&mut self, program: &Program, arguments: &[&str], input: &str) -> i32 {
        let ended = program.run_with(arguments, input);
        self.hear(&format!("output of {}", arguments[0]), format!("{}\n{}", ended.out, ended.err));
        ended.code
    }

    /// Asks; the answer is heard, head and body.
    fn ask(&mut self, address: SocketAddr, call: &Call) -> Answer {
        let answer = Wire::open(address).ask(call);
        let mut bytes = format!("{:?}\n", answer.headers).into_bytes();
        bytes.extend_from_slice(&answer.body);
        self.hear(&format!("answer to {} {}", call.method, call.target), bytes);
        answer
    }

    /// Every file below `folder` is heard, but those that the operator wrote secrets into.
    fn read_files(&mut self, folder: &Path, given: &[&str]) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                self.read_files(&path, given);
            } else if !given.contains(&name.as_str()) {
                match std::fs::read(&path) {
                    Ok(bytes) => self.hear(&format!("file {name}"), bytes),
                    // The journal's files go when their rows are stored.
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{name}: {error}"),
                }
            }
        }
    }

    /// Nothing of what is secret was heard.
    fn verdict(&self) {
        let traces =
            Traces::new(self.secrets.iter().map(|(name, secret)| (name.as_str(), secret.as_slice())));
        let found = self.said.iter().flat_map(|(place, bytes)| {
            traces.in_bytes(bytes).into_iter().map(move |secret| format!("{secret} in {place}"))
        });
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "secrets were found:\n{}\n", found.join("\n"));
    }
}

fn bearer(method: &str, target: &str, credential: &str) -> Call {
    Call::bare(method, target).header("Authorization", &format!("Bearer {credential}"))
}

/// What a client may ask, well and badly, with `credential`.
fn clients_journey(run: &mut Run, data: SocketAddr, credential: &str, prompt: &str) {
    for dialect in DIALECTS {
        for stream in [false, true] {
            let mut body = chat(prompt, stream);
            body["input"] = json!(prompt);
            body["prompt"] = json!(prompt);
            body["max_tokens"] = json!(64);
            run.ask(data, &bearer("POST", dialect, credential).json(&body));
        }
    }
    for (method, target) in
        [("GET", "/v1/models"), ("GET", "/v1/key"), ("GET", "/"), ("GET", "/ready"), ("PUT", "/v1/models")]
    {
        run.ask(data, &bearer(method, target, credential));
    }
    run.ask(data, &bearer("GET", &format!("/v1/models?key={credential}"), credential));
    let broken = format!("{{\"model\": \"{MODEL}\", \"messages\": [{{\"role\": \"{credential}\"");
    run.ask(data, &Call { body: broken.into_bytes(), ..bearer("POST", DIALECTS[0], credential) });
    let two = bearer("POST", DIALECTS[0], credential).header("x-api-key", &format!("{credential}2"));
    assert_eq!(run.ask(data, &two.json(&chat(prompt, false))).status, 400);
    let wrong = bearer("POST", DIALECTS[0], &format!("x{credential}")).json(&chat(prompt, false));
    // So many wrong ones come from here that they have to wait.
    assert!(matches!(run.ask(data, &wrong).status, 401 | 429));
    // A head that ends in the middle of the credential, and one that is no HTTP.
    for head in
        [format!("GET / HTTP/1.1\r\nAuthorization: Bearer {credential}"), format!("{credential}\r\n\r\n")]
    {
        let mut wire = Wire::open(data);
        wire.write(head.as_bytes());
        wire.shutdown(std::net::Shutdown::Write);
        let _ = wire.is_ended();
        run.hear("answer to a broken head", wire.take());
    }
}

/// What an operator may ask, well and badly; the session's cookie becomes a secret.
fn operators_journey(run: &mut Run, admin: SocketAddr, password: &str) {
    let wrong = Call::bare("POST", "/api/login").json(&json!({ "password": format!("{password}x") }));
    assert_eq!(run.ask(admin, &wrong).status, 401);
    assert_eq!(run.ask(admin, &bearer("GET", "/api/keys", &format!("x{password}"))).status, 401);
    let signed_in =
        Wire::open(admin).ask(&Call::bare("POST", "/api/login").json(&json!({ "password": password })));
    assert_eq!(signed_in.status, 200, "{signed_in}");
    let cookie =
        signed_in.header("set-cookie").and_then(|set| set.split(';').next()).expect("a cookie").to_owned();
    let session = cookie.split_once('=').expect("a value").1.to_owned();
    run.hide("session", session);
    run.hear("answer to the sign-in", signed_in.body);
    let with = |method: &str, target: &str| Call::bare(method, target).header("Cookie", &cookie);

    let (key, secret) = upstream_key("echoauth");
    run.hide("key added on the page", secret);
    let add = with("POST", "/api/keys").json(&json!({"key": key, "label": "page"}));
    assert_eq!(run.ask(admin, &add).status, 201);
    assert_eq!(run.ask(admin, &add).status, 409);
    let (key, secret) = upstream_key("good");
    run.hide("imported key", secret);
    run.ask(
        admin,
        &with("POST", "/api/keys/import").json(&json!({"text": format!("{key},label\n{key} broken,x,y\n")})),
    );
    run.ask(admin, &with("POST", "/api/keys").json(&json!({"key": format!("{key} x"), "label": 7})));
    run.ask(admin, &Call { body: format!("{{\"key\": \"{key}").into_bytes(), ..with("POST", "/api/keys") });
    run.ask(admin, &with("POST", "/api/keys").header("Origin", "null").json(&json!({ "key": key })));
    let issued = Wire::open(admin).ask(&with("POST", "/api/tokens").json(&json!({"name": "page"})));
    assert_eq!(issued.status, 201, "{issued}");
    run.hide("token issued on the page", issued.json()["token"].as_str().expect("a token").as_bytes());

    let document = run.ask(admin, &with("GET", "/api/openapi.json")).json();
    let paths: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        for id in 1..=4 {
            let target = path.replace("{id}", &id.to_string()).replace("{request_id}", "none");
            if document["paths"][path.as_str()]["get"].is_object() && target != "/api/events" {
                run.ask(admin, &with("GET", &target));
            }
            if target.ends_with("/check") || target.ends_with("/reset") {
                run.ask(admin, &with("POST", &target));
            }
            if !path.contains('{') {
                break;
            }
        }
    }
    let mut events = Wire::open(admin);
    events.send(&with("GET", "/api/events"));
    let mut head = events.head();
    events.piece(&mut head);
    run.hear("answer to GET /api/events", head.body);
    for target in ["/metrics", "/api/usage/export?format=csv", "/api/keys/export", "/api/nothing", "/"] {
        run.ask(admin, &with("GET", target));
    }
    assert_eq!(run.ask(admin, &with("GET", "/api/keys").header("Host", "evil.example")).status, 421);
}

/// The whole life of the program on this database: commands, clients, operator, end. `dump` says more of
/// what lies in the database than files show.
fn life(database: Option<&str>, dump: impl FnOnce(&mut Run)) {
    let simulator =
        Simulator::start(SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() });
    let simulator = simulator.expect("a free port");
    let mut run = Run::default();
    let (admin_password, access_password, prompt) = (format!("+/&=%{}", random(30)), random(30), random(30));
    let pooled: Vec<(String, String)> = BEHAVIOURS.iter().map(|behaviour| upstream_key(behaviour)).collect();
    for (behaviour, (_, secret)) in BEHAVIOURS.iter().zip(&pooled) {
        run.hide(&format!("pooled key {behaviour}"), secret.as_str());
    }
    let own: Vec<(String, String)> = BEHAVIOURS.iter().map(|behaviour| upstream_key(behaviour)).collect();
    for (behaviour, (_, secret)) in BEHAVIOURS.iter().zip(&own) {
        run.hide(&format!("own key {behaviour}"), secret.as_str());
    }
    run.hide("admin password", admin_password.as_str());
    run.hide("access password", access_password.as_str());
    let all: Vec<&str> = pooled.iter().map(|(key, _)| key.as_str()).collect();
    let mut program = Program::on_sqlite()
        .file("keys.txt", &format!("{}\n", all[..6].join("\n")))
        .file("access.txt", &format!("{access_password}\n"))
        .file(".env", &format!("ADMIN_PASSWORD='{admin_password}'\n"))
        .set("OPENROUTER_API_KEY_FILE", "keys.txt")
        .set("ACCESS_PASSWORD_FILE", "access.txt")
        .set("OPENROUTER_API_URL", &simulator.base_url())
        .set("RUST_LOG", "trace")
        .set("RUST_BACKTRACE", "1")
        .set("PASS_THROUGH", "true");
    if let Some(url) = database {
        program = program.set("DATABASE_URL", url);
        let password = url.split(':').nth(2).and_then(|rest| rest.split('@').next()).expect("a password");
        run.hide("database password", password);
    }

    assert_eq!(run.command(&program, &["keys", "add", "-"], &format!("{}\n", all[6])), 0);
    for key in &all[7..] {
        assert_eq!(run.command(&program, &["keys", "add", key, "--label", "canary"], ""), 0);
        assert_eq!(run.command(&program, &["keys", "add", key], ""), 1);
    }
    let broken = format!("{} and more\n{},label,none\n", all[0], all[1]);
    assert_eq!(run.command(&program, &["keys", "import"], &broken), 1);
    run.command(&program, &["keys", "add", &format!("{} x", all[0])], "");
    run.command(&program, &["keys", "check"], "");
    let issued = program.run(&["tokens", "create", "ada", "--json"]);
    let token: Value = serde_json::from_str(&issued.out).expect("JSON");
    let token = token["token"].as_str().expect("a token").to_owned();
    run.hide("client token", token.as_str());
    run.hear("log of tokens create", issued.err);

    let mut server = program.start(&["serve"]);
    let data = server.address("clients connect to");
    let admin = server.address("operator connects to");
    let limits = server.limits();
    assert!(
        limits.lines().any(|line| {
            line.starts_with("Max core file size")
                && line.split_whitespace().filter(|word| *word == "0").count() == 2
        }),
        "{limits}"
    );
    for credential in [access_password.as_str(), token.as_str(), admin_password.as_str()] {
        clients_journey(&mut run, data, credential, &prompt);
    }
    for (key, _) in &own {
        clients_journey(&mut run, data, key, &prompt);
    }
    operators_journey(&mut run, admin, &admin_password);
    let keys = simulator.control().keys();
    let heard = |key: &&str| keys.get(*key).is_some_and(|counts| counts.attempts + counts.looks > 0);
    let silent: Vec<&str> = all
        .iter()
        .copied()
        .chain(own.iter().map(|(key, _)| key.as_str()))
        .filter(|key| !heard(key))
        .collect();
    assert!(silent.is_empty(), "never sent upstream: {silent:?}");
    let rotated = run.command(&program, &["secret", "rotate", "--data-key"], "");
    assert_eq!(rotated, 0);
    run.hide(
        "secret key",
        std::fs::read_to_string(program.folder().join("secret.key")).expect("a file").trim(),
    );
    wait_until("a request after the rotation", || {
        run.ask(data, &bearer("POST", DIALECTS[0], &access_password).json(&chat("after", false))).status
            == 200
    });

    for arguments in [
        &["keys", "list", "--json"][..],
        &["config", "show"],
        &["config", "check"],
        &["usage", "export"],
        &["tokens", "list"],
        &["config", "check", "--port", "none", "--host", "no host", "--database-url", "x:y"],
    ] {
        run.command(&program, arguments, "");
    }
    // Files while they are in use, the write-ahead log among them.
    let given = ["keys.txt", "access.txt", ".env", "secret.key"];
    run.read_files(program.folder(), &given);
    dump(&mut run);
    end(&mut run, &mut server);
    run.read_files(program.folder(), &given);

    // A wrong secret key is told without it.
    let wrong = random(43);
    run.hide("wrong secret key", wrong.as_str());
    let program = program.set("SECRET_KEY", &wrong);
    assert_eq!(run.command(&program, &["keys", "list"], ""), 78);
    let program = program.set("SECRET_KEY", &format!("{wrong}{wrong}"));
    assert_eq!(run.command(&program, &["serve"], ""), 78);
    // Prompts are kept nowhere; clients alone may hear them again.
    let traces = Traces::new([("prompt", prompt.as_bytes())]);
    for (place, bytes) in run.said.iter().filter(|(place, _)| !place.starts_with("answer to POST /v1")) {
        assert!(traces.in_bytes(bytes).is_empty(), "the prompt was found in {place}");
    }
    run.verdict();
}

fn end(run: &mut Run, server: &mut Running) {
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen.last());
    let log = server.seen.join("\n");
    assert!(log.contains("DEBUG openrouter_proxy"), "the log is not at its chattiest");
    run.hear("log of serve", log);
}

#[test]
fn secrets_are_found_nowhere() {
    if !postgres::wanted() {
        life(None, |_| {});
    }
}

#[test]
fn secrets_are_found_nowhere_on_postgres() {
    if !postgres::wanted() {
        return;
    }
    let url = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL names a server");
    let (role, password) = (format!("canary_{}", random(12).to_lowercase()), random(30));
    let mut connection = PgConnection::establish(&url).expect("a server");
    let create = [
        format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'"),
        format!("CREATE DATABASE {role} OWNER {role} TEMPLATE template0"),
    ];
    create.iter().for_each(|statement| connection.batch_execute(statement).expect("a valid statement"));
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.split('/').next().and_then(|place| place.rsplit('@').next()).expect("a host");
    let own = format!("{scheme}://{role}:{password}@{host}/{role}");
    life(Some(&own), |run| {
        let dump = Command::new("pg_dump").arg(&own).output().expect("pg_dump");
        assert!(
            dump.status.success() && !dump.stdout.is_empty(),
            "{}",
            String::from_utf8_lossy(&dump.stderr)
        );
        run.hear("pg_dump", dump.stdout);
    });
    // A server that turns us down, and one that is not there, are told without the password.
    let mut run = Run::default();
    let wrong = random(30);
    run.hide("wrong database password", wrong.as_str());
    for place in [host, "127.0.0.1:1"] {
        let program = Program::on_sqlite()
            .set("RUST_LOG", "trace")
            .set("DATABASE_URL", &format!("{scheme}://no{role}:{wrong}@{place}/{role}"));
        assert_ne!(run.command(&program, &["keys", "list"], ""), 0);
    }
    run.verdict();
    let drop = [format!("DROP DATABASE {role} WITH (FORCE)"), format!("DROP ROLE {role}")];
    drop.iter().for_each(|statement| connection.batch_execute(statement).expect("a valid statement"));
}

//! The secret key: rotated under load without an error, refused when it is wrong or lies open, and files
//! with secrets that others can read.

use crate::support::{CHAT, Call, PASSWORD, Program, Wire, chat, key, wait_until};
use openrouter_proxy::simulator::{Options as SimulatorOptions, Simulator};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

fn simulator() -> Simulator {
    let options = SimulatorOptions { enforce_limits: false, ..SimulatorOptions::default() };
    Simulator::start(options).expect("a free port")
}

fn program(simulator: &Simulator) -> Program {
    fitted(Program::new(), simulator)
}

fn fitted(program: Program, simulator: &Simulator) -> Program {
    let program = program.set("OPENROUTER_API_URL", &simulator.base_url());
    program
        .set("ACCESS_PASSWORD", PASSWORD)
        .set("ADMIN_PASSWORD", "admin-password")
        .set("PROXY_SESSION_AFFINITY", "false")
        .set("PROXY_FREE_MINUTE_LIMIT", "-1")
        .set("PROXY_FREE_DAILY_LIMIT", "-1")
}

/// Tells the clients that it is over, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn rights(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("rights");
}

#[test]
fn the_secret_key_is_rotated_under_load_without_an_error() {
    let simulator = simulator();
    let program = program(&simulator);
    for number in 1..=3 {
        assert_eq!(program.run(&["keys", "add", &key("good", number)]).code, 0);
    }
    let key_file = program.folder().join("secret.key");
    let first = fs::read(&key_file).expect("a file");
    let mut server = program.start(&["serve"]);
    let address = server.address("clients connect to");
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for client in 0..4 {
            let (over, served) = (&over, &served);
            scope.spawn(move || {
                let mut wire = Wire::open(address);
                while !over.load(Ordering::Relaxed) {
                    let answer = wire.ask(&Call::post(CHAT, chat("hello", client % 2 == 0).to_string()));
                    assert!(answer.status == 200 && answer.whole, "{answer}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = |count: usize| {
            let goal = served.load(Ordering::Relaxed) + count;
            wait_until("requests to be served", || served.load(Ordering::Relaxed) >= goal);
        };
        more(20);
        for round in 0..3 {
            let rotated = program.run(&["secret", "rotate"]);
            assert_eq!(rotated.code, 0, "{rotated:?}");
            let rotated = program.run(&["secret", "rotate", "--data-key"]);
            assert!(rotated.code == 0 && rotated.out.contains("upstream keys are encrypted"), "{rotated:?}");
            // What is added afterwards is sealed under the new data key; the server takes it over.
            let number = 10 + round;
            assert_eq!(program.run(&["keys", "add", &key("good", number)]).code, 0);
            let used = || simulator.control().key(&key("good", number)).attempts > 0;
            wait_until("the new key to be used", used);
            more(20);
        }
    });
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{:#?}", server.seen);
    assert!(!server.seen.iter().any(|line| line.contains("could not")), "{:#?}", server.seen);
    assert_eq!(program.run(&["keys", "check"]).code, 0);
    let now = fs::read(&key_file).expect("a file");
    assert_ne!(now, first);
    assert!(!program.folder().join("secret.key.new").exists());
    // The first key opens nothing any more, whatever is asked for.
    fs::write(&key_file, first).expect("a file");
    for command in
        [&["serve"][..], &["keys", "list"], &["usage", "export"], &["tokens", "list"], &["secret", "rotate"]]
    {
        let refused = program.run(command);
        assert_eq!(refused.code, 78, "{refused:?}");
        assert!(refused.err.contains("not the one this database was sealed with"), "{refused:?}");
    }
    // A rotation that was killed before its renaming: the next start finds the other file.
    fs::write(program.folder().join("secret.key.new"), now).expect("a file");
    rights(&program.folder().join("secret.key.new"), 0o600);
    assert_eq!(program.run(&["keys", "check"]).code, 0);
    assert!(!program.folder().join("secret.key.new").exists());
}

/// Killed at any moment, a rotation leaves a secret key that opens, and everything in its place.
#[test]
fn a_killed_rotation_leaves_what_starts() {
    let simulator = simulator();
    let program = program(&simulator);
    assert_eq!(program.run(&["keys", "add", &key("good", 1)]).code, 0);
    let usual = {
        let began = Instant::now();
        assert_eq!(program.run(&["secret", "rotate", "--data-key"]).code, 0);
        began.elapsed()
    };
    let mut killed = 0;
    for round in 0..24 {
        let mut rotation = program.start(&["secret", "rotate", "--data-key"]);
        // The moment is what is tried out: from the first instructions to behind the usual end.
        std::thread::sleep(usual.mul_f64(f64::from(round) / 20.0));
        rotation.kill();
        killed += u32::from(rotation.ended() != 0);
        let checked = program.run(&["keys", "check"]);
        assert!(checked.code == 0 && checked.out.contains("valid"), "round {round}: {checked:?}");
    }
    assert!(killed > 5, "only {killed} rotations were killed before their end");
}

#[test]
fn a_given_secret_key_is_written_where_it_is_told() {
    let simulator = simulator();
    let text = "0123456789abcdef".repeat(4);
    let program = program(&simulator).file("given.key", &text).set("SECRET_KEY_FILE", "given.key");
    assert_eq!(program.run(&["keys", "add", &key("good", 1)]).code, 0);
    let rotated = program.run(&["secret", "rotate", "--to", "next.key"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.out.contains("next.key") && rotated.out.contains("SECRET_KEY_FILE"), "{rotated:?}");
    let next = program.folder().join("next.key");
    assert_eq!(fs::metadata(&next).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(program.run(&["keys", "check"]).code, 78);
    let program = program.set("SECRET_KEY_FILE", "next.key");
    assert_eq!(program.run(&["keys", "check"]).code, 0);
    let rotated = program.run(&["secret", "rotate", "--data-key"]);
    assert!(rotated.code == 0 && rotated.out.contains("the secret key stays as it is"), "{rotated:?}");
    assert_eq!(program.run(&["keys", "check"]).code, 0);
    // Shown once, when no file is named.
    let rotated = program.run(&["secret", "rotate"]);
    let line = rotated.out.lines().find(|line| line.contains("shown only this once")).expect("the key");
    let shown = line.rsplit(' ').next().expect("a key");
    let program = program.file("shown.key", shown).set("SECRET_KEY_FILE", "shown.key");
    assert_eq!(program.run(&["keys", "check"]).code, 0);
}

#[test]
fn what_others_can_read_is_refused_or_warned_of() {
    let simulator = simulator();
    let program = fitted(Program::on_sqlite(), &simulator)
        .file("keys.txt", &key("good", 1))
        .set("OPENROUTER_API_KEY_FILE", "keys.txt");
    assert_eq!(program.run(&["keys", "list"]).code, 0);
    let secret_key = program.folder().join("secret.key");
    for mode in [0o640, 0o604, 0o660] {
        rights(&secret_key, mode);
        let refused = program.run(&["serve"]);
        assert!(refused.code == 78 && refused.err.contains("chmod 600"), "{mode:o}: {refused:?}");
    }
    rights(&secret_key, 0o600);
    let program =
        program.file(".env", "LOG_LEVEL=info\nADMIN_PASSWORD=admin-password\n").file("config.json", "{}");
    for name in ["keys.txt", ".env", "openrouter_proxy.db"] {
        rights(&program.folder().join(name), 0o644);
    }
    let warnings = |program: &Program| -> Vec<String> {
        let mut server = program.start(&["serve"]);
        server.line("operator connects to");
        server.signal("TERM");
        assert_eq!(server.ended(), 0);
        server.seen.iter().filter(|line| line.contains("chmod 600")).cloned().collect()
    };
    let said = warnings(&program);
    assert_eq!(said.len(), 3, "{said:#?}");
    for name in ["keys.txt", ".env", "openrouter_proxy.db"] {
        assert!(said.iter().any(|line| line.contains(name)), "{name}: {said:#?}");
    }
    for name in ["keys.txt", ".env", "openrouter_proxy.db"] {
        rights(&program.folder().join(name), 0o600);
    }
    let said = warnings(&program);
    assert!(said.is_empty(), "{said:#?}");
}

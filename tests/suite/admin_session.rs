//! Signing in to the admin plane: sessions, guessing, foreign pages and foreign names, and a password
//! that is changed under a running server.

use crate::support::{Answer, Call, House, Options, Program, Wire, spawn, wait_until};
use openrouter_proxy::domain::time::{Clock, Timestamp};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn login(password: &str) -> Call {
    Call::bare("POST", "/api/login").json(&json!({ "password": password }))
}

/// Signs in; the cookie as a browser sends it back.
fn sign_in(house: &House) -> String {
    let answer = house.operate(&login("admin-password"));
    assert_eq!(answer.status, 200, "{answer}");
    cookie(&answer)
}

fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").expect("a cookie");
    set.split(';').next().unwrap_or_default().to_owned()
}

fn status(house: &House, method: &str, target: &str, cookie: &str) -> u16 {
    house.operate(&Call::bare(method, target).header("Cookie", cookie)).status
}

fn still_clock() -> Clock {
    Clock::manual(Timestamp::parse("2026-10-10T12:00:00Z").expect("a time"))
}

#[test]
fn a_session_lets_in_until_it_is_left() {
    let house = spawn(Options::default());
    let answer = house.operate(&login("admin-password"));
    let set = answer.header("set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "{set}");
    assert_eq!(answer.json()["kind"], "cookie");
    let cookie = cookie(&answer);
    let session = house.operate(&Call::bare("GET", "/api/session").header("Cookie", &cookie));
    assert_eq!((session.status, &session.json()["kind"]), (200, &json!("cookie")));
    let bearer = house.operate(&Call::admin("GET", "/api/session")).json();
    assert_eq!(bearer, json!({"kind": "bearer", "expires_at": null, "idle_expires_at": null}));
    assert_eq!(status(&house, "GET", "/api/keys", &cookie), 200);
    let left = house.operate(&Call::bare("POST", "/api/logout").header("Cookie", &cookie));
    assert!(
        left.status == 204 && left.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")),
        "{left}"
    );
    assert_eq!(status(&house, "GET", "/api/keys", &cookie), 401);
}

#[test]
fn a_cookie_is_for_https_alone_where_the_dashboard_is() {
    let house = spawn(Options::default().set("ADMIN_PUBLIC_ORIGIN", "https://admin.example.com"));
    let asked = login("admin-password")
        .header("Host", "admin.example.com")
        .header("Origin", "https://admin.example.com");
    let answer = house.operate(&asked);
    assert!(answer.header("set-cookie").is_some_and(|set| set.contains("Secure")), "{answer}");
    // Who comes by another name comes without HTTPS: the browser would throw a secure cookie away.
    let answer = house.operate(&login("admin-password"));
    assert!(answer.header("set-cookie").is_some_and(|set| !set.contains("Secure")), "{answer}");
}

#[test]
fn a_guesser_behind_the_reverse_proxy_makes_nobody_else_wait() {
    let options = Options { clock: still_clock(), ..Options::default() };
    let house = spawn(options.set("ADMIN_PUBLIC_ORIGIN", "https://admin.example.com"));
    let from = |call: Call, told: &str| house.operate(&call.header("X-Forwarded-For", told));
    for number in 0..5 {
        // What a client writes itself stands before what the proxy adds.
        let told = format!("203.0.113.{number}, 192.0.2.1");
        assert_eq!(from(login(&format!("wrong {number}")), &told).status, 401);
    }
    assert_eq!(from(login("admin-password"), "203.0.113.9, 192.0.2.1").status, 429);
    assert_eq!(from(login("admin-password"), "192.0.2.2").status, 200);
}

#[test]
fn many_guesses_at_once_are_no_more_than_one_after_the_other() {
    // A password that was generated is stored as a hash alone, with which guesses are compared slowly.
    let house = spawn(Options { without: vec!["ADMIN_PASSWORD"], ..Options::default() });
    let guess = |number: usize| {
        let mut wire = Wire::open(house.admin_address());
        wire.send(&login(&format!("guess {number}")));
        wire
    };
    let mut wires: Vec<Wire> = (0..24).map(guess).collect();
    let told: Vec<u16> = wires.iter_mut().map(|wire| wire.answer().status).collect();
    let judged = told.iter().filter(|status| **status == 401).count();
    assert!((5..=7).contains(&judged), "{told:?}");
    assert!(told.iter().all(|status| matches!(status, 401 | 429)), "{told:?}");
}

#[test]
fn a_session_dies_idle_and_old() {
    let clock = still_clock();
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let cookie = sign_in(&house);
    clock.turn(MINUTE * 29);
    assert_eq!(status(&house, "GET", "/api/session", &cookie), 200);
    clock.turn(MINUTE * 29);
    assert_eq!(status(&house, "GET", "/api/session", &cookie), 200);
    clock.turn(MINUTE * 30);
    assert_eq!(status(&house, "GET", "/api/session", &cookie), 401);

    let cookie = sign_in(&house);
    for _ in 0..35 {
        clock.turn(MINUTE * 20);
        assert_eq!(status(&house, "GET", "/api/session", &cookie), 200);
    }
    clock.turn(MINUTE * 20);
    assert_eq!(status(&house, "GET", "/api/session", &cookie), 401, "twelve hours are over");
}

#[test]
fn guessing_waits_and_nobody_elsewhere_does() {
    let clock = still_clock();
    let house = spawn(Options { clock: clock.clone(), ..Options::default() });
    let cookie = sign_in(&house);
    for number in 0..5 {
        // A wrong bearer is a guess like a wrong password.
        let call = match number % 2 {
            0 => login(&format!("wrong {number}")),
            _ => Call::bare("GET", "/api/keys").header("Authorization", &format!("Bearer wrong{number}")),
        };
        assert_eq!(house.operate(&call).status, 401);
    }
    for call in [login("another"), login("admin-password"), Call::admin("GET", "/api/keys")] {
        let answer = house.operate(&call);
        assert_eq!((answer.status, answer.number("retry-after")), (429, 1), "{answer}");
    }
    assert_eq!(status(&house, "GET", "/api/keys", &cookie), 200, "who is in stays in");
    let elsewhere = || Wire::open_from(Ipv4Addr::new(127, 0, 0, 2), house.admin_address());
    assert_eq!(elsewhere().ask(&login("admin-password")).status, 200);
    assert_eq!(elsewhere().ask(&Call::admin("GET", "/api/keys")).status, 200);
    clock.turn(Duration::from_secs(1));
    assert_eq!(house.operate(&login("admin-password")).status, 200);
}

#[test]
fn foreign_pages_change_nothing() {
    let house = spawn(Options::default());
    let cookie = sign_in(&house);
    let ask = |method: &str, headers: &[(&str, &str)]| {
        let call = Call::bare(method, "/api/keys/1").header("Cookie", &cookie);
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        house.operate(&if method == "PATCH" { call.json(&json!({"label": "x"})) } else { call }).status
    };
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:3000"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        assert_eq!(ask("PATCH", &[(name, value)]), 403, "{name}: {value}");
        assert_eq!(ask("DELETE", &[(name, value)]), 403, "{name}: {value}");
        assert_eq!(ask("GET", &[(name, value)]), 200, "{name}: {value}");
    }
    assert_eq!(ask("PATCH", &[("Origin", "http://localhost")]), 200);
    assert_eq!(ask("PATCH", &[("Host", "127.0.0.1:8001"), ("Origin", "http://127.0.0.1:8001")]), 200);
    let foreign = login("admin-password").header("Origin", "http://evil.example");
    assert_eq!(house.operate(&foreign).status, 403);
}

#[test]
fn foreign_names_are_misdirected() {
    let house = spawn(Options::default().set("ADMIN_PUBLIC_ORIGIN", "https://admin.example.com"));
    for name in ["evil.example", "admin.example.com.evil.example", "192.0.2.1", "localhost.evil.example"] {
        for target in ["/", "/health", "/api/status", "/main.js"] {
            let answer = house.operate(&Call::admin("GET", target).header("Host", name));
            assert_eq!(answer.status, 421, "{name} {target}: {answer}");
        }
    }
    for name in ["localhost:8001", "127.0.0.1", "[::1]:8001", "admin.example.com", "admin.example.com:443"] {
        assert_eq!(
            house.operate(&Call::admin("GET", "/api/status").header("Host", name)).status,
            200,
            "{name}"
        );
    }
}

#[test]
fn bad_sign_ins_are_told_what_is_wrong() {
    let house = spawn(Options::default());
    let ask = |body: &[u8], kind: &str| {
        let call = Call { body: body.to_vec(), ..Call::bare("POST", "/api/login") };
        house.operate(&call.header("Content-Type", kind))
    };
    let json = "application/json";
    assert_eq!(ask(b"{\"password\":\"x\"}", "text/plain").status, 415);
    assert_eq!(ask(&vec![b' '; 70_000], json).status, 413);
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "{\"password\":7}",
        "{\"password\":\"\"}",
        "{\"password\":\"x\",\"user\":\"y\"}",
    ] {
        let answer = ask(body.as_bytes(), json);
        assert_eq!(answer.status, 400, "{body}: {answer}");
        assert!(answer.json()["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{answer}");
    }
}

#[test]
fn another_password_ends_every_session() {
    let program = Program::new().set("OPENROUTER_API_URL", "http://127.0.0.1:1");
    let mut server = program.start(&[]);
    let first = server.line("admin password").rsplit(' ').next().unwrap_or_default().to_owned();
    let address = server.address("the operator connects");
    let operate = |call: &Call| Wire::open(address).ask(call);
    let signed_in = operate(&login(&first));
    assert_eq!(signed_in.status, 200, "{signed_in}");
    let cookie = cookie(&signed_in);
    let weak = program.run_with(&["admin", "reset-password", "-"], "admin123\n");
    assert_ne!(weak.code, 0, "{weak:?}");
    let ended = program.run_with(&["admin", "reset-password", "-"], "correct horse battery\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    let session = Call::bare("GET", "/api/session").header("Cookie", &cookie);
    wait_until("the session to end", || operate(&session).status == 401);
    assert_eq!(operate(&login(&first)).status, 401);
    assert_eq!(operate(&login("correct horse battery")).status, 200);

    let made = program.run(&["admin", "reset-password"]);
    let second = made.out.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    assert!(made.code == 0 && second.len() == 24, "{made:?}");
    wait_until("the new password to open", || operate(&login(&second)).status == 200);
}

#[test]
fn a_configured_password_is_changed_where_it_stands() {
    let program = Program::new().set("ADMIN_PASSWORD", "configured-here");
    let ended = program.run(&["admin", "reset-password"]);
    assert!(ended.code != 0 && ended.err.contains("ADMIN_PASSWORD"), "{ended:?}");
}

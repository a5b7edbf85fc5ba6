//! HTTPS on the data plane, from outside: the real program, a TLS client, certificates made here.

mod house;

use crate::support::{Authority, PATIENCE, Program, wait_until};
use house::{House, ask, chat, program, the_rest, until};
use openssl::ssl::SslVersion;
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn tls_1_2_and_later_is_spoken_and_nothing_older() {
    let house = House::open();
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let stream = house.of_version(version).expect("a handshake");
        assert_eq!(stream.ssl().version2(), Some(version));
        assert!(ask(stream, HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        let refused = house.of_version(version).expect_err("an old version").to_string();
        assert!(refused.contains("alert protocol version"), "{refused}");
    }
}

#[test]
fn http_1_1_is_the_only_protocol() {
    let house = House::open();
    let offering = |protocols: &'static [u8]| {
        house.try_tls(|builder| builder.set_alpn_protos(protocols).expect("protocols"))
    };
    let both = offering(b"\x02h2\x08http/1.1").expect("a handshake");
    assert_eq!(both.ssl().selected_alpn_protocol(), Some(b"http/1.1".as_slice()));
    let refused = offering(b"\x02h2").expect_err("HTTP/2 alone").to_string();
    assert!(refused.contains("no application protocol"), "{refused}");
}

#[test]
fn a_chat_and_a_stream_pass_through_tls() {
    let house = House::open();
    let answer = ask(house.tls(), &chat("over TLS", false));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("echo: over TLS"), "{answer}");
    let answer = ask(house.tls(), &chat("[[chunks=200 size=2000]] a long one", true));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.len() > 300_000, "{} bytes", answer.len());
    assert!(answer.contains("data: [DONE]") && answer.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn a_new_certificate_is_taken_while_a_stream_runs() {
    let mut house = House::open();
    let mut stream = house.tls();
    stream.write_all(chat("[[chunks=60 delay_ms=50]] go on", true).as_bytes()).expect("a request");
    until(&mut stream, "data: {");
    let first = house.shown();
    assert_eq!(first, house.lies());
    let mut idle = house.tls();

    house.authority.issue(house.program.folder(), -DAY, 90 * DAY);
    house.running.signal("HUP");
    house.running.line("the certificate was read again");
    assert!(house.shown() == house.lies() && house.shown() != first);

    let second = house.shown();
    fs::write(house.program.folder().join("key.pem"), "no key").expect("our own file");
    house.running.signal("HUP");
    let line = house.running.line("the old certificate stays in use");
    assert!(line.contains("server.key_path (key.pem): holds no private key in PEM"), "{line}");
    assert_eq!(house.shown(), second);

    assert!(the_rest(stream).contains("data: [DONE]"), "the stream was cut");
    idle.write_all(HEALTH.as_bytes()).expect("the connection is still there");
    assert!(the_rest(idle).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn plain_http_is_told_to_use_https() {
    let house = House::open();
    let long = chat(&"x".repeat(300_000), false);
    for request in [HEALTH, &chat("hello", false), &long] {
        let answer = ask(house.tcp(), request);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains("connection: close\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["error"]["code"], "https_required");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("https://")));
    }
    assert_eq!(house.simulator.control().received().iter().filter(|each| each.method == "POST").count(), 0);
    assert!(ask(house.tls(), HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn connections_that_say_nothing_hinder_nobody_and_are_cut_off() {
    let house = House::open();
    let began = Instant::now();
    // More than the 256 that actix-tls would let into handshakes on one worker.
    let mut silent: Vec<_> = (0..600).map(|_| house.tcp()).collect();
    // One that stops in the middle of its first record.
    let mut halting = house.tcp();
    halting.write_all(b"\x16\x03\x01").expect("three bytes");
    assert!(ask(house.tls(), HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(began.elapsed() < Duration::from_secs(8), "served only after {:?}", began.elapsed());
    for stream in silent.iter_mut().chain([&mut halting]) {
        assert!(stream.read(&mut [0; 64]).is_ok_and(|count| count == 0), "an end in order");
    }
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn garbage_is_closed() {
    let house = House::open();
    for bytes in
        [b"\x00\x01\x02\x03\x04\x05\x06\x07".as_slice(), b"\x80\x2e\x01\x03\x01", b"\n\n\n\n\n\n\n\n"]
    {
        let mut stream = house.tcp();
        stream.write_all(bytes).expect("bytes");
        // It may have closed already.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        // Whether it is an alert, nothing or a reset: it ends at once.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() <= 7, "{answer:?}");
    }
    assert!(ask(house.tls(), HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_client_that_leaves_is_noticed_under_tls() {
    let house = House::open();
    let mut stream = house.tls();
    stream.write_all(chat("[[chunks=2000 delay_ms=20]] go on", true).as_bytes()).expect("a request");
    until(&mut stream, "data: {");
    drop(stream);
    wait_until("the upstream call to end", || !house.simulator.control().closed_early().is_empty());
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut house = House::open();
    let mut idle = house.tls();
    idle.write_all(HEALTH.replace("Connection: close\r\n", "").as_bytes()).expect("a request");
    until(&mut idle, "\r\n\r\n");
    let mut stream = house.tls();
    stream.write_all(chat("[[chunks=20 delay_ms=50]] go on", true).as_bytes()).expect("a request");
    until(&mut stream, "data: {");
    let began = Instant::now();
    house.running.signal("TERM");
    assert!(the_rest(stream).contains("data: [DONE]"), "the stream was cut");
    assert_eq!(house.running.ended(), 0);
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
}

#[test]
fn the_health_check_speaks_https() {
    let mut house = House::open();
    let port = house.address.port().to_string();
    let check = |house: &House| house.program.run(&["healthcheck", "--port", &port]).code;
    assert_eq!(check(&house), 0);
    house.running.signal("TERM");
    assert_eq!(house.running.ended(), 0);
    assert_eq!(check(&house), 1);
}

#[test]
fn a_bad_certificate_ends_the_start_with_every_fault() {
    let program = program();
    let folder = program.folder();
    let path = |name: &str| folder.join(name);
    let complaint = |command: &[&str]| {
        let ended = program.run(command);
        assert_eq!(ended.code, 78, "{ended:?}");
        assert!(!path("openrouter_proxy.db").exists(), "the database was touched");
        ended.err
    };
    for command in [&["serve"], &["config", "check"] as &[&str]] {
        let _ = fs::remove_file(path("cert.pem"));
        fs::write(path("key.pem"), "").expect("our own file");
        assert_eq!(
            complaint(command),
            "openrouter-proxy: server.cert_path (cert.pem): cannot be read: No such file or directory (os error 2)\n\
             server.key_path (key.pem): the file is empty\n"
        );
        Authority::new().issue(folder, -2 * DAY, -DAY);
        let expired = fs::read(path("cert.pem")).expect("our own file");
        Authority::new().issue(folder, -DAY, DAY);
        fs::write(path("cert.pem"), expired).expect("our own file");
        let text = complaint(command);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("server.cert_path (cert.pem): the certificate ended at "), "{text}");
        assert!(lines[1].starts_with("server.key_path (key.pem): the private key does not belong"), "{text}");
    }
    Authority::new().issue(folder, -DAY, DAY);
    assert_eq!(program.run(&["config", "check"]).code, 0);
}

#[test]
fn the_demo_says_https_where_it_speaks_it() {
    let files = ["--https", "--cert-path", "cert.pem", "--key-path", "key.pem"];
    let program = Program::new();
    Authority::new().issue(program.folder(), -DAY, DAY);
    let mut demo = program.start(&[&["demo", "--port", "0", "--admin-port", "0"][..], &files].concat());
    demo.line("Ctrl-C");
    let asked: Vec<&String> = demo.seen.iter().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(asked.len(), 2, "{:#?}", demo.seen);
    assert!(asked.iter().all(|line| line.contains(" https://127.0.0.1:")), "{asked:?}");
    demo.signal("INT");
    assert_eq!(demo.ended(), 0, "{:#?}", demo.seen);
    let without = Program::new().run(&["demo", "--https"]);
    assert_eq!(without.code, 78, "{without:?}");
    assert!(
        without.err.contains("server.cert_path") && without.err.contains("server.key_path"),
        "{without:?}"
    );
}

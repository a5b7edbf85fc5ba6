//! Clients that take their time: each is closed at its deadline, and hinders nobody.

use super::Outside;
use crate::support::{Authority, CHAT, Call, House, Options, Wire, chat, is_long, spawn};
use openrouter_proxy::listener::Deadlines;
use openrouter_proxy::simulator::Control;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Later than its deadline no connection may be closed by more than this.
const SLACK: Duration = Duration::from_secs(5);

/// How a client takes its time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// It connects and waits.
    Silent,
    /// The head of its first request comes in drops.
    FirstHead,
    /// After one answer, the head of its next request comes in drops.
    LaterHead,
    /// After one answer, nothing comes.
    Idle,
    /// Its body comes in drops.
    Body,
    /// It reads nothing of a stream.
    Unread,
}

const MANNERS: [Manner; 6] =
    [Manner::Silent, Manner::FirstHead, Manner::LaterHead, Manner::Idle, Manner::Body, Manner::Unread];

impl Manner {
    fn deadline(self, deadlines: Deadlines) -> Duration {
        match self {
            Manner::Silent | Manner::FirstHead | Manner::LaterHead => deadlines.head,
            Manner::Idle => deadlines.idle,
            Manner::Body => deadlines.body,
            Manner::Unread => deadlines.unread,
        }
    }
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

struct Attacker {
    manner: Manner,
    stream: Box<dyn Stream>,
    began: Instant,
    seen: Vec<u8>,
    ended: Option<Duration>,
}

impl Attacker {
    fn new(manner: Manner, address: SocketAddr, tls: Option<&Authority>) -> Attacker {
        let tcp = TcpStream::connect(address).expect("a connection");
        tcp.set_nodelay(true).expect("no delay");
        let handle = tcp.try_clone().expect("a handle");
        let mut stream: Box<dyn Stream> = match tls {
            Some(authority) => Box::new(authority.connect(tcp)),
            None => Box::new(tcp),
        };
        if matches!(manner, Manner::LaterHead | Manner::Idle) {
            let answer = b"{\"status\":";
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
            let mut seen = Vec::new();
            while memchr::memmem::find(&seen, answer).is_none() {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).expect("an answer");
                assert!(count > 0, "no answer");
                seen.extend_from_slice(&buffer[..count]);
            }
        }
        let begin = match manner {
            Manner::FirstHead | Manner::LaterHead => "GET /health HTTP/1.1\r\nX-Slow: ".to_owned(),
            Manner::Body => Call::post(CHAT, "").head(100_000),
            Manner::Unread => {
                let call = Call::post(CHAT, chat("x [[fault=flood1000]]", true).to_string());
                call.head(call.body.len()) + &String::from_utf8_lossy(&call.body)
            }
            Manner::Silent | Manner::Idle => String::new(),
        };
        stream.write_all(begin.as_bytes()).expect("the beginning");
        handle.set_nonblocking(true).expect("a socket");
        Attacker { manner, stream, began: Instant::now(), seen: Vec::new(), ended: None }
    }

    /// Sends one drop, and looks whether the other side has closed.
    fn go_on(&mut self) {
        if self.ended.is_some() || self.manner == Manner::Unread {
            return;
        }
        if matches!(self.manner, Manner::FirstHead | Manner::LaterHead | Manner::Body) {
            // A connection that is closed says so when it is read.
            let _ = self.stream.write(b"x");
        }
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break self.ended = Some(self.began.elapsed()),
                Ok(count) => self.seen.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => break self.ended = Some(self.began.elapsed()),
            }
        }
    }

    fn assert_closed(&self, deadlines: Deadlines) {
        let deadline = self.manner.deadline(deadlines);
        let ended = self.ended.expect("an end");
        let manner = self.manner;
        // actix looks at its clock only twice a second.
        assert!(ended + Duration::from_millis(700) >= deadline, "{manner:?} too early: {ended:?}");
        assert!(ended <= deadline + SLACK, "{manner:?} too late: {ended:?}");
        let seen = String::from_utf8_lossy(&self.seen);
        let code = match manner {
            Manner::Silent | Manner::FirstHead => "head_timeout",
            Manner::Body => "body_timeout",
            _ => return assert_eq!(seen, "", "{manner:?}"),
        };
        // Bytes that cross the answer may reset the connection before it is read.
        let told = seen.starts_with("HTTP/1.1 408 ") && seen.contains(code) && seen.contains("x-request-id");
        assert!(told || (seen.is_empty() && manner != Manner::Silent), "{manner:?}: {seen}");
    }
}

/// Lets `count` attackers of each manner loose, with a healthy client beside them.
fn attack(
    address: SocketAddr,
    tls: Option<&Authority>,
    control: &Control,
    deadlines: Deadlines,
    count: usize,
) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let healthy = scope.spawn(|| {
            let mut took = Vec::new();
            while tls.is_none() && !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answer = Wire::open(address).ask(&Call::post(CHAT, chat("healthy", false).to_string()));
                assert_eq!(answer.status, 200, "{answer}");
                took.push(began.elapsed());
                std::thread::sleep(Duration::from_millis(20));
            }
            took.sort();
            took
        });
        let mut attackers: Vec<Attacker> = Vec::new();
        for manner in MANNERS {
            for number in 0..count {
                attackers.push(Attacker::new(manner, address, tls));
                // Those that are there already do not wait for the others.
                if number % 25 == 24 {
                    attackers.iter_mut().for_each(Attacker::go_on);
                }
            }
        }
        let unread = Instant::now();
        let longest = deadlines.idle.max(deadlines.body).max(deadlines.unread) + 5 * SLACK;
        let began = Instant::now();
        let mut cut = None;
        while began.elapsed() < longest {
            attackers.iter_mut().for_each(Attacker::go_on);
            if cut.is_none() && control.closed_early().len() >= count {
                cut = Some(unread.elapsed());
            }
            let open = attackers.iter().filter(|each| each.ended.is_none() && each.manner != Manner::Unread);
            if open.count() == 0 && cut.is_some() {
                break;
            }
            std::thread::sleep(deadlines.head / 20);
        }
        over.store(true, Ordering::Relaxed);
        for attacker in attackers.iter().filter(|attacker| attacker.manner != Manner::Unread) {
            attacker.assert_closed(deadlines);
        }
        let cut = cut.expect("non-readers are cut");
        // Their time begins when every buffer on the way is full.
        assert!(cut <= deadlines.unread + 4 * SLACK, "non-readers were cut only after {cut:?}");
        let took = healthy.join().expect("healthy clients are served");
        println!("{} healthy requests, the slowest {:?}", took.len(), took.last());
        assert!(took.last().is_none_or(|slowest| *slowest < SLACK), "{took:?}");
    });
}

/// Deadlines as short as a busy machine allows.
fn short() -> Deadlines {
    let millis = Duration::from_millis;
    Deadlines { head: millis(1000), body: millis(1200), idle: millis(2000), unread: millis(1500) }
}

fn house(options: Options) -> House {
    spawn(Options { deadlines: short(), ..options.set("SERVER_MAX_IN_FLIGHT", "4096") })
}

#[test]
fn slow_clients_are_closed_at_their_deadlines() {
    let house = house(Options::default());
    attack(house.address(), None, &house.control(), short(), 10);
}

#[test]
fn slow_clients_are_closed_under_tls_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    authority.issue(folder.path(), -86_400, 86_400);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let options = Options::default()
        .set("SERVER_HTTPS", "true")
        .set("SERVER_CERT_PATH", &path("cert.pem"))
        .set("SERVER_KEY_PATH", &path("key.pem"));
    let house = house(options);
    // Who connects and is silent never comes as far as HTTP: `https.rs` shows that.
    attack(house.address(), Some(&authority), &house.control(), short(), 4);
}

#[test]
fn who_still_reads_an_answer_is_not_idle() {
    // A kernel opens its window in large steps, so little progress is seen at this pace.
    let deadlines = Deadlines { unread: Duration::from_secs(20), ..short() };
    let house = spawn(Options { deadlines, ..Options::default() });
    let mut wire = house.connect();
    let call = Call::post(CHAT, chat("[[chunks=400 size=4000]] long", true).to_string());
    wire.send(&call);
    let mut answer = wire.head();
    let began = Instant::now();
    // Longer than every deadline, in small steps, each shorter than what is allowed for no step at all.
    while wire.piece(&mut answer) {
        if began.elapsed() < Duration::from_secs(4) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert!(answer.whole && answer.body.ends_with(b"data: [DONE]\n\n"), "{answer}");
}

#[test]
fn hundreds_of_slow_clients_are_closed_at_the_real_deadlines() {
    if !is_long() {
        return;
    }
    let outside = Outside::start(&[("SERVER_MAX_IN_FLIGHT", "4096")]);
    attack(outside.address, None, &outside.simulator.control(), Deadlines::default(), 500);
    outside.assert_sane();
}

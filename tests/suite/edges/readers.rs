//! Clients that read next to nothing of streams that offer much: each costs bounded memory.

use super::Outside;
use crate::support::{CHAT, Call, Wire, chat, is_long};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What one stream may take of the program's memory, in bytes.
const EACH: u64 = 64_000;

struct Reader {
    stream: TcpStream,
    /// Bytes a second.
    rate: usize,
}

impl Reader {
    fn open(address: SocketAddr, rate: usize) -> Reader {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // A client with little room: what it does not read stays with the proxy.
        socket.set_recv_buffer_size(4096).expect("a buffer");
        socket.connect(&address.into()).expect("a connection");
        let mut stream: TcpStream = socket.into();
        let call = Call::post(CHAT, chat("x [[fault=flood1000]]", true).to_string());
        stream.write_all(call.head(call.body.len()).as_bytes()).expect("a head");
        stream.write_all(&call.body).expect("a body");
        stream.set_nonblocking(true).expect("a socket");
        Reader { stream, rate }
    }

    fn read_for_a_second(&mut self) {
        // What is not there yet is not waited for.
        let _ = self.stream.read(&mut vec![0; self.rate]);
    }
}

#[test]
fn streams_to_clients_that_hardly_read_cost_bounded_memory() {
    let (count, seconds) = if is_long() { (1000, 30) } else { (200, 6) };
    let outside = Outside::start(&[]);
    let call = |text: &str| Call::post(CHAT, chat(text, true).to_string());
    for _ in 0..20 {
        let answer = Wire::open(outside.address).ask(&call("warm [[chunks=200 size=1000]]"));
        assert_eq!(answer.status, 200, "{answer}");
    }
    let before = outside.running.resident();
    let rates = [0, 10, 100];
    let mut readers: Vec<Reader> =
        (0..count).map(|at| Reader::open(outside.address, rates[at % rates.len()])).collect();
    let (mut most, mut slowest) = (0, Duration::ZERO);
    for _ in 0..seconds {
        let second = Instant::now();
        readers.iter_mut().for_each(Reader::read_for_a_second);
        let answer = Wire::open(outside.address).ask(&call("healthy"));
        assert_eq!(answer.status, 200, "{answer}");
        slowest = slowest.max(second.elapsed());
        most = most.max(outside.running.resident());
        std::thread::sleep(Duration::from_secs(1).saturating_sub(second.elapsed()));
    }
    let streaming = outside.simulator.control().open().0;
    assert!(streaming >= count, "only {streaming} streams were open");
    let grown = most.saturating_sub(before);
    println!(
        "{count} streams: {} KiB each from {before}; a healthy one took at most {slowest:?}",
        grown / 1024 / count as u64
    );
    assert!(grown <= EACH * count as u64, "{count} streams took {grown} bytes");
    drop(readers);
    outside.assert_sane();
}

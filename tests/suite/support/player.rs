//! An upstream of a few lines that says exactly what it is told, for what the simulator, which is
//! always OpenRouter, would never say.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What is played to one request.
#[derive(Debug, Clone, Default)]
pub struct Play {
    /// Head and body, byte for byte.
    pub bytes: Vec<u8>,
    /// How the connection ends behind them.
    pub ending: Curtain,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curtain {
    /// By FIN.
    #[default]
    Fin,
    /// By RST, once the bytes have arrived.
    Reset,
    /// Not before the other side ends it.
    Silence,
}

/// Plays to each `POST` what `script` says to its request line; every `GET` gets a 404. Gives the base
/// URL.
pub fn player(script: impl Fn(&str) -> Play + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}/api/v1", listener.local_addr().expect("its address"));
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let script = Arc::clone(&script);
            std::thread::spawn(move || play(client, &*script));
        }
    });
    base
}

fn play(mut client: TcpStream, script: &dyn Fn(&str) -> Play) {
    let _ = client.set_nodelay(true);
    let Some(line) = request_line(&mut client) else { return };
    if line.starts_with("GET") {
        let _ = client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let Play { bytes, ending } = script(&line);
    if client.write_all(&bytes).is_err() {
        return;
    }
    let mut rest = [0u8; 1024];
    match ending {
        Curtain::Fin => {
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read(&mut rest);
        }
        // A reset overtakes what was not read yet.
        Curtain::Reset => {
            std::thread::sleep(Duration::from_millis(3));
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
        }
        Curtain::Silence => {
            let _ = client.read(&mut rest);
        }
    }
}

/// Reads a whole request and gives its first line.
fn request_line(client: &mut TcpStream) -> Option<String> {
    let (mut request, mut buffer) = (Vec::new(), [0u8; 8192]);
    loop {
        let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
        let Some(end) = memchr::memmem::find(&request, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        if request.len() >= end + 4 + length.unwrap_or(0) {
            return String::from_utf8_lossy(&request).lines().next().map(str::to_owned);
        }
    }
}

/// What the query of a request line says of `name`, as a number.
pub fn said(line: &str, name: &str) -> Option<usize> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    rest.split(['&', ' ']).next()?.parse().ok()
}

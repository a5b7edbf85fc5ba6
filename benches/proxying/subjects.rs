//! What is measured: nginx and this proxy, each in a process of its own.

#[path = "../../tests/suite/support/postgres.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod postgres;

use postgres::Database;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PASSWORD: &str = "benchmark-password";
/// Where a proxy's log goes, in its folder.
const LOG: &str = "log";

/// Processor time of a process so far, all of its threads.
fn cpu_of(pid: u32) -> Duration {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let time = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(time).sum())
}

/// Resident memory of a process, in bytes.
fn resident_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// nginx as a plain reverse proxy with kept connections.
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Nginx {
    /// In front of `upstream`; `None`: it is not installed.
    pub fn start(upstream: SocketAddr) -> Option<Nginx> {
        let program =
            ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let place = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 2; pid {place}/pid; error_log {place}/error.log; worker_rlimit_nofile 8192;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; client_max_body_size 32m; client_body_buffer_size 2m; keepalive_requests 1000000000;\n\
             client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;\n\
             uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
             upstream up {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}\n\
             server {{ listen {address} backlog=1024; tcp_nodelay on;\n\
             location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).expect("a file");
        let child = Command::new(program)
            .args(["-p", &place.to_string(), "-e", "error.log", "-c", "nginx.conf"])
            .spawn()
            .expect("nginx starts");
        let nginx = Nginx { address, child, _folder: folder };
        wait_for(address);
        Some(nginx)
    }

    /// Processor time of all of its workers.
    pub fn cpu(&self) -> Duration {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(cpu_of).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// How the proxy is set up.
#[derive(Clone)]
pub struct House {
    /// Upstream keys.
    pub keys: usize,
    /// Client tokens; 0: clients use the password.
    pub tokens: usize,
    /// Whether it stores on Postgres, rather than in SQLite.
    pub postgres: bool,
}

impl Default for House {
    fn default() -> House {
        House { keys: 1, tokens: 0, postgres: false }
    }
}

/// This proxy, with everything on that is on by itself.
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    /// What they show, one for each request by chance; all are of one length.
    pub credentials: Vec<String>,
    child: Child,
    folder: TempDir,
    _database: Option<Database>,
}

impl Proxy {
    /// In front of `upstream`.
    pub fn start(upstream: SocketAddr, house: &House) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let keys: Vec<String> = (0..house.keys).map(|key| format!("sk-or-v1-bench-{key:040}")).collect();
        let (port, admin) = (free_port(), free_port());
        let database = house.postgres.then(|| Database::create().expect("TEST_POSTGRES_URL names a server"));
        let url = database.iter().map(|database| ("DATABASE_URL", database.url()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_openrouter-proxy"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .envs([
                ("OPENROUTER_API_URL", format!("http://{upstream}/api/v1")),
                ("OPENROUTER_API_KEY", keys.join(",")),
                ("PROXY_FREE_DAILY_LIMIT", "-1".to_owned()),
                ("PROXY_FREE_MINUTE_LIMIT", "-1".to_owned()),
                ("ACCESS_PASSWORD", PASSWORD.to_owned()),
                ("ADMIN_PASSWORD", PASSWORD.to_owned()),
                ("SERVER_HOST", "127.0.0.1".to_owned()),
                ("SERVER_PORT", port.to_string()),
                ("SERVER_WORKERS", "2".to_owned()),
                ("ADMIN_PORT", admin.to_string()),
                ("LOG_LEVEL", "warn".to_owned()),
            ])
            .envs(url)
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join(LOG)).expect("a file"))
            .spawn()
            .expect("the proxy starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("clients connect to")));
        std::thread::spawn(move || lines.for_each(drop));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let credentials = vec![PASSWORD.to_owned()];
        let mut proxy = Proxy { address, credentials, child, folder, _database: database };
        proxy.wait_until_ready();
        let admin = SocketAddr::from(([127, 0, 0, 1], admin));
        if house.tokens > 0 {
            proxy.credentials = (0..house.tokens).map(|number| token(admin, number)).collect();
        }
        proxy
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = get(self.address, "/ready");
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
            assert!(Instant::now() < until, "the proxy is not ready: {answer:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        resident_of(self.child.id())
    }

    /// Bytes of its SQLite database.
    pub fn stored(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).expect("its folder").flatten();
        let databases = files.filter(|file| file.file_name().to_string_lossy().contains(".db"));
        databases.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long it takes from the start to ready with 200 keys, and the memory it has a while later.
pub fn start_up(upstream: SocketAddr) -> (Duration, u64) {
    let began = Instant::now();
    let proxy = Proxy::start(upstream, &House { keys: 200, ..House::default() });
    let ready = began.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    (ready, proxy.resident())
}

fn wait_for(address: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "nothing listens at {address}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn token(admin: SocketAddr, number: usize) -> String {
    let body = format!(r#"{{"name":"client {number}"}}"#);
    let mut request = String::new();
    write!(
        request,
        "POST /api/tokens HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {PASSWORD}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a text can be written to");
    let answer = exchange(admin, &request);
    let found = answer.split_once(r#""token":""#).and_then(|(_, rest)| rest.split_once('"'));
    found.map(|(token, _)| token.to_owned()).unwrap_or_else(|| panic!("no token: {answer}"))
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

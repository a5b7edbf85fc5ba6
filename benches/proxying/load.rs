//! The load: so many connections, each asking again as soon as it has its answer, and every answer
//! checked. One thread, no library in between.

use crate::upstream;
use memchr::memmem;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked, and how long.
#[derive(Clone)]
pub struct Plan {
    /// Connections.
    pub clients: usize,
    /// Every client asks until then; at least once.
    pub turn: Duration,
    /// How long a client waits before it asks again.
    pub pause: Duration,
    /// The body of the request; its eight `#` become a number that is never the same.
    pub body: Vec<u8>,
    /// Chunks that an answer must have; 0: it is plain.
    pub chunks: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Told {
    /// Answers that were right.
    pub answers: u64,
    /// Answers that were not, and requests without any.
    pub errors: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Nanoseconds of each request, sorted.
    pub requests: Vec<u64>,
    /// Nanoseconds that half of the requests took at most, and 99 of 100, where no more is known of them.
    pub percentiles: Option<(u64, u64)>,
    /// Nanoseconds that each chunk was on its way, sorted.
    pub chunks: Vec<u64>,
    /// What the watcher saw at its highest.
    pub most: u64,
}

impl Told {
    /// The `share`, from 0 to 1, of sorted times, in microseconds.
    pub fn at(times: &[u64], share: f64) -> f64 {
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).map_or(0.0, |&time| time as f64 / 1e3)
    }
}

/// Runs the plan against `address`; every request shows one of `credentials`, which are of one length.
pub fn run(address: SocketAddr, credentials: &[String], plan: &Plan) -> Told {
    run_watched(address, credentials, plan, || 0)
}

/// The same, with something looked at every tenth of a second.
pub fn run_watched(
    address: SocketAddr,
    credentials: &[String],
    plan: &Plan,
    watch: impl Fn() -> u64,
) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let told = Rc::new(RefCell::new(Told::default()));
    let credentials: Rc<[String]> = credentials.into();
    let began = Instant::now();
    local.block_on(&runtime, async {
        let clients: Vec<_> = (0..plan.clients)
            .map(|_| {
                let client = client(address, Rc::clone(&credentials), plan.clone(), began, Rc::clone(&told));
                tokio::task::spawn_local(client)
            })
            .collect();
        let most = Cell::new(0);
        let watching = async {
            loop {
                most.set(most.get().max(watch()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let all = async {
            for client in clients {
                client.await.expect("a client does not panic");
            }
        };
        tokio::select! {
            () = all => {}
            () = watching => {}
        }
        told.borrow_mut().most = most.get();
    });
    drop(local);
    let mut told = Rc::into_inner(told).expect("all clients have ended").into_inner();
    told.took = began.elapsed();
    told.requests.sort_unstable();
    told.chunks.sort_unstable();
    told
}

async fn client(
    address: SocketAddr,
    credentials: Rc<[String]>,
    plan: Plan,
    began: Instant,
    told: Rc<RefCell<Told>>,
) {
    let credential = credentials.first().expect("a credential");
    let head = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {credential}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        plan.body.len()
    );
    let mut request = [head.as_bytes(), &plan.body].concat();
    let number = memmem::find(&request, b"########");
    let shown = memmem::find(&request, credential.as_bytes()).expect("it was put in");
    let mut connection = None;
    loop {
        if let Some(place) = number.and_then(|at| request.get_mut(at..at + 8)) {
            place.copy_from_slice(format!("{:08}", fastrand::u32(0..100_000_000)).as_bytes());
        }
        let credential = fastrand::choice(credentials.iter()).expect("a credential");
        request[shown..shown + credential.len()].copy_from_slice(credential.as_bytes());
        let asked = Instant::now();
        let answer = timeout(PATIENCE, ask(&mut connection, address, &request, plan.chunks, &told)).await;
        if matches!(answer, Ok(Some(()))) {
            let mut told = told.borrow_mut();
            told.answers += 1;
            told.requests.push(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
        } else {
            told.borrow_mut().errors += 1;
            connection = None;
        }
        if began.elapsed() >= plan.turn {
            return;
        }
        if !plan.pause.is_zero() {
            tokio::time::sleep(plan.pause).await;
        }
    }
}

async fn ask(
    connection: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &[u8],
    chunks: usize,
    told: &RefCell<Told>,
) -> Option<()> {
    if connection.is_none() {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        *connection = Some(stream);
    }
    let stream = connection.as_mut()?;
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::with_capacity(8 * 1024);
    if chunks == 0 {
        while !is_whole(&answer) {
            if stream.read_buf(&mut answer).await.ok()? == 0 {
                return None;
            }
        }
        return answer.starts_with(b"HTTP/1.1 200").then_some(());
    }
    let mut events = Events::default();
    let (mut seen, mut looked_at) = (0, 0);
    while !events.is_over {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        let now = upstream::now();
        events.take(&answer)?;
        while let Some(at) = memmem::find(&events.text[looked_at..], b"\"sent\":") {
            let Some(digits) = events.text.get(looked_at + at + 7..looked_at + at + 27) else { break };
            let sent = std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
            told.borrow_mut().chunks.push(now.saturating_sub(sent));
            seen += 1;
            looked_at += at + 27;
        }
    }
    (seen == chunks && memmem::find(&events.text, b"[DONE]").is_some()).then_some(())
}

/// The text of an answer in chunks (RFC 9112, 7.1): where a proxy parts them says nothing of the events.
#[derive(Default)]
struct Events {
    text: Vec<u8>,
    /// So much of the answer was taken, the head included.
    at: usize,
    /// So much of the chunk at hand is to come.
    left: usize,
    is_over: bool,
}

impl Events {
    /// Takes what is new of `answer`; `None`: it is none.
    fn take(&mut self, answer: &[u8]) -> Option<()> {
        if self.at == 0 {
            let Some(head) = memmem::find(answer, b"\r\n\r\n") else { return Some(()) };
            answer.starts_with(b"HTTP/1.1 200").then_some(())?;
            // The end of the head stands before the first length as the end of a chunk does before the next.
            self.at = head + 2;
        }
        loop {
            let some = self.left.min(answer.len() - self.at);
            self.text.extend_from_slice(&answer[self.at..self.at + some]);
            (self.at, self.left) = (self.at + some, self.left - some);
            let length = answer.get(self.at + 2..).filter(|_| self.left == 0);
            let Some((rest, end)) = length.and_then(|rest| Some((rest, memmem::find(rest, b"\r\n")?))) else {
                return Some(());
            };
            self.left = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
            self.at += 2 + end + 2;
            self.is_over = self.left == 0;
            if self.is_over {
                return Some(());
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = memmem::find(answer, b"\r\n\r\n") else { return false };
    let lower = answer[..head].to_ascii_lowercase();
    let length = memmem::find(&lower, b"content-length: ").and_then(|at| {
        let digits = &lower[at + 16..];
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        std::str::from_utf8(&digits[..end]).ok()?.parse::<usize>().ok()
    });
    length.map_or(answer.ends_with(b"0\r\n\r\n"), |length| answer.len() >= head + 4 + length)
}

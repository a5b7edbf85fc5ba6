//! The upstream of the benchmark: the least that OpenRouter could be, far faster than any proxy.
//!
//! What it answers, the request says in its first words: `[[chunks=N every=MS]]` for a stream, else a small
//! plain answer. Each chunk carries the moment it was sent, so that its way can be timed.

use memchr::memmem;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The model that everybody asks for.
pub const MODEL: &str = "bench/model-0:free";
const MODELS: usize = 400;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this process began to measure.
pub fn now() -> u64 {
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Serves on a thread of its own.
pub fn start() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    // All streams of a cell may come at once.
    socket.listen(4096).expect("a listener");
    socket.set_nonblocking(true).expect("a socket");
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(async move {
                    // A client that leaves is no error here.
                    let _ = serve(stream).await;
                });
            }
        });
    });
    address
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = Vec::with_capacity(16 * 1024);
    loop {
        let head = loop {
            if let Some(end) = memmem::find(&inbox, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut inbox).await? == 0 {
                return Ok(());
            }
        };
        let length = content_length(&inbox[..head]);
        inbox.reserve(length);
        while inbox.len() < head + length {
            if stream.read_buf(&mut inbox).await? == 0 {
                return Ok(());
            }
        }
        let body = &inbox[head..head + length.min(400)];
        if inbox.starts_with(b"GET ") {
            let text = if memmem::find(&inbox[..head], b"/models").is_some() { models() } else { key() };
            stream.write_all(plain(&text).as_bytes()).await?;
        } else if let (Some(chunks), Some(every)) = (number(body, b"[[chunks="), number(body, b" every=")) {
            play(&mut stream, chunks, Duration::from_millis(every)).await?;
        } else {
            stream.write_all(ANSWER.as_bytes()).await?;
        }
        inbox.drain(..head + length);
    }
}

fn content_length(head: &[u8]) -> usize {
    let lower = head.to_ascii_lowercase();
    number(&lower, b"content-length: ").map_or(0, |length| usize::try_from(length).unwrap_or(0))
}

fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    let digits = &text[memmem::find(text, name)? + name.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

async fn play(stream: &mut TcpStream, chunks: u64, every: Duration) -> io::Result<()> {
    const HEAD: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(HEAD.as_bytes()).await?;
    for at in 0..chunks {
        if !every.is_zero() {
            sleep(every).await;
        }
        let end = if at + 1 == chunks { r#""stop""# } else { "null" };
        let event = format!(
            concat!(
                r#"data: {{"id":"gen-1","object":"chat.completion.chunk","created":1760000000,"model":"{}","#,
                r#""provider":"Bench","choices":[{{"index":0,"delta":{{"role":"assistant","content":" word"}},"#,
                r#""finish_reason":{}}}],"sent":{:020}}}"#,
                "\n\n"
            ),
            MODEL,
            end,
            now()
        );
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    stream.write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").await
}

static ANSWER: LazyLock<String> = LazyLock::new(|| {
    plain(&format!(
        concat!(
            r#"{{"id":"gen-1","object":"chat.completion","created":1760000000,"model":"{}","provider":"Bench","#,
            r#""choices":[{{"index":0,"message":{{"role":"assistant","content":"A short answer."}},"#,
            r#""finish_reason":"stop"}}],"usage":{{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}}}"#
        ),
        MODEL
    ))
});

fn plain(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn models() -> String {
    let model = |at: usize| {
        format!(
            concat!(
                r#"{{"id":"bench/model-{}:free","canonical_slug":"bench/model-{}","name":"Model {} (free)","#,
                r#""created":1750000000,"description":"","context_length":4194304,"architecture":{{"modality":"text->text","#,
                r#""input_modalities":["text"],"output_modalities":["text"],"tokenizer":"Other"}},"#,
                r#""pricing":{{"prompt":"0","completion":"0"}},"top_provider":{{"context_length":4194304,"#,
                r#""max_completion_tokens":8192,"is_moderated":false}},"supported_parameters":["max_tokens","tools"]}}"#
            ),
            at, at, at
        )
    };
    let all: Vec<String> = (0..MODELS).map(model).collect();
    format!(r#"{{"data":[{}]}}"#, all.join(","))
}

fn key() -> String {
    r#"{"data":{"label":"sk-or-v1-ben...nch","limit":null,"limit_remaining":null,"limit_reset":null,"usage":0,"is_free_tier":false,"rate_limit":{"requests":-1,"interval":"10s"}}}"#.to_owned()
}

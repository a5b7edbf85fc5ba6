//! Does counting a long prompt hold up other clients of the same worker? `docs/BENCHMARKS.md` says
//! how to read the figures.
//!
//! One worker thread; client A sends small requests back to back, client B prompts of 1 MB beside it.
//! No text of B's comes twice, since texts seen before are not counted again.
//! The same with `proxy.max_tokens=off` is the reference: what a relayed megabyte costs by itself.
//! Never fails on time, only on a wrong answer.

#[path = "../tests/suite/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the suite's helpers, of which this needs a few")]
mod support;

use bytes::Bytes;
use openrouter_proxy::domain::dialect::Dialect;
use openrouter_proxy::shape::body::Document;
use openrouter_proxy::shape::remembered::Remembered;
use openrouter_proxy::shape::{check, tokens};
use serde_json::json;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use support::{CHAT, Call, House, Options, Wire, spawn};

/// How often the four phases follow each other, so that a change of the machine's load meets all.
const ROUNDS: usize = 8;
/// How long each phase takes.
const PHASE: Duration = Duration::from_millis(1_200);
/// B sends a prompt this often, with or without counting, so that both see as many.
const PACE: Duration = Duration::from_millis(150);
/// Bytes of B's body, about.
const LARGE: usize = 1 << 20;
/// A free model whose output only its window bounds: every long prompt must be counted.
const MODEL: &str = "bench/wide:free";

/// Stands at the beginning of each text of B's, for a number to take its place.
const UNSEEN: &str = "turn 00000000";

/// When a request began and when its answer was whole.
type Span = (Instant, Instant);

/// How long A's requests took.
#[derive(Default)]
struct Times {
    /// Each of them.
    all: Vec<Duration>,
    /// The slowest between one prompt of B's and the next; without B, in each stretch as long.
    slowest: Vec<Duration>,
}

/// A proxy with one setting of `proxy.max_tokens`, and what was measured with it.
struct Subject {
    max_tokens: &'static str,
    house: House,
    alone: Times,
    beside: Times,
    prompts: Vec<Duration>,
}

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, load before the start: {}", load.trim());
    let (small, large) = (chat("hi"), conversation());
    let mut subjects = ["off", "auto"].map(Subject::new);
    for subject in &subjects {
        // Connections, the tokenizer and the first rows are not what is measured.
        assert_eq!(subject.house.ask(&large).status, 200);
        assert_eq!(subject.house.ask(&small).status, 200);
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.measure_alone(&small);
            subject.measure_beside(&small, &large);
        }
    }
    let [off, auto] = &subjects;
    report(off, auto);
    steps(&large);
}

/// A proxy with one worker and a simulator behind it.
fn house(max_tokens: &str) -> House {
    let model = json!({"id": MODEL, "context_length": 1_000_000, "top_provider": {"context_length": 1_000_000},
        "pricing": {"prompt": "0", "completion": "0"}});
    let options = Options { keep: 0, models: vec![model.to_string()], ..Options::default() };
    let options = options.set("PROXY_FREE_DAILY_LIMIT", "-1").set("PROXY_FREE_MINUTE_LIMIT", "-1");
    spawn(options.set("PROXY_MAX_TOKENS", max_tokens))
}

fn chat(text: &str) -> Call {
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": text}]});
    Call::post(CHAT, body.to_string())
}

/// A long conversation with a coding agent: prose, code with its escapes, lists of parts.
fn conversation() -> Call {
    const WORDS: &[&str] = &[
        "the",
        "queue",
        "holds",
        "every",
        "request",
        "until",
        "a",
        "worker",
        "is",
        "free;",
        "\n",
        "fn",
        "next(&self)",
        "->",
        "Option<Job>",
        "{",
        "self.jobs.lock().pop()",
        "}",
        "\"quoted\"",
        "队列为空时",
        "// so that",
        "0x7f",
        "\t",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut turns = Vec::new();
    let mut bytes = 0;
    while bytes < LARGE {
        let text: Vec<&str> = (0..4_000).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        let text = format!("{UNSEEN} {}", text.join(" "));
        let role = if turns.len() % 2 == 0 { "user" } else { "assistant" };
        let turn = json!({"role": role, "content": [{"type": "text", "text": text}]});
        bytes += turn.to_string().len();
        turns.push(turn);
    }
    Call::post(CHAT, json!({"model": MODEL, "messages": turns}).to_string())
}

/// The same conversation with texts that were never sent before.
fn unseen(large: &Call) -> Call {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = format!("turn {:08}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut call = large.clone();
    let marks: Vec<usize> = memchr::memmem::find_iter(&large.body, UNSEEN).collect();
    for at in marks {
        call.body[at..at + number.len()].copy_from_slice(number.as_bytes());
    }
    call
}

impl Subject {
    fn new(max_tokens: &'static str) -> Subject {
        let (alone, beside) = (Times::default(), Times::default());
        Subject { max_tokens, house: house(max_tokens), alone, beside, prompts: Vec::new() }
    }

    /// A sends `small` back to back.
    fn measure_alone(&mut self, small: &Call) {
        let began = Instant::now();
        let asked = repeat(self.house.connect(), || small.clone(), Duration::ZERO, began + PHASE);
        let stretches = PHASE.as_millis() / PACE.as_millis();
        let starts: Vec<Instant> = (0..stretches as u32).map(|count| began + PACE * count).collect();
        self.alone.add(&asked, &starts);
    }

    /// A does the same while B sends `large` at its pace.
    fn measure_beside(&mut self, small: &Call, large: &Call) {
        let end = Instant::now() + PHASE;
        let (a, b) = (self.house.connect(), self.house.connect());
        let (asked, prompts) = std::thread::scope(|scope| {
            let prompts = scope.spawn(|| repeat(b, || unseen(large), PACE, end));
            (repeat(a, || small.clone(), Duration::ZERO, end), prompts.join().expect("B's answers are right"))
        });
        self.beside.add(&asked, &prompts.iter().map(|span| span.0).collect::<Vec<_>>());
        self.prompts.extend(prompts.iter().map(took));
    }
}

impl Times {
    fn add(&mut self, asked: &[Span], starts: &[Instant]) {
        self.all.extend(asked.iter().map(took));
        for (index, start) in starts.iter().enumerate() {
            let next = starts.get(index + 1);
            let within =
                asked.iter().filter(|span| span.1 > *start && next.is_none_or(|next| span.0 < *next));
            self.slowest.extend(within.map(took).max());
        }
    }
}

fn took(span: &Span) -> Duration {
    span.1 - span.0
}

fn repeat(mut wire: Wire, call: impl Fn() -> Call, pace: Duration, end: Instant) -> Vec<Span> {
    let mut spans = Vec::new();
    while Instant::now() < end {
        let call = call();
        let began = Instant::now();
        let answer = wire.ask(&call);
        assert_eq!(answer.status, 200, "{answer}");
        spans.push((began, Instant::now()));
        std::thread::sleep(pace.saturating_sub(began.elapsed()));
    }
    spans
}

fn report(off: &Subject, auto: &Subject) {
    println!("\n{:<30}{:>9}{:>8}{:>8}{:>9}   slowest per prompt", "ms", "requests", "p50", "p99", "slowest");
    for subject in [off, auto] {
        for (name, times) in [("A alone", &subject.alone), ("A beside B", &subject.beside)] {
            let name = format!("max_tokens={}: {name}", subject.max_tokens);
            let figures = [0.5, 0.99, 1.0].map(|share| at(&times.all, share));
            print!(
                "{name:<30}{:>9}{:>8.2}{:>8.2}{:>9.2}",
                times.all.len(),
                figures[0],
                figures[1],
                figures[2]
            );
            println!("   p50 {:.2}, p90 {:.2}", at(&times.slowest, 0.5), at(&times.slowest, 0.9));
        }
        let name = format!("max_tokens={}: B, 1 MB", subject.max_tokens);
        let figures = [0.5, 0.99, 1.0].map(|share| at(&subject.prompts, share));
        println!(
            "{name:<30}{:>9}{:>8.2}{:>8.2}{:>9.2}",
            subject.prompts.len(),
            figures[0],
            figures[1],
            figures[2]
        );
    }
    println!("\nratios                              p50     p99   slowest per prompt, p50");
    ratios("off: beside B / alone", &off.beside, &off.alone);
    ratios("auto: beside B / alone", &auto.beside, &auto.alone);
    ratios("beside B: auto / off", &auto.beside, &off.beside);
    println!("\nwhat one prompt of B's adds to A's slowest request beside it, in ms");
    let added =
        |subject: &Subject, share| at(&subject.beside.slowest, share) - at(&subject.alone.slowest, share);
    let largest = |subject: &Subject| at(&subject.beside.all, 1.0) - at(&subject.alone.all, 0.5);
    for subject in [off, auto] {
        print!("{:<30}p50 {:.2}, p90 {:.2}", subject.max_tokens, added(subject, 0.5), added(subject, 0.9));
        println!(", largest (against A's p50 alone) {:.2}", largest(subject));
    }
    let by_counting = |share| added(auto, share) - added(off, share);
    print!("{:<30}p50 {:.2}, p90 {:.2}", "by counting itself", by_counting(0.5), by_counting(0.9));
    println!(", largest {:.2}", largest(auto) - largest(off));
}

fn ratios(name: &str, these: &Times, those: &Times) {
    let all = [0.5, 0.99].map(|share| at(&these.all, share) / at(&those.all, share));
    let slowest = at(&these.slowest, 0.5) / at(&those.slowest, 0.5);
    println!("{name:<30}{:>9.2}{:>8.2}{slowest:>8.2}", all[0], all[1]);
}

/// The time in milliseconds below which this share of them lies.
fn at(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// What each step takes for B's body by itself, the median of some.
fn steps(large: &Call) {
    let body = Bytes::from(large.body.clone());
    let parse = || Document::parse(body.clone()).expect("a document");
    let document = parse();
    println!("\nsteps for a body of {} bytes, median in ms", body.len());
    step("read the document", || drop(black_box(parse())));
    step("check its fields", || drop(black_box(check::check(&document, Dialect::Chat))));
    step("bound its tokens", || drop(black_box(tokens::at_most(&document, Dialect::Chat))));
    let count = |seen: &Remembered| drop(black_box(tokens::count(&document, Dialect::Chat, u64::MAX, seen)));
    let seen = Remembered::default();
    count(&seen);
    step("count its tokens", || count(&Remembered::default()));
    step("count them again", || count(&seen));
}

fn step(name: &str, run: impl Fn()) {
    let time = || {
        let began = Instant::now();
        run();
        began.elapsed()
    };
    let times: Vec<Duration> = (0..21).map(|_| time()).collect();
    println!("{name:<20}{:>9.2}", at(&times, 0.5));
}

//! What the journeys share: a whole proxy with its simulator, a client that sees every byte, the
//! program as a process, and a reader of event streams.
//!
//! Nothing here is borrowed from the proxy's own HTTP or SSE code: a fault in one must not hide
//! behind the same fault in the other.

mod authority;
mod house;
mod player;
pub mod postgres;
mod postgres_server;
mod process;
mod sse;
mod wire;

pub use authority::Authority;
pub use house::{House, Options, PASSWORD, all_rows, spawn};
pub use player::{Curtain, Play, player, said};
pub use postgres_server::PostgresServer;
pub use process::{Program, Running};
pub use sse::{error_events, events, json_events, text, usage, without_leading_comments};
pub use wire::{Answer, Call, Wire};

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A free model that the simulator lists.
pub const MODEL: &str = "z-ai/glm-4.5-air:free";
/// Another one, with a window of a million tokens.
pub const WIDE_MODEL: &str = "nvidia/nemotron-3-ultra-550b-a55b:free";
/// A paid model that the simulator lists.
pub const PAID_MODEL: &str = "openai/gpt-4o";
/// The path of chat completions.
pub const CHAT: &str = "/v1/chat/completions";

/// Long enough for anything that is going to happen on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `ready` gives something, looking often; fails with `what` when it never does.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until `holds`.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Tries every case, several at a time; fails when one fails.
pub fn each<T: Send>(cases: impl IntoIterator<Item = T>, attempt: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter().collect::<VecDeque<T>>());
    let work = || {
        loop {
            let case = cases.lock().expect("no case is taken in panic").pop_front();
            let Some(case) = case else { return };
            attempt(case);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(work);
        }
    });
}

/// Whether the long tests were asked for: `./test.sh --long`.
pub fn is_long() -> bool {
    std::env::var_os("LONG_TESTS").is_some()
}

/// A chat request whose one message is `text`.
pub fn chat(text: &str, stream: bool) -> Value {
    json!({"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// A simulated key that behaves as `behaviour` says, unlike all others of its number.
pub fn key(behaviour: &str, number: usize) -> String {
    format!("sk-or-v1-sim-{behaviour}-{number:04}")
}

/// So many good keys.
pub fn good_keys(count: usize) -> Vec<String> {
    (1..=count).map(|number| key("good", number)).collect()
}

//! The simulator: a built-in fake OpenRouter, faithful to `openrouter-api.md`, that misbehaves on
//! request and records what it received. Used by tests, by `demo` and standalone.
//!
//! It imports nothing but domain words, and speaks HTTP/1.1 itself because it must control every
//! byte. The path of a request: `server` reads it (`http`), `router` gives it to `lookup`
//! (`listing`, `views`) or `generate` (`ask`, then a [`Fault`] or `compose` and `chat`, `responses`,
//! `messages`, `embeddings`); both give a `reply` script, and `play` writes that to the socket.
//!
//! **Keys.** Every key that begins with [`KEY_PREFIX`] is accepted; the word after it is its
//! behaviour: `sk-or-v1-sim-good-0001`, or any fault's name with an optional amount,
//! `sk-or-v1-sim-cut500-x`. A part `acct…` names the account (default: one account a key); an
//! account whose name begins with `paid` has bought credits.
//!
//! **Requests** steer single answers by `[[…]]` in their last user message: `chunks`, `delay_ms`,
//! `size`, `split`, `usage`, `comments`, `cut`, `fault`, `tool`, `reasoning`, `burst`.
//!
//! **Control**: in process by [`Control`], from elsewhere by JSON under `/__simulator/`:
//! `GET received|closed|counts|faults`, `POST faults|accounts|reset` (described in `control_http`).

mod accounts;
mod ask;
mod chat;
mod compose;
mod control;
mod control_http;
mod embeddings;
mod faults;
mod gate;
mod generate;
mod http;
mod keys;
mod listing;
mod lookup;
mod messages;
mod models;
mod play;
mod record;
mod reply;
mod responses;
mod router;
mod server;
mod sse;
mod state;
mod steer;
mod views;

#[cfg(test)]
mod tests;

pub use accounts::AccountPlan;
pub use ask::digest;
pub use control::{AccountCounts, Control};
pub use faults::{Fault, Misbehaviour};
pub use keys::KEY_PREFIX;
pub use record::{ClosedEarly, Ended, Received};
pub use state::{KeyCounts, Scope};

use crate::domain::time::Clock;
use models::Models;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// How a simulator is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// On how many threads; each has its own listener on the same port.
    pub threads: usize,
    /// The clock that days and minutes follow. Pauses always follow the machine's.
    pub clock: Clock,
    /// Whether limits and credits are enforced; if not, `GET /key` says there is plenty.
    pub enforce_limits: bool,
    /// Changes all content; the same seed and request give the same content.
    pub seed: u64,
    /// How many requests are kept for [`Control::received`]; 0 keeps none and is fastest.
    pub keep: usize,
    /// Models that write text, listed before the built-in ones and in place of their namesakes: each
    /// an object as in `GET /models`, with at least `id`, `pricing` and `top_provider`.
    pub models: Vec<String>,
}

impl Default for Options {
    /// A free port of the loopback, one thread, the machine's clock, limits enforced.
    fn default() -> Options {
        Options {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 1,
            clock: Clock::system(),
            enforce_limits: true,
            seed: 0,
            keep: 10_000,
            models: Vec::new(),
        }
    }
}

/// A running simulator. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<state::Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Starts one on threads of its own.
    ///
    /// # Errors
    /// When the address cannot be bound, a thread cannot be started or a model cannot be read.
    pub fn start(options: Options) -> io::Result<Simulator> {
        let models = Models::new(&options.models)?;
        let listeners = server::bind(options.address, options.threads)?;
        let address = listeners.first().map_or(Ok(options.address), std::net::TcpListener::local_addr)?;
        let shared = Arc::new(state::Shared::new(&options, models));
        let (stop, stopped) = watch::channel(false);
        let mut threads = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            let thread = std::thread::Builder::new().name("simulator".to_owned());
            threads.push(thread.spawn(move || server::serve(listener, shared, stopped))?);
        }
        Ok(Simulator { address, shared, stop, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of its API: `http://127.0.0.1:PORT/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, router::BASE)
    }

    /// A handle to steer it and to ask what it saw.
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.shared))
    }

    /// What it answers to `body` at `path` under this generation id (from `X-Generation-Id`): the
    /// body without HTTP framing, byte for byte. `None` when it would refuse.
    pub fn expected(&self, path: &str, body: &[u8], generation_id: &str) -> Option<Vec<u8>> {
        generate::expected(&self.shared, path, body, generation_id)
    }

    /// Stops it: no new connections, open ones are closed.
    pub fn stop(&mut self) {
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}

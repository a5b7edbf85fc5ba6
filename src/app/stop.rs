//! When to end: a signal, a word from whoever runs the app, or the death of a part; and how what is
//! still open comes to its end.

use super::StartError;
use crate::data_plane::Shared;
use actix_web::dev::ServerHandle;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What is still open so long before the time to end is over is ended with a last word.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// Asked a second time, the program ends within about this long.
const AT_ONCE: Duration = Duration::from_millis(500);
/// What is dropped is gone within milliseconds; on a machine that has no time for it, its rows are
/// worth this long a wait.
const EMPTYING: Duration = Duration::from_secs(5);
/// How often it is looked whether every actor lives.
const WATCH: Duration = Duration::from_secs(1);

/// Asks the app to end: once to drain, twice to end at once. Clones ask the same app.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<u32>);

impl Default for Stop {
    fn default() -> Stop {
        Stop(watch::Sender::new(0))
    }
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.send_modify(|asked| *asked += 1);
    }

    /// Asks at each SIGTERM and SIGINT. Must run inside an actix system.
    pub fn on_signals(&self) {
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let Ok(mut signals) = signal(kind) else { continue };
            let stop = self.clone();
            actix_web::rt::spawn(async move {
                while signals.recv().await.is_some() {
                    stop.ask();
                }
            });
        }
    }

    async fn times(&self, wanted: u32) {
        let mut asked = self.0.subscribe();
        let _ = asked.wait_for(|times| *times >= wanted).await;
    }

    /// Waits until it was asked a second time.
    pub(super) async fn again(&self) {
        self.times(2).await;
    }
}

/// Waits for the end. Errors: a part has died.
pub(super) async fn wait(stop: &Stop, shared: &Shared) -> Result<(), StartError> {
    loop {
        tokio::select! {
            () = stop.times(1) => return Ok(()),
            () = sleep(WATCH) => {}
        }
        let parts = [
            ("key pool", shared.pool.is_alive()),
            ("model catalog", shared.catalog.is_alive()),
            ("token book", shared.tokens.is_alive()),
            ("usage sink", shared.usage.is_alive()),
        ];
        if let Some((name, _)) = parts.iter().find(|(_, alive)| !alive) {
            log::error!("the {name} has died");
            return Err(StartError::Died(name));
        }
    }
}

/// Goes on as usual, not ready any more, for `time`, so that load balancers see it before connections are
/// refused; asked again, no longer.
pub(super) async fn be_noticed(stop: &Stop, time: Duration) {
    tokio::select! {
        () = sleep(time) => {}
        () = stop.again() => {}
    }
}

/// Takes no new connections and lets open requests come to their end; [`LAST_WORDS`] before `time` is
/// over, or when asked again, those that are left are ended with an error. At the end none is left.
pub(super) async fn drain(
    stop: &Stop,
    shared: &Shared,
    serving: JoinHandle<io::Result<()>>,
    server: ServerHandle,
    time: Duration,
) {
    let mut drained = pin!(server.stop(true));
    let last_words = LAST_WORDS.min(time / 2);
    tokio::select! {
        () = &mut drained => return,
        () = sleep(time - last_words) => {}
        () = stop.again() => {}
    }
    // actix does not take a second order while it drains, so what is still open ends itself.
    shared.gate.end();
    let at_once = async {
        stop.again().await;
        sleep(AT_ONCE).await;
    };
    tokio::select! {
        () = drained => {}
        () = sleep(last_words.max(AT_ONCE)) => {}
        () = at_once => {}
    }
    // Who does not read cannot be told: dropping the server drops what it still serves, and so
    // finishes its rows.
    serving.abort();
    let emptied = async {
        while shared.gate.inside() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(EMPTYING, emptied).await.is_err() {
        log::error!("{} requests could not be ended in time", shared.gate.inside());
    }
}

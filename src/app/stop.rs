//! When to end: a signal, a word from whoever runs the app, or the death of a part.

use super::StartError;
use crate::data_plane::Shared;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
            () = tokio::time::sleep(WATCH) => {}
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

//! Sessions that hold in every process: what began or ended here is kept in the database, what began or
//! ended elsewhere is read from there. Decides nothing; the brain is `sessions`.
//!
//! Who is signed in stays so while the database is away.

use super::Door;
use crate::admin_plane::problem::Problem;
use crate::domain::secret::Digest;
use crate::ledger::LedgerError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::sleep;

/// How often it is looked what other processes did; rarer while the database is away.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_WHILE_AWAY: Duration = Duration::from_secs(5);
/// Cookies that are looked up at a time: anyone may send one.
const LOOK_UPS: usize = 4;

/// What it takes to share sessions.
pub(super) struct Sharing {
    /// The number of the sessions' state that was read last; held while sessions are written or read.
    revision: Mutex<Option<i64>>,
    soon: Notify,
    look_ups: Semaphore,
}

impl Default for Sharing {
    fn default() -> Sharing {
        Sharing { revision: Mutex::new(None), soon: Notify::new(), look_ups: Semaphore::new(LOOK_UPS) }
    }
}

impl Door {
    /// Shares sessions from now on. Must run inside an actix system.
    pub fn keep(door: &Arc<Door>) {
        let door = Arc::clone(door);
        actix_web::rt::spawn(async move {
            loop {
                let pause = if door.share().await.is_ok() { LOOK } else { LOOK_WHILE_AWAY };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = door.sharing.soon.notified() => {}
                }
            }
        });
    }

    /// Says that another process has begun or ended sessions.
    pub fn edited(&self) {
        self.sharing.soon.notify_one();
    }

    /// Writes what changed here and reads what changed elsewhere.
    pub(super) async fn share(&self) -> Result<(), LedgerError> {
        let mut known = self.sharing.revision.lock().await;
        let changes = self.sessions().changes(self.clock.now());
        if !changes.is_empty() {
            self.ledger.save_sessions(changes.clone()).await?;
            self.sessions().saved(&changes);
        }
        if *known != Some(self.ledger.sessions_revision().await?) {
            let (revision, stored) = self.ledger.sessions().await?;
            // Another password ends sessions in the transaction that sets it: read after them, and taken
            // over before them, it leaves no moment in which they have ended and the old one still opens.
            if let Some(hash) = self.ledger.admin_password().await?
                && self.password.replace(hash)
            {
                log::warn!("the admin password was changed; every session has ended");
            }
            self.sessions().mirror(&stored, self.password.mark(), self.clock.now());
            *known = Some(revision);
        }
        Ok(())
    }

    /// Learns of a session that this process does not know, or that was used elsewhere. Errors: 503 when
    /// that cannot be found out now.
    pub(super) async fn look_up(&self, cookie: Digest) -> Result<(), Problem> {
        if self.sessions().has_ended(&cookie) {
            return Ok(());
        }
        let busy = |_| Problem::new(503, "too many sessions are being looked up; try again shortly");
        let _slot = self.sharing.look_ups.try_acquire().map_err(busy)?;
        match self.ledger.session(cookie).await {
            Ok(Some(stored)) => self.sessions().learn(&stored, self.password.mark(), self.clock.now()),
            Ok(None) => {}
            Err(_) => {
                let text = "the database is away, and with it who is signed in; \
                            send `Authorization: Bearer <admin password>`, or try again shortly";
                return Err(Problem::new(503, text).retry_after(LOOK_WHILE_AWAY));
            }
        }
        Ok(())
    }
}

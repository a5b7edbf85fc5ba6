//! Who is signed in, in the ledger.

use super::{Ledger, LedgerError};
use crate::domain::secret::Digest;
use crate::domain::session::{SessionChanges, SessionRecord};
use crate::store::{PasswordHash, Topic};

impl Ledger {
    /// A number that rises when a session begins or ends.
    pub async fn sessions_revision(&self) -> Result<i64, LedgerError> {
        self.run(|store| store.revision(Topic::Sessions)).await
    }

    /// Every session, and the number of this state.
    pub async fn sessions(&self) -> Result<(i64, Vec<SessionRecord>), LedgerError> {
        self.run(|store| store.sessions()).await
    }

    /// The hash of the admin password, if one was ever set.
    pub async fn admin_password(&self) -> Result<Option<PasswordHash>, LedgerError> {
        self.run(|store| store.admin_password_hash()).await
    }

    /// The session of one cookie.
    pub async fn session(&self, cookie: Digest) -> Result<Option<SessionRecord>, LedgerError> {
        self.run(move |store| store.session(&cookie)).await
    }

    /// Keeps the sessions that began or were used, and removes those that ended.
    pub async fn save_sessions(&self, changes: SessionChanges) -> Result<(), LedgerError> {
        self.run(move |store| store.save_sessions(&changes)).await
    }
}

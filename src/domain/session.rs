//! Who is signed in to the dashboard, as it is kept: digests of cookies, never a cookie.

use super::secret::Digest;
use super::time::Timestamp;

/// A session as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRecord {
    /// The digest of its cookie.
    pub cookie: Digest,
    /// The mark of the admin password that it began with.
    pub password: Digest,
    /// When it began.
    pub began: Timestamp,
    /// When it was last used.
    pub used: Timestamp,
}

/// What one process did with sessions that the others do not know yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionChanges {
    /// Those that began.
    pub begun: Vec<SessionRecord>,
    /// Those that were used.
    pub used: Vec<SessionRecord>,
    /// The cookies of those that ended.
    pub ended: Vec<Digest>,
    /// Those that nobody used since then are over.
    pub used_before: Timestamp,
    /// Those that began before then are over.
    pub began_before: Timestamp,
}

impl SessionChanges {
    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.used.is_empty() && self.ended.is_empty()
    }
}

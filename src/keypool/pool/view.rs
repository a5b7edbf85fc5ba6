//! The pool as the operator sees it.

use super::{Key, Pool};
use crate::domain::key::KeyRecord;
use crate::domain::secret::Digest;
use crate::domain::time::Timestamp;
use crate::keypool::cooldown::{Place, Rest};

/// What the operator sees of one key.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key with its counts.
    pub record: KeyRecord,
    /// What tells whether a credential is this key.
    pub digest: Digest,
    /// Attempts under way.
    pub in_flight: u32,
    /// What keeps it from being used, if anything does.
    pub rest: Option<Rest>,
}

/// The pool at one moment.
#[derive(Debug, Clone, Default)]
pub struct PoolView {
    /// Every key.
    pub keys: Vec<KeyView>,
    /// How many may be used now.
    pub usable: usize,
}

impl Pool {
    /// The pool as the operator sees it.
    pub fn view(&self, now: Timestamp) -> PoolView {
        let keys: Vec<KeyView> = self.keys.iter().map(|key| self.key_view(key, now)).collect();
        let usable = keys.iter().filter(|key| key.record.enabled && key.rest.is_none()).count();
        PoolView { keys, usable }
    }

    fn key_view(&self, key: &Key, now: Timestamp) -> KeyView {
        let mut record = key.record.clone();
        record.used_today = key.today.used(now.day());
        let spent = key.today.remaining(record.daily_limit, now.day()) == Some(0);
        let rest = [Place::Key(record.id), Place::Account(record.account)]
            .iter()
            .find_map(|place| self.cooldowns.get(place, now).cloned())
            .or_else(|| spent.then(|| Rest::stated("key_daily_limit", Some(now.day().end()))));
        KeyView { record, digest: key.secret.digest(), in_flight: key.in_flight, rest }
    }
}

//! The pool as the operator sees it.

use super::{Account, Key, Pool};
use crate::domain::account::AccountRecord;
use crate::domain::cooldown::Place;
use crate::domain::ids::KeyId;
use crate::domain::key::KeyRecord;
use crate::domain::secret::Digest;
use crate::domain::time::Timestamp;
use crate::keypool::cooldown::Rest;

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

/// What the operator sees of one account.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// The account with its count of today.
    pub record: AccountRecord,
    /// Its keys.
    pub keys: Vec<KeyId>,
    /// Requests to free models a UTC day that hold just now; `None`: no limit.
    pub daily_limit: Option<u32>,
    /// Requests to free models a minute that hold just now; `None`: no limit.
    pub minute_limit: Option<u32>,
    /// Attempts for free models in this minute.
    pub used_minute: u32,
    /// What keeps all its keys from being used, if anything does.
    pub rest: Option<Rest>,
    /// Models that its keys are not used for.
    pub models: Vec<(String, Rest)>,
}

/// The pool at one moment.
#[derive(Debug, Clone, Default)]
pub struct PoolView {
    /// Every key.
    pub keys: Vec<KeyView>,
    /// Every account, in the order of their ids.
    pub accounts: Vec<AccountView>,
    /// Everything that rests, in the order of places.
    pub rests: Vec<(Place, Rest)>,
    /// How many keys may be used now.
    pub usable: usize,
    /// Requests that wait for a key.
    pub waiting: usize,
}

/// Whether a key cannot serve for this reason. A minute's limit is over so soon that requests wait for
/// it.
fn keeps_away(rest: Option<&Rest>) -> bool {
    rest.is_some_and(|rest| rest.cause != "free_minute_limit")
}

impl Pool {
    /// The pool as the operator sees it.
    pub fn view(&self, now: Timestamp) -> PoolView {
        let keys: Vec<KeyView> = self.keys.iter().map(|key| self.key_view(key, now)).collect();
        let usable = keys.iter().filter(|key| key.record.enabled && !keeps_away(key.rest.as_ref())).count();
        let mut accounts: Vec<AccountView> =
            self.accounts.values().map(|account| self.account_view(account, now)).collect();
        accounts.sort_by_key(|account| account.record.id);
        for (place, rest) in self.cooldowns.all(now) {
            let Place::AccountModel(of, model) = place else { continue };
            if let Ok(at) = accounts.binary_search_by_key(of, |account| account.record.id)
                && let Some(account) = accounts.get_mut(at)
            {
                account.models.push((model.clone(), rest.clone()));
            }
        }
        accounts.iter_mut().for_each(|account| account.models.sort_by(|(one, _), (other, _)| one.cmp(other)));
        let rests = self.cooldowns.all(now);
        let mut rests: Vec<(Place, Rest)> =
            rests.map(|(place, rest)| (place.clone(), rest.clone())).collect();
        rests.sort_by(|(one, _), (other, _)| one.cmp(other));
        PoolView { keys, accounts, rests, usable, waiting: 0 }
    }

    fn key_view(&self, key: &Key, now: Timestamp) -> KeyView {
        let mut record = key.record.clone();
        record.used_today = key.today.used(now.day());
        let spent = key.today.remaining(record.daily_limit, now.day()) == Some(0);
        let of_key = self.cooldowns.get(&Place::Key(record.id), now).cloned();
        let rest = of_key
            .or_else(|| spent.then(|| Rest::stated("key_daily_limit", now, Some(key.today.ends(now.day())))))
            .or_else(|| key.look.keeps(true, now).map(|cause| Rest::stated(cause, now, None)))
            .or_else(|| {
                self.accounts.get(&record.account).and_then(|account| self.account_rest(account, now))
            });
        KeyView { record, digest: key.digest, in_flight: key.in_flight, rest }
    }

    fn account_view(&self, account: &Account, now: Timestamp) -> AccountView {
        let mut record = account.record.clone();
        record.used_today = account.today.used(now.day());
        let own = self.keys.iter().filter(|key| key.record.account == record.id);
        AccountView {
            keys: own.map(|key| key.record.id).collect(),
            daily_limit: account.daily_limit(&self.options.limits),
            minute_limit: account.minute_limit(&self.options.limits),
            used_minute: account.minute.used(now),
            rest: self.account_rest(account, now),
            models: Vec::new(),
            record,
        }
    }

    fn account_rest(&self, account: &Account, now: Timestamp) -> Option<Rest> {
        let stored = self.cooldowns.get(&Place::Account(account.record.id), now).cloned();
        stored.or_else(|| {
            let own = account.spent(&self.options.limits, now);
            let (until, cause) = own.or_else(|| self.shared_spent(account, now))?;
            Some(Rest::stated(cause, now, Some(until)))
        })
    }
}

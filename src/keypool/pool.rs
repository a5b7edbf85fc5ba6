//! The pool's brain: picks a key for an attempt, reserves, and learns from how the attempt ended.
//!
//! A plain struct without I/O; `now` and chance are arguments. It never names a key to a client and
//! never lets two attempts share the last reservation of a limit.

mod account;
mod hand;
mod keys;
mod learn;
mod parts;
mod settle;
mod standing;
mod view;

pub use account::FreeLimits;
pub use learn::Lesson;
pub use view::{AccountView, KeyView, PoolView};

use super::cooldown::{Cooldowns, Standing};
use super::quota::DayCount;
use super::sessions::Sessions;
use crate::allowance::{Allowance, Mark};
use crate::domain::account::AccountUse;
use crate::domain::cooldown::Place;
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::key::{KeyRecord, KeyUse};
use crate::domain::map::Map;
use crate::domain::secret::{Digest, Secret};
use crate::domain::strategy::Strategy;
use crate::domain::time::{Day, Timestamp};
use crate::upstream::verdict::{Cause, Verdict};
use account::Account;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What an attempt needs.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The model it is for.
    pub model: Arc<str>,
    /// Whether that model is free: only those count against an account's limits.
    pub free: bool,
    /// Keys that this request has tried already.
    pub tried: Vec<KeyId>,
    /// Accounts that refused this request already.
    pub refused: Vec<AccountId>,
    /// Only this key: the attempt before never reached the upstream over the connection it took.
    pub only: Option<KeyId>,
    /// The conversation it belongs to.
    pub conversation: Option<Conversation>,
    /// How long it may wait for a key whose limit resets by then; `None`: not at all.
    pub wait_until: Option<Timestamp>,
}

/// A conversation, of which this may be one turn of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// What tells it from others.
    pub id: u64,
    /// Whether there were turns before this one, so that the account that served them is preferred.
    pub goes_on: bool,
}

impl Ask {
    fn passes_over(&self, key: &KeyRecord) -> bool {
        self.only.is_some_and(|only| only != key.id)
            || self.tried.contains(&key.id)
            || self.refused.contains(&key.account)
    }

    /// Whether whoever asks for the other would get the same answer.
    pub fn asks_the_same(&self, other: &Ask) -> bool {
        (&self.model, self.free, self.only) == (&other.model, other.free, other.only)
            && self.tried == other.tried
            && self.refused == other.refused
    }
}

/// The right of one attempt to use one key.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Number of the lease.
    pub lease: u64,
    /// The key.
    pub key: KeyId,
    /// Its account.
    pub account: AccountId,
    /// Its label.
    pub label: String,
    /// The key itself.
    pub secret: Secret,
    /// Whether the attempt probes something that rested: others wait for how it goes.
    pub probes: bool,
}

/// Why there is no key for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKey {
    /// The pool has no key that the operator lets be used.
    NoneConfigured,
    /// Every key that is left rests or is spent.
    AllResting {
        /// When the first will be back; `None`: not before the operator acts.
        until: Option<Timestamp>,
        /// What keeps that one, in the words of the verdict table.
        cause: Cause,
    },
    /// The model rests for every key.
    ModelResting {
        /// Until when.
        until: Option<Timestamp>,
        /// Why.
        cause: Cause,
    },
    /// Every key was tried for this request.
    AllTried,
}

impl NoKey {
    /// Whether a limit resets, or a probe may have ended, by `wait_until`. The store's word on a quota
    /// is waited for in any case: it comes within moments, or the cause becomes another.
    pub fn is_worth_waiting(&self, wait_until: Option<Timestamp>, now: Timestamp) -> bool {
        if matches!(self, NoKey::AllResting { cause: parts::ASKING, .. }) {
            return true;
        }
        let Some(wait_until) = wait_until.filter(|until| *until > now) else { return false };
        match self {
            NoKey::AllResting { until: Some(until), cause }
            | NoKey::ModelResting { until: Some(until), cause } => {
                let resets = matches!(
                    *cause,
                    "free_minute_limit"
                        | "free_daily_limit"
                        | "key_daily_limit"
                        | "account_rate_limit"
                        | "rate_limited"
                        | "in_flight_budget"
                        | PROBING
                        | parts::AWAY
                );
                resets && *until <= wait_until
            }
            _ => false,
        }
    }
}

/// What keeps a place whose rest is over: one request probes it just now.
pub(super) const PROBING: Cause = "probing";

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It answered.
    Success,
    /// It was refused.
    Refused(Verdict),
    /// No answer, or only part of one: nobody's fault that we could name.
    Broken,
    /// The client left; says nothing about the key.
    Abandoned,
    /// It was never sent: the reservation is given back.
    NeverSent,
}

#[derive(Debug)]
struct Key {
    record: KeyRecord,
    secret: Secret,
    digest: Digest,
    today: DayCount,
    last_taken: u64,
    in_flight: u32,
    /// Whether its last attempt that told anything was answered.
    proven: bool,
    look: learn::Look,
    /// Its part of its daily limit.
    part: Allowance,
}

/// A lease that is out.
#[derive(Debug)]
struct Flight {
    key: KeyId,
    day: Day,
    /// The account it was counted for, with day and minute; `None`: not a free model's request.
    counted: Option<(AccountId, Day, Timestamp)>,
    /// What it took of the parts in hand.
    taken: parts::Taken,
    /// What it probes.
    places: Vec<Place>,
    model: Arc<str>,
}

/// What the operator chose for the pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolOptions {
    /// How a key is chosen.
    pub strategy: Strategy,
    /// The limits of accounts.
    pub limits: FreeLimits,
}

/// All keys and what is known of them.
#[derive(Debug)]
pub struct Pool {
    /// In the order of their ids.
    keys: Vec<Key>,
    accounts: Map<AccountId, Account>,
    options: PoolOptions,
    cooldowns: Cooldowns,
    sessions: Sessions,
    model_strikes: HashMap<String, Vec<KeyId>>,
    flights: Map<u64, Flight>,
    leases: u64,
    uses: Map<(KeyId, Day), (u32, Timestamp)>,
    account_uses: Map<(AccountId, Day), u64>,
    /// Whether limits are shared with other processes.
    shares: bool,
    /// How many processes share them.
    replicas: usize,
    /// Accounts that turned out to be others since the store was last asked, and which.
    merged: Map<AccountId, AccountId>,
    /// Accounts that others were merged into, of which the store has not heard yet.
    unstored: HashSet<AccountId>,
    /// How it stands with what is in hand, where that has changed.
    marks: Vec<Mark>,
}

/// Counts that are not stored yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Of keys.
    pub keys: Vec<KeyUse>,
    /// Of accounts.
    pub accounts: Vec<AccountUse>,
}

impl Uses {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.accounts.is_empty()
    }
}

impl Pool {
    /// A pool without keys.
    pub fn new(options: PoolOptions) -> Pool {
        Pool {
            keys: Vec::new(),
            accounts: Map::default(),
            options,
            cooldowns: Cooldowns::default(),
            sessions: Sessions::default(),
            model_strikes: HashMap::new(),
            flights: Map::default(),
            leases: 0,
            uses: Map::default(),
            account_uses: Map::default(),
            replicas: 1,
            merged: Map::default(),
            unstored: HashSet::new(),
            marks: Vec::new(),
            shares: false,
        }
    }

    /// Grants a lease and reserves one attempt.
    pub fn lease(&mut self, ask: &Ask, now: Timestamp, chance: u64) -> Result<Grant, NoKey> {
        let mut probes = self.shared_standing(&ask.model, now)?;
        let picked = self.pick(ask, now, chance);
        let (index, own) = picked.inspect_err(|_| self.miss(ask, now))?;
        probes.extend(own);
        self.leases += 1;
        let lease = self.leases;
        let key = self.keys.get_mut(index).ok_or(NoKey::NoneConfigured)?;
        key.last_taken = lease;
        key.in_flight += 1;
        key.record.used_total += 1;
        key.record.last_used = Some(now);
        let day = key.today.reserve(now.day());
        let used = self.uses.entry((key.record.id, day)).or_insert((0, now));
        *used = (used.0 + 1, now);
        let grant = Grant {
            lease,
            key: key.record.id,
            account: key.record.account,
            label: key.record.label.clone(),
            secret: key.secret.clone(),
            probes: !probes.is_empty(),
        };
        let taken = self.take_parts(index, ask.free, now);
        let counted = if ask.free { self.count(grant.account, now) } else { None };
        if let Some(conversation) = ask.conversation {
            self.sessions.remember(conversation.id, grant.account, now);
        }
        for place in &probes {
            self.cooldowns.probe(place, lease, now);
        }
        let flight =
            Flight { key: grant.key, day, counted, taken, places: probes, model: Arc::clone(&ask.model) };
        self.flights.insert(lease, flight);
        Ok(grant)
    }

    /// Counts one attempt for a free model.
    fn count(&mut self, id: AccountId, now: Timestamp) -> Option<(AccountId, Day, Timestamp)> {
        let account = self.accounts.get_mut(&id)?;
        let day = account.today.reserve(now.day());
        let minute = account.minute.reserve(now);
        *self.account_uses.entry((id, day)).or_default() += 1;
        Some((id, day, minute))
    }

    /// What was counted since the last call, for the store.
    pub fn take_uses(&mut self) -> Uses {
        let keys = self.uses.drain().filter(|(_, (count, _))| *count > 0);
        let keys = keys.map(|((key, day), (count, last))| KeyUse { key, day, count, last }).collect();
        let accounts = self.account_uses.drain().filter(|(_, count)| *count > 0);
        let accounts = accounts.map(|((account, day), count)| AccountUse { account, day, count }).collect();
        Uses { keys, accounts }
    }

    /// Puts back what the store could not take.
    pub fn put_back(&mut self, uses: Uses) {
        for KeyUse { key, day, count, last } in uses.keys {
            let used = self.uses.entry((key, day)).or_insert((0, last));
            *used = (used.0 + count, used.1.max(last));
        }
        for AccountUse { account, day, count } in uses.accounts {
            *self.account_uses.entry((account, day)).or_default() += count;
        }
    }

    /// Forgets what is over.
    pub fn sweep(&mut self, now: Timestamp) {
        self.cooldowns.sweep(now);
        self.sessions.sweep(now);
    }
}

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod tests;

//! The pool's brain: picks a key for an attempt, reserves, and learns from how the attempt ended.
//!
//! A plain struct without I/O; `now` and chance are arguments. It never names a key to a client and
//! never lets two attempts share the last reservation of a limit.

use super::cooldown::{Cooldowns, Place, Rest, Standing};
use super::quota::DayCount;
use super::strategy::{Candidate, choose};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::key::{KeyRecord, KeyUse, StoredKey};
use crate::domain::secret::Secret;
use crate::domain::strategy::Strategy;
use crate::domain::time::{Day, Timestamp};
use crate::upstream::verdict::{Next, Pause, Scope, Verdict};
use std::collections::HashMap;
use std::time::Duration;

/// The longest guessed rest.
const GUESSED_CAP: Duration = Duration::from_secs(300);
/// How long a key is passed over after a failure that is not its fault: at first, and at most.
const PATH_FIRST: Duration = Duration::from_secs(5);
const PATH_CAP: Duration = Duration::from_secs(60);
/// A model rests once this many of its attempts in a row met an upstream failure: fewer may have
/// been the luck of one key or one provider.
const MODEL_STRIKES: u32 = 4;

/// What an attempt needs.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The model it is for.
    pub model: String,
    /// Keys that this request has tried already.
    pub tried: Vec<KeyId>,
    /// Accounts that refused this request already.
    pub refused: Vec<AccountId>,
    /// Only this key: the attempt before never reached the upstream over the connection it took.
    pub only: Option<KeyId>,
}

impl Ask {
    fn passes_over(&self, key: &KeyRecord) -> bool {
        self.only.is_some_and(|only| only != key.id)
            || self.tried.contains(&key.id)
            || self.refused.contains(&key.account)
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
        cause: &'static str,
    },
    /// The model rests for every key.
    ModelResting {
        /// Until when.
        until: Option<Timestamp>,
        /// Why.
        cause: &'static str,
    },
    /// Every key was tried for this request.
    AllTried,
}

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
    today: DayCount,
    last_taken: u64,
    in_flight: u32,
}

#[derive(Debug)]
struct Flight {
    key: KeyId,
    day: Day,
    places: Vec<Place>,
    model: String,
}

/// All keys and what is known of them.
#[derive(Debug)]
pub struct Pool {
    keys: Vec<Key>,
    strategy: Strategy,
    cooldowns: Cooldowns,
    model_strikes: HashMap<String, u32>,
    flights: HashMap<u64, Flight>,
    leases: u64,
    uses: HashMap<(KeyId, Day), (u32, Timestamp)>,
}

/// What the operator sees of one key.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key with its counts.
    pub record: KeyRecord,
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
    /// A pool without keys.
    pub fn new(strategy: Strategy) -> Pool {
        Pool {
            keys: Vec::new(),
            strategy,
            cooldowns: Cooldowns::default(),
            model_strikes: HashMap::new(),
            flights: HashMap::new(),
            leases: 0,
            uses: HashMap::new(),
        }
    }

    /// Takes in the keys as they are stored: new ones come, missing ones go, counts of known ones
    /// stay ours, since we count ahead of the store.
    pub fn load(&mut self, stored: Vec<StoredKey>, today: Day) {
        let mut known: HashMap<KeyId, Key> = self.keys.drain(..).map(|key| (key.record.id, key)).collect();
        for StoredKey { record, secret } in stored {
            if let Some(reason) = &record.fault {
                log::debug!("key {} is out of use: {reason}", record.id);
                self.cooldowns.rest_until(Place::Key(record.id), "key_rejected", None);
            } else if known.get(&record.id).is_some_and(|key| key.record.fault.is_some()) {
                self.cooldowns.clear(&Place::Key(record.id));
            }
            let key = match known.remove(&record.id) {
                Some(key) => Key {
                    record: KeyRecord {
                        used_total: key.record.used_total,
                        last_used: key.record.last_used,
                        ..record
                    },
                    secret,
                    ..key
                },
                None => Key {
                    today: DayCount::new(today, record.used_today),
                    record,
                    secret,
                    last_taken: 0,
                    in_flight: 0,
                },
            };
            self.keys.push(key);
        }
    }

    /// Grants a lease and reserves one attempt.
    pub fn lease(&mut self, ask: &Ask, now: Timestamp, chance: u64) -> Result<Grant, NoKey> {
        let today = now.day();
        let shared = [Place::Everything, Place::Model(ask.model.clone())];
        let mut probes = Vec::new();
        for place in shared {
            match self.cooldowns.standing(&place, now) {
                Standing::Free => {}
                Standing::Probe => probes.push(place),
                Standing::Resting(until) => {
                    let cause = self.cooldowns.get(&place, now).map_or("probing", |rest| rest.cause);
                    return Err(NoKey::ModelResting { until, cause });
                }
            }
        }
        let (index, own) = self.pick(ask, now, chance)?;
        probes.extend(own);
        self.leases += 1;
        let lease = self.leases;
        let key = self.keys.get_mut(index).ok_or(NoKey::NoneConfigured)?;
        key.last_taken = lease;
        key.in_flight += 1;
        key.record.used_total += 1;
        key.record.last_used = Some(now);
        let day = key.today.reserve(today);
        let used = self.uses.entry((key.record.id, day)).or_insert((0, now));
        *used = (used.0 + 1, now);
        let grant = Grant {
            lease,
            key: key.record.id,
            account: key.record.account,
            label: key.record.label.clone(),
            secret: key.secret.clone(),
        };
        for place in &probes {
            self.cooldowns.probe(place, lease);
        }
        let flight = Flight { key: grant.key, day, places: probes, model: ask.model.clone() };
        self.flights.insert(lease, flight);
        Ok(grant)
    }

    /// The index of the key to use, and the places it probes.
    fn pick(&self, ask: &Ask, now: Timestamp, chance: u64) -> Result<(usize, Vec<Place>), NoKey> {
        let mut usable: Vec<(usize, Candidate, Vec<Place>)> = Vec::new();
        let mut passed_over: Vec<(usize, Candidate, Vec<Place>)> = Vec::new();
        let mut earliest: Option<(Option<Timestamp>, &'static str)> = None;
        let mut tried = false;
        for (index, key) in self.keys.iter().enumerate().filter(|(_, key)| key.record.enabled) {
            let probes = match self.standing(key, &ask.model, now) {
                Ok(probes) => probes,
                Err(rest) => {
                    earliest = Some(earliest.map_or(rest, |best| sooner(best, rest)));
                    continue;
                }
            };
            if ask.passes_over(&key.record) {
                tried = true;
                continue;
            }
            let candidate = Candidate {
                last_taken: key.last_taken,
                used_today: key.today.used(now.day()),
                remaining: key.today.remaining(key.record.daily_limit, now.day()),
            };
            let path = Place::KeyPath(key.record.id);
            match self.cooldowns.standing(&path, now) {
                Standing::Free => usable.push((index, candidate, probes)),
                Standing::Probe => usable.push((index, candidate, [probes, vec![path]].concat())),
                Standing::Resting(_) => passed_over.push((index, candidate, probes)),
            }
        }
        // A key that is only passed over is better than none.
        let mut choices = if usable.is_empty() { passed_over } else { usable };
        let candidates: Vec<Candidate> = choices.iter().map(|(_, candidate, _)| *candidate).collect();
        match (choose(self.strategy, &candidates, chance), earliest) {
            (Some(chosen), _) => {
                let (index, _, probes) = choices.swap_remove(chosen);
                Ok((index, probes))
            }
            (None, _) if tried => Err(NoKey::AllTried),
            (None, Some((until, cause))) => Err(NoKey::AllResting { until, cause }),
            (None, None) => Err(NoKey::NoneConfigured),
        }
    }

    /// Whether `key` may serve `model`: the places it would probe, or what keeps it.
    fn standing(
        &self,
        key: &Key,
        model: &str,
        now: Timestamp,
    ) -> Result<Vec<Place>, (Option<Timestamp>, &'static str)> {
        let record = &key.record;
        if key.today.remaining(record.daily_limit, now.day()) == Some(0) {
            return Err((Some(now.day().end()), "key_daily_limit"));
        }
        let places = [
            Place::Key(record.id),
            Place::Account(record.account),
            Place::AccountModel(record.account, model.to_owned()),
        ];
        let mut probes = Vec::new();
        for place in places {
            match self.cooldowns.standing(&place, now) {
                Standing::Free => {}
                Standing::Probe => probes.push(place),
                Standing::Resting(until) => {
                    let cause = self.cooldowns.get(&place, now).map_or("probing", |rest| rest.cause);
                    return Err((until, cause));
                }
            }
        }
        Ok(probes)
    }

    /// Takes back a lease and learns from its end. Returns the key that has to be stored as rejected.
    pub fn settle(&mut self, lease: u64, ending: &Ending, now: Timestamp) -> Option<(KeyId, &'static str)> {
        let flight = self.flights.remove(&lease)?;
        self.cooldowns.end_probe(&flight.places, lease);
        let key = self.keys.iter_mut().find(|key| key.record.id == flight.key)?;
        key.in_flight = key.in_flight.saturating_sub(1);
        let (id, account) = (key.record.id, key.record.account);
        match ending {
            Ending::Success => {
                self.model_strikes.remove(&flight.model);
                for place in [
                    Place::Key(id),
                    Place::KeyPath(id),
                    Place::Account(account),
                    Place::AccountModel(account, flight.model.clone()),
                    Place::Model(flight.model),
                    Place::Everything,
                ] {
                    self.cooldowns.heal(&place, now);
                }
                None
            }
            Ending::Refused(verdict) => self.refused(id, account, flight.model, verdict, now),
            Ending::Broken => {
                self.cooldowns.rest_for(Place::KeyPath(id), "connection_failed", PATH_FIRST, PATH_CAP, now);
                None
            }
            Ending::Abandoned => None,
            Ending::NeverSent => {
                key.today.give_back(flight.day);
                key.record.used_total = key.record.used_total.saturating_sub(1);
                if let Some(used) = self.uses.get_mut(&(id, flight.day)) {
                    used.0 = used.0.saturating_sub(1);
                }
                None
            }
        }
    }

    fn refused(
        &mut self,
        key: KeyId,
        account: AccountId,
        model: String,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Option<(KeyId, &'static str)> {
        let place = match verdict.scope {
            Scope::Request => return None,
            Scope::Key => Place::Key(key),
            Scope::Account => Place::Account(account),
            Scope::AccountModel => Place::AccountModel(account, model),
            Scope::Everything => Place::Everything,
            Scope::Path => Place::KeyPath(key),
            Scope::Model if verdict.next == Next::Again => {
                let strikes = self.model_strikes.entry(model.clone()).or_insert(0);
                *strikes += 1;
                let path = Place::KeyPath(key);
                self.cooldowns.rest_for(path, verdict.cause, PATH_FIRST, PATH_CAP, now);
                if *strikes < MODEL_STRIKES {
                    return None;
                }
                Place::Model(model)
            }
            Scope::Model => Place::Model(model),
        };
        let cap = if verdict.scope == Scope::Path { PATH_CAP } else { GUESSED_CAP };
        match verdict.pause {
            Pause::None => {}
            Pause::For(first) => self.cooldowns.rest_for(place, verdict.cause, first, cap, now),
            Pause::Until(until) => self.cooldowns.rest_until(place, verdict.cause, Some(until)),
            Pause::Operator => {
                self.cooldowns.rest_until(place, verdict.cause, None);
                if verdict.scope == Scope::Key {
                    return Some((key, verdict.cause));
                }
            }
        }
        None
    }

    /// What was counted since the last call, for the store.
    pub fn take_uses(&mut self) -> Vec<KeyUse> {
        let uses = self.uses.drain().filter(|(_, (count, _))| *count > 0);
        uses.map(|((key, day), (count, last))| KeyUse { key, day, count, last }).collect()
    }

    /// Puts back what the store could not take.
    pub fn put_back(&mut self, uses: Vec<KeyUse>) {
        for KeyUse { key, day, count, last } in uses {
            let used = self.uses.entry((key, day)).or_insert((0, last));
            *used = (used.0 + count, used.1.max(last));
        }
    }

    /// Forgets rests that are over.
    pub fn sweep(&mut self, now: Timestamp) {
        self.cooldowns.sweep(now);
    }

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
        KeyView { record, in_flight: key.in_flight, rest }
    }
}

/// Of two rests the one that ends first; one that waits for the operator ends last.
fn sooner(
    one: (Option<Timestamp>, &'static str),
    other: (Option<Timestamp>, &'static str),
) -> (Option<Timestamp>, &'static str) {
    match (one.0, other.0) {
        (Some(first), Some(second)) if second < first => other,
        (None, Some(_)) => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests;

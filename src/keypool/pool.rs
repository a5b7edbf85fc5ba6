//! The pool's brain: picks a key for an attempt, reserves, and learns from how the attempt ended.
//!
//! A plain struct without I/O; `now` and chance are arguments. It never names a key to a client and
//! never lets two attempts share the last reservation of a limit.

mod settle;
mod view;

pub use view::{KeyView, PoolView};

use super::cooldown::{Cooldowns, Place, Standing};
use super::quota::DayCount;
use super::strategy::{Candidate, choose};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::key::{KeyRecord, KeyUse, StoredKey};
use crate::domain::secret::Secret;
use crate::domain::strategy::Strategy;
use crate::domain::time::{Day, Timestamp};
use crate::upstream::verdict::Verdict;
use std::collections::HashMap;

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
    model_strikes: HashMap<String, Vec<KeyId>>,
    flights: HashMap<u64, Flight>,
    leases: u64,
    uses: HashMap<(KeyId, Day), (u32, Timestamp)>,
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
                self.cooldowns.rest_until(Place::Key(record.id), stored_cause(reason), None);
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
}

/// The cause that a stored fault stands for.
fn stored_cause(fault: &str) -> &'static str {
    ["key_limit", "key_cannot_infer"].into_iter().find(|cause| *cause == fault).unwrap_or("key_rejected")
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

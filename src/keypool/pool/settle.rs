//! What the end of an attempt teaches the pool: what heals, what rests, and for how long.

use super::{Ending, Flight, Lesson, Pool};
use crate::domain::cooldown::Place;
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::time::Timestamp;
use crate::upstream::verdict::{Cause, Next, Pause, Scope, Verdict};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The longest guessed rest.
const GUESSED_CAP: Duration = Duration::from_secs(300);
/// How long a key is passed over after a failure that is not its fault: at first, and at most.
const PATH_FIRST: Duration = Duration::from_secs(5);
const PATH_CAP: Duration = Duration::from_secs(60);
/// The longest rest of a model that a provider's word can cause.
const MODEL_CAP: Duration = Duration::from_secs(900);
/// A model rests once this many of its attempts in a row met an upstream failure: fewer may have
/// been the luck of one provider.
const MODEL_STRIKES: usize = 4;
/// And they must have been with two thirds of the keys, or with this many: fewer may have been the
/// luck of some keys.
const MODEL_KEYS: usize = 8;
/// Models whose strikes are remembered.
const MODELS_KEPT: usize = 1024;
/// Of a model's strikes in a row this many are looked at.
const STRIKES_KEPT: usize = 32;

impl Ending {
    /// The word in metrics: one of few, since verdicts come from a table.
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Success => "success",
            Ending::Refused(verdict) => verdict.cause,
            Ending::Broken => "broken",
            Ending::Abandoned => "abandoned",
            Ending::NeverSent => "never_sent",
        }
    }
}

impl Pool {
    /// Takes back a lease and learns from its end. Returns what the store must know.
    pub fn settle(&mut self, lease: u64, ending: &Ending, now: Timestamp) -> Vec<Lesson> {
        let Some(flight) = self.flights.remove(&lease) else { return Vec::new() };
        self.cooldowns.end_probe(&flight.places, lease);
        let Some(key) = self.key_mut(flight.key) else {
            return Vec::new();
        };
        key.in_flight = key.in_flight.saturating_sub(1);
        let (id, account) = (key.record.id, key.record.account);
        match ending {
            Ending::Success => self.answered(id, account, &flight.model, now),
            Ending::Refused(verdict) => {
                key.proven &= verdict.scope == Scope::Request;
                let mut lessons = self.refused(id, account, &flight.model, verdict, now);
                if let Some(user) = &verdict.upstream_user {
                    lessons.extend(self.attribute(account, user, now));
                }
                return lessons;
            }
            Ending::Broken => {
                key.proven = false;
                self.cooldowns.rest_for(Place::KeyPath(id), "connection_failed", PATH_FIRST, PATH_CAP, now);
            }
            Ending::Abandoned => {}
            Ending::NeverSent => self.give_back(&flight),
        }
        Vec::new()
    }

    /// The answer of this attempt has begun: what it probed is well, long before the answer ends.
    pub fn began(&mut self, lease: u64, now: Timestamp) {
        let Some(flight) = self.flights.get_mut(&lease) else { return };
        let (key, model, places) =
            (flight.key, Arc::clone(&flight.model), std::mem::take(&mut flight.places));
        self.cooldowns.end_probe(&places, lease);
        let record = self.key(key).map(|key| &key.record);
        if let Some(account) = record.map(|record| record.account) {
            self.answered(key, account, &model, now);
        }
    }

    fn answered(&mut self, key: KeyId, account: AccountId, model: &str, now: Timestamp) {
        if let Some(key) = self.key_mut(key) {
            key.proven = true;
        }
        self.model_strikes.remove(model);
        if self.cooldowns.is_empty() {
            return;
        }
        for place in [
            Place::Key(key),
            Place::KeyPath(key),
            Place::Account(account),
            Place::AccountModel(account, model.to_owned()),
            Place::Model(model.to_owned()),
            Place::Everything,
        ] {
            self.cooldowns.heal(&place, now);
        }
    }

    /// Takes back what was reserved for an attempt that was never sent.
    fn give_back(&mut self, flight: &Flight) {
        if let Some(key) = self.key_mut(flight.key) {
            key.today.give_back(flight.day);
            key.record.used_total = key.record.used_total.saturating_sub(1);
        }
        if let Some(used) = self.uses.get_mut(&(flight.key, flight.day)) {
            used.0 = used.0.saturating_sub(1);
        }
        self.return_parts(flight.key, flight.counted.map(|(account, ..)| account), &flight.taken);
        let Some((id, day, minute)) = flight.counted else { return };
        if let Some(account) = self.accounts.get_mut(&id) {
            account.today.give_back(day);
            account.minute.give_back(minute);
        }
        if let Some(used) = self.account_uses.get_mut(&(id, day)) {
            *used = used.saturating_sub(1);
        }
    }

    fn refused(
        &mut self,
        key: KeyId,
        account: AccountId,
        model: &str,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Vec<Lesson> {
        if asks_for_a_look(verdict.cause)
            && let Some(key) = self.key_mut(key)
        {
            key.look.want();
        }
        let place = match verdict.scope {
            Scope::Request => return Vec::new(),
            Scope::Key => Place::Key(key),
            Scope::Account => Place::Account(account),
            Scope::AccountModel => Place::AccountModel(account, model.to_owned()),
            Scope::Everything => Place::Everything,
            Scope::Path => Place::KeyPath(key),
            Scope::Model if verdict.next == Next::Again => {
                let enabled = self.keys.iter().filter(|key| key.record.enabled).count();
                if self.model_strikes.len() >= MODELS_KEPT {
                    // Names that no list bounds: forgetting strikes only makes a rest come later.
                    self.model_strikes.clear();
                }
                let strikes = self.model_strikes.entry(model.to_owned()).or_default();
                strikes.push(key);
                if strikes.len() > STRIKES_KEPT {
                    strikes.remove(0);
                }
                let keys: HashSet<&KeyId> = strikes.iter().collect();
                let enough = strikes.len() >= MODEL_STRIKES
                    && (keys.len() >= MODEL_KEYS || keys.len() * 3 >= enabled * 2);
                let path = Place::KeyPath(key);
                self.cooldowns.rest_for(path, verdict.cause, PATH_FIRST, PATH_CAP, now);
                if !enough {
                    return Vec::new();
                }
                self.model_strikes.remove(model);
                Place::Model(model.to_owned())
            }
            Scope::Model => Place::Model(model.to_owned()),
        };
        let cap = if verdict.scope == Scope::Path { PATH_CAP } else { GUESSED_CAP };
        match verdict.pause {
            Pause::None => {}
            Pause::For(first) => self.cooldowns.rest_for(place, verdict.cause, first, cap, now),
            // What a provider says of its capacity is believed for a while, then probed.
            Pause::Until(until) if verdict.scope == Scope::Model => {
                let stated = until.since(now).min(MODEL_CAP);
                self.cooldowns.rest_for(place, verdict.cause, stated, MODEL_CAP, now);
            }
            Pause::Until(until) => self.cooldowns.rest_until(place, verdict.cause, Some(until), now),
            Pause::Operator => {
                self.cooldowns.rest_until(place, verdict.cause, None, now);
                if verdict.scope == Scope::Key {
                    if let Some(key) = self.key_mut(key) {
                        key.record.fault = Some(verdict.cause.to_owned());
                    }
                    return vec![Lesson::Fault(key, Some(verdict.cause))];
                }
            }
        }
        Vec::new()
    }
}

/// After these `GET /key` can tell more: it costs no quota.
fn asks_for_a_look(cause: Cause) -> bool {
    matches!(
        cause,
        "key_rejected"
            | "key_refused"
            | "key_limit"
            | "negative_balance"
            | "insufficient_credits"
            | "workspace_budget"
            | "free_daily_limit"
    )
}

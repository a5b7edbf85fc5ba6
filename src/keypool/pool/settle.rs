//! What the end of an attempt teaches the pool: what heals, what rests, and for how long.

use super::{Ending, Pool};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::time::Timestamp;
use crate::keypool::cooldown::Place;
use crate::upstream::verdict::{Next, Pause, Scope, Verdict};
use std::collections::HashSet;
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
/// Of a model's strikes in a row this many are looked at.
const STRIKES_KEPT: usize = 32;

impl Pool {
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
                let enabled = self.keys.iter().filter(|key| key.record.enabled).count();
                let strikes = self.model_strikes.entry(model.clone()).or_default();
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
                    return None;
                }
                self.model_strikes.remove(&model);
                Place::Model(model)
            }
            Scope::Model => Place::Model(model),
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
}

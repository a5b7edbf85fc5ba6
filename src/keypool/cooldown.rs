//! Cooldowns: what rests, why, and until when. Pure: `now` is an argument.
//!
//! A rest whose end the upstream stated simply ends. A rest whose length we guessed is half-open at
//! its end: one real request probes, the others pass by until it has settled; success heals, another
//! refusal doubles the rest, up to a cap.

use crate::domain::cooldown::{CooldownRecord, Place};
use crate::domain::time::Timestamp;
use crate::upstream::verdict::{self, Cause};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// A place at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Why, in the words of the verdict table.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until the operator acts.
    pub until: Option<Timestamp>,
    /// How often in a row.
    pub strikes: u32,
    /// Whether its end was guessed, so that one request must probe.
    guessed: bool,
    /// The lease that probes just now, and since when.
    probe: Option<(u64, Timestamp)>,
}

impl Rest {
    /// A rest with a stated end.
    pub fn stated(cause: Cause, since: Timestamp, until: Option<Timestamp>) -> Rest {
        Rest { cause, since, until, strikes: 1, guessed: false, probe: None }
    }

    fn record(&self, place: &Place) -> CooldownRecord {
        CooldownRecord {
            place: place.clone(),
            cause: self.cause.to_owned(),
            since: self.since,
            until: self.until,
            strikes: self.strikes,
            guessed: self.guessed,
        }
    }
}

/// Whether a place may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Free,
    /// Yes, by one request that probes.
    Probe,
    /// Not before this moment; `None`: not before the operator acts.
    Resting(Option<Timestamp>),
}

/// Everything that rests.
#[derive(Debug, Default)]
pub struct Cooldowns {
    rests: HashMap<Place, Rest>,
    /// Places whose rest is not stored as it stands.
    unsaved: HashSet<Place>,
    /// Places whose rest ended since it was stored, even if they rest anew.
    cleared: HashSet<Place>,
}

/// The most places that may rest before models are no longer noted.
const MOST: usize = 4096;

/// A probe that is under way is given this long before others look again.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// A probe that was not refused for so long holds nobody back any more: refusals come fast, and a good
/// answer may take minutes.
const PROBE_LONGEST: Duration = Duration::from_secs(3);

impl Cooldowns {
    /// Takes in what is stored.
    pub fn load(&mut self, stored: Vec<CooldownRecord>) {
        for CooldownRecord { place, cause, since, until, strikes, guessed } in stored {
            let cause = verdict::cause(&cause).unwrap_or("resting");
            self.rests.insert(place, Rest { cause, since, until, strikes, guessed, probe: None });
        }
    }

    /// Takes in what is stored after other processes wrote there too; whether anything changed. What
    /// is not stored yet stays, unless another's rest ends later.
    pub fn merge(&mut self, stored: Vec<CooldownRecord>) -> bool {
        let mut changed = false;
        let kept: HashSet<&Place> = stored.iter().map(|record| &record.place).collect();
        let unsaved = &self.unsaved;
        self.rests.retain(|place, _| {
            let stays = unsaved.contains(place) || !is_shared(place) || kept.contains(place);
            changed |= !stays;
            stays
        });
        for record in stored {
            if !is_shared(&record.place) {
                continue;
            }
            let is_unsaved = self.unsaved.contains(&record.place);
            let ours = self.rests.get(&record.place);
            let is_passed_over = match ours {
                // It ended here, or no more are remembered.
                None => is_unsaved || (is_of_model(&record.place) && self.rests.len() >= MOST),
                Some(ours) if is_unsaved => !is_later(record.until, ours.until),
                Some(ours) => ours.record(&record.place) == record,
            };
            if is_passed_over {
                continue;
            }
            let probe = ours.and_then(|rest| rest.probe);
            let CooldownRecord { place, cause, since, until, strikes, guessed } = record;
            let cause = verdict::cause(&cause).unwrap_or("resting");
            self.unsaved.remove(&place);
            self.rests.insert(place, Rest { cause, since, until, strikes, guessed, probe });
            changed = true;
        }
        changed
    }

    /// What changed since the last call: rests to store, and places whose stored rest is over.
    pub fn take_changes(&mut self) -> (Vec<CooldownRecord>, Vec<Place>) {
        let mut ended = std::mem::take(&mut self.cleared);
        let mut changed = Vec::new();
        for place in self.unsaved.drain() {
            match self.rests.get(&place) {
                Some(rest) => changed.push(rest.record(&place)),
                None => drop(ended.insert(place)),
            }
        }
        (changed, ended.into_iter().collect())
    }

    /// Says that these could not be stored.
    pub fn keep_unsaved(&mut self, places: impl IntoIterator<Item = Place>) {
        self.unsaved.extend(places);
    }

    /// Every rest that is not over at `now`.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = (&Place, &Rest)> {
        self.rests.iter().filter(move |(_, rest)| rest.until.is_none_or(|until| until > now))
    }

    /// Whether nothing rests, or has rested lately.
    pub fn is_empty(&self) -> bool {
        self.rests.is_empty()
    }

    /// The places of rests, over or not, that `concerns` picks out.
    pub fn places(&self, concerns: impl Fn(&Place) -> bool) -> Vec<Place> {
        self.rests.keys().filter(|place| concerns(place)).cloned().collect()
    }

    /// Without the free rule, clients name models as they like: beyond some thousands no more of them
    /// are remembered, and are refused by the upstream again.
    fn set(&mut self, place: Place, rest: Rest) {
        if is_of_model(&place) && self.rests.len() >= MOST && !self.rests.contains_key(&place) {
            return;
        }
        self.unsaved.insert(place.clone());
        self.rests.insert(place, rest);
    }

    /// Whether `place` may be used at `now`.
    pub fn standing(&self, place: &Place, now: Timestamp) -> Standing {
        let Some(rest) = self.rests.get(place) else { return Standing::Free };
        match rest.until {
            None => Standing::Resting(None),
            Some(until) if now < until => Standing::Resting(Some(until)),
            Some(_) if !rest.guessed => Standing::Free,
            Some(_) => match rest.probe {
                None => Standing::Probe,
                Some((_, since)) if now.since(since) < PROBE_LONGEST => {
                    Standing::Resting(Some(now.after(PROBE_PATIENCE)))
                }
                // Where silence itself is the fault, another one may find out.
                Some(_) if rest.cause == "connection_failed" => Standing::Probe,
                Some(_) => Standing::Free,
            },
        }
    }

    /// Notes that `lease` probes `place` from `now` on.
    pub fn probe(&mut self, place: &Place, lease: u64, now: Timestamp) {
        if let Some(rest) = self.rests.get_mut(place) {
            rest.probe = Some((lease, now));
        }
    }

    /// Ends every probe of `lease`, whatever became of it.
    pub fn end_probe(&mut self, places: &[Place], lease: u64) {
        for place in places {
            if let Some(rest) =
                self.rests.get_mut(place).filter(|rest| rest.probe.is_some_and(|(prober, _)| prober == lease))
            {
                rest.probe = None;
            }
        }
    }

    /// Lets `place` rest until a stated moment, or with `None` until the operator acts. A later end
    /// that is already set stays.
    pub fn rest_until(&mut self, place: Place, cause: Cause, until: Option<Timestamp>, now: Timestamp) {
        let strikes = self.rests.get(&place).map_or(0, |rest| rest.strikes) + 1;
        let kept = self.rests.get(&place).filter(|rest| !rest.guessed).map(|rest| rest.until);
        let until = match (kept, until) {
            (Some(None), _) | (_, None) => None,
            (Some(Some(kept)), Some(until)) => Some(kept.max(until)),
            (None, until) => until,
        };
        self.set(place, Rest { strikes, ..Rest::stated(cause, now, until) });
    }

    /// Lets `place` rest for `first`, doubled with each strike in a row, up to `cap`.
    pub fn rest_for(&mut self, place: Place, cause: Cause, first: Duration, cap: Duration, now: Timestamp) {
        let before = self.rests.get(&place);
        // Refusals of attempts that were under way together are one strike, not many.
        if before.is_some_and(|rest| rest.until.is_none_or(|until| until > now)) {
            return;
        }
        let strikes = before.map_or(0, |rest| rest.strikes);
        let length = first.saturating_mul(1 << strikes.min(20)).min(cap.max(first));
        let until = Some(now.after(length));
        let rest = Rest { cause, since: now, until, strikes: strikes + 1, guessed: true, probe: None };
        self.set(place, rest);
    }

    /// A success: `place` is well again.
    pub fn heal(&mut self, place: &Place, now: Timestamp) {
        let over = |rest: &Rest| rest.until.is_some_and(|until| until <= now);
        if self.rests.get(place).is_some_and(|rest| rest.guessed || over(rest)) {
            self.clear(place);
        }
    }

    /// Forgets `place`'s rest, by the operator's hand or because it moved.
    pub fn clear(&mut self, place: &Place) -> Option<Rest> {
        let rest = self.rests.remove(place)?;
        self.unsaved.insert(place.clone());
        self.cleared.insert(place.clone());
        Some(rest)
    }

    /// Gives the rests of `from` to `to`: of two rests the longer one stays.
    pub fn hand_over(&mut self, from: &Place, to: &Place) {
        let Some(rest) = self.clear(from) else { return };
        if self.rests.get(to).is_none_or(|kept| is_later(rest.until, kept.until)) {
            self.set(to.clone(), Rest { probe: None, ..rest });
        }
    }

    /// The rest of `place` if it is not over at `now`.
    pub fn get(&self, place: &Place, now: Timestamp) -> Option<&Rest> {
        self.rests.get(place).filter(|rest| rest.until.is_none_or(|until| until > now))
    }

    /// Drops rests with a stated end that is past, and guessed ones long past.
    pub fn sweep(&mut self, now: Timestamp) {
        let forget = Duration::from_secs(600);
        let unsaved = &mut self.unsaved;
        self.rests.retain(|place, rest| {
            let kept = match rest.until {
                None => true,
                Some(until) if rest.guessed => until.after(forget) > now || rest.probe.is_some(),
                Some(until) => until > now,
            };
            if !kept {
                unsaved.insert(place.clone());
            }
            kept
        });
    }
}

/// Whether one end comes after another; who waits for the operator waits longest.
fn is_later(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (None, other) => other.is_some(),
        (Some(one), Some(other)) => one > other,
        (Some(_), None) => false,
    }
}

/// Whether a rest of this place is every process's matter: whether the upstream is reached is not.
fn is_shared(place: &Place) -> bool {
    !matches!(place, Place::KeyPath(_))
}

/// Of models there are more names than could be remembered.
fn is_of_model(place: &Place) -> bool {
    matches!(place, Place::Model(_) | Place::AccountModel(..))
}

#[cfg(test)]
mod tests;

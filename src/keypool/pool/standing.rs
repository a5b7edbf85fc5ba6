//! Which keys may serve an attempt, and which of them is taken.

use super::{Ask, Key, NoKey, PROBING, Pool, Standing};
use crate::domain::cooldown::Place;
use crate::domain::key::KeyRecord;
use crate::domain::time::{Day, Timestamp};
use crate::keypool::strategy::{Candidate, Rank, rank};
use crate::upstream::verdict::Cause;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What keeps a key, and until when; `None`: until the operator acts.
pub(super) type Kept = (Option<Timestamp>, Cause);

/// Which of two keys is taken first: the proven, then the conversation's own, then by the strategy.
type Order = (bool, bool, Rank);

/// What a key is to an attempt.
enum Sight {
    /// It may be used; these places are probed by that.
    Usable(Vec<Place>),
    /// The same, if there is no other.
    LastResort(Vec<Place>),
    /// It was tried for this request.
    Tried,
    /// Something keeps it.
    Kept(Kept),
}

impl Pool {
    /// What an attempt for `model` would probe, whatever key it takes. Errors: no key helps.
    pub(super) fn shared_standing(&self, model: &str, now: Timestamp) -> Result<Vec<Place>, NoKey> {
        let mut probes = Vec::new();
        if self.cooldowns.is_empty() {
            return Ok(probes);
        }
        for place in [Place::Everything, Place::Model(model.to_owned())] {
            match self.cooldowns.standing(&place, now) {
                Standing::Free => {}
                Standing::Probe => probes.push(place),
                Standing::Resting(until) => {
                    let cause = self.cooldowns.get(&place, now).map_or(PROBING, |rest| rest.cause);
                    return Err(NoKey::ModelResting { until, cause });
                }
            }
        }
        Ok(probes)
    }

    /// The index of the key to use, and the places it probes.
    ///
    /// The keys are looked at in the order in which they would be taken. Mostly the first may be used, and
    /// which ones would follow it is not asked.
    pub(super) fn pick(&self, ask: &Ask, now: Timestamp, chance: u64) -> Result<(usize, Vec<Place>), NoKey> {
        if let Some((_, index)) = self.ranked(ask, now, chance).min()
            && let Some(Sight::Usable(probes)) = self.keys.get(index).map(|key| self.see(key, ask, now))
        {
            return Ok((index, probes));
        }
        let mut ranked: BinaryHeap<Reverse<(Order, usize)>> =
            self.ranked(ask, now, chance).map(Reverse).collect();
        // A key that is only passed over is better than none.
        let mut passed_over: Option<(usize, Vec<Place>)> = None;
        let mut earliest: Option<Kept> = None;
        let mut tried = false;
        while let Some(Reverse((_, index))) = ranked.pop() {
            let Some(key) = self.keys.get(index) else { continue };
            match self.see(key, ask, now) {
                Sight::Usable(probes) => return Ok((index, probes)),
                Sight::LastResort(probes) => passed_over = passed_over.or(Some((index, probes))),
                Sight::Tried => tried = true,
                Sight::Kept(kept) => earliest = Some(earliest.map_or(kept, |best| sooner(best, kept))),
            }
        }
        match (passed_over, earliest) {
            (Some(choice), _) => Ok(choice),
            (None, Some((until, cause))) if !tried => Err(NoKey::AllResting { until, cause }),
            (None, None) if !tried => Err(NoKey::NoneConfigured),
            (None, _) => Err(NoKey::AllTried),
        }
    }

    fn see(&self, key: &Key, ask: &Ask, now: Timestamp) -> Sight {
        let mut probes = match self.standing(key, ask, now) {
            Ok(probes) => probes,
            Err(kept) => return Sight::Kept(kept),
        };
        if ask.passes_over(&key.record) {
            return Sight::Tried;
        }
        if self.cooldowns.is_empty() {
            return Sight::Usable(probes);
        }
        let path = Place::KeyPath(key.record.id);
        match self.cooldowns.standing(&path, now) {
            Standing::Free => {}
            Standing::Probe => probes.push(path),
            Standing::Resting(_) => return Sight::LastResort(probes),
        }
        Sight::Usable(probes)
    }

    /// The enabled keys by index, each with its place in the order in which they are taken.
    fn ranked(&self, ask: &Ask, now: Timestamp, chance: u64) -> impl Iterator<Item = (Order, usize)> {
        let known = ask.conversation.filter(|conversation| conversation.goes_on);
        let preferred = known.and_then(|known| self.sessions.account(known.id, now));
        let today = now.day();
        let order = move |key: &Key| {
            // After a setback: a second attempt is not for finding out how a key does.
            let is_unproven = !ask.tried.is_empty() && !key.proven;
            // The account that served this conversation before.
            let is_other = preferred.is_some_and(|account| account != key.record.account);
            let candidate = Candidate {
                id: key.record.id.0,
                last_taken: key.last_taken,
                used_today: key.today.used(today),
                remaining: || self.remaining(key, ask, today),
            };
            (is_unproven, is_other, rank(self.options.strategy, candidate, chance))
        };
        let keys = self.keys.iter().enumerate().filter(|(_, key)| key.record.enabled);
        keys.map(move |(index, key)| (order(key), index))
    }

    /// What is left today of the key's own limit and its account's: the one that is nearer.
    fn remaining(&self, key: &Key, ask: &Ask, today: Day) -> Option<u64> {
        let account = self.accounts.get(&key.record.account).filter(|_| ask.free);
        let of_account = account.and_then(|account| account.remaining(&self.options.limits, today));
        let own = key.today.remaining(key.record.daily_limit, today);
        match (own, of_account) {
            (Some(own), Some(of_account)) => Some(own.min(of_account)),
            (own, of_account) => own.or(of_account),
        }
    }

    /// Whether `key` may serve the attempt: the places it would probe, or what keeps it.
    fn standing(&self, key: &Key, ask: &Ask, now: Timestamp) -> Result<Vec<Place>, Kept> {
        let record = &key.record;
        if key.today.remaining(record.daily_limit, now.day()) == Some(0) {
            return Err((Some(key.today.ends(now.day())), "key_daily_limit"));
        }
        if let Some(cause) = key.look.keeps(ask.free, now) {
            return Err((None, cause));
        }
        if ask.free
            && let Some(account) = self.accounts.get(&record.account)
            && let Some((until, cause)) = account.spent(&self.options.limits, now)
        {
            return Err((Some(until), cause));
        }
        let probes = self.probed(record, &ask.model, now)?;
        self.lacks(key, ask.free, now).map_or(Ok(probes), Err)
    }

    /// The places that an attempt for `model` with this key would probe. Errors: one of them rests.
    fn probed(&self, record: &KeyRecord, model: &str, now: Timestamp) -> Result<Vec<Place>, Kept> {
        let mut probes = Vec::new();
        // Nothing rests: there is nothing to name.
        if self.cooldowns.is_empty() {
            return Ok(probes);
        }
        let places = [
            Place::Key(record.id),
            Place::Account(record.account),
            Place::AccountModel(record.account, model.to_owned()),
        ];
        for place in places {
            match self.cooldowns.standing(&place, now) {
                Standing::Free => {}
                Standing::Probe => probes.push(place),
                Standing::Resting(until) => {
                    let cause = self.cooldowns.get(&place, now).map_or(PROBING, |rest| rest.cause);
                    return Err((until, cause));
                }
            }
        }
        Ok(probes)
    }
}

/// Of two the one that ends first; one that waits for the operator ends last.
fn sooner(one: Kept, other: Kept) -> Kept {
    match (one.0, other.0) {
        (Some(first), Some(second)) if second < first => other,
        (None, Some(_)) => other,
        _ => one,
    }
}

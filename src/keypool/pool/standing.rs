//! Which keys may serve an attempt, and which of them is taken.

use super::{Ask, Key, NoKey, PROBING, Pool, Standing};
use crate::domain::cooldown::Place;
use crate::domain::time::Timestamp;
use crate::keypool::strategy::{Candidate, choose};
use crate::upstream::verdict::Cause;

/// What keeps a key, and until when; `None`: until the operator acts.
pub(super) type Kept = (Option<Timestamp>, Cause);

/// A key that may be taken: where it stands, what the strategy looks at, what it would probe.
type Choice = (usize, Candidate, Vec<Place>);

impl Pool {
    /// What an attempt for `model` would probe, whatever key it takes. Errors: no key helps.
    pub(super) fn shared_standing(&self, model: &str, now: Timestamp) -> Result<Vec<Place>, NoKey> {
        let mut probes = Vec::new();
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
    pub(super) fn pick(&self, ask: &Ask, now: Timestamp, chance: u64) -> Result<(usize, Vec<Place>), NoKey> {
        let mut usable: Vec<Choice> = Vec::new();
        let mut passed_over: Vec<Choice> = Vec::new();
        let mut earliest: Option<Kept> = None;
        let mut tried = false;
        for (index, key) in self.keys.iter().enumerate().filter(|(_, key)| key.record.enabled) {
            let probes = match self.standing(key, ask, now) {
                Ok(probes) => probes,
                Err(kept) => {
                    earliest = Some(earliest.map_or(kept, |best| sooner(best, kept)));
                    continue;
                }
            };
            if ask.passes_over(&key.record) {
                tried = true;
                continue;
            }
            let candidate = self.candidate(key, ask, now);
            let path = Place::KeyPath(key.record.id);
            match self.cooldowns.standing(&path, now) {
                Standing::Free => usable.push((index, candidate, probes)),
                Standing::Probe => usable.push((index, candidate, [probes, vec![path]].concat())),
                Standing::Resting(_) => passed_over.push((index, candidate, probes)),
            }
        }
        // A key that is only passed over is better than none.
        let choices = if usable.is_empty() { passed_over } else { usable };
        let mut choices = self.of_conversation(self.proven(choices, ask), ask, now);
        let candidates: Vec<Candidate> = choices.iter().map(|(_, candidate, _)| *candidate).collect();
        match (choose(self.options.strategy, &candidates, chance), earliest) {
            (Some(chosen), _) => {
                let (index, _, probes) = choices.swap_remove(chosen);
                Ok((index, probes))
            }
            (None, Some((until, cause))) if !tried => Err(NoKey::AllResting { until, cause }),
            (None, None) if !tried => Err(NoKey::NoneConfigured),
            (None, _) => Err(NoKey::AllTried),
        }
    }

    /// After a setback, of the choices those that were answered last time, if there are any: a second
    /// attempt is not for finding out how a key does.
    fn proven(&self, choices: Vec<Choice>, ask: &Ask) -> Vec<Choice> {
        if ask.tried.is_empty() {
            return choices;
        }
        let is_proven = |(index, ..): &Choice| self.keys.get(*index).is_some_and(|key| key.proven);
        let (proven, others): (Vec<Choice>, Vec<Choice>) = choices.into_iter().partition(is_proven);
        if proven.is_empty() { others } else { proven }
    }

    /// Of the choices those of the account that served this conversation before, if there are any.
    fn of_conversation(&self, choices: Vec<Choice>, ask: &Ask, now: Timestamp) -> Vec<Choice> {
        let known = ask.conversation.filter(|conversation| conversation.goes_on);
        let Some(account) = known.and_then(|known| self.sessions.account(known.id, now)) else {
            return choices;
        };
        let is_of =
            |(index, ..): &Choice| self.keys.get(*index).is_some_and(|key| key.record.account == account);
        let (preferred, others): (Vec<Choice>, Vec<Choice>) = choices.into_iter().partition(is_of);
        if preferred.is_empty() { others } else { preferred }
    }

    /// What the strategy looks at: of the key's own limit and its account's the one that is nearer.
    fn candidate(&self, key: &Key, ask: &Ask, now: Timestamp) -> Candidate {
        let today = now.day();
        let account = self.accounts.get(&key.record.account).filter(|_| ask.free);
        let of_account = account.and_then(|account| account.remaining(&self.options.limits, today));
        let own = key.today.remaining(key.record.daily_limit, today);
        Candidate {
            last_taken: key.last_taken,
            used_today: key.today.used(today),
            remaining: match (own, of_account) {
                (Some(own), Some(of_account)) => Some(own.min(of_account)),
                (own, of_account) => own.or(of_account),
            },
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
        let places = [
            Place::Key(record.id),
            Place::Account(record.account),
            Place::AccountModel(record.account, ask.model.clone()),
        ];
        let mut probes = Vec::new();
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
        self.lacks(key, ask.free, now).map_or(Ok(probes), Err)
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

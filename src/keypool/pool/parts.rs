//! The pool's parts of quotas that all processes share: what it lacks, wants and gives back. Pure.
//!
//! Its own counts say what this process and the upstream know; the parts say what the other processes
//! leave over. An attempt needs both.

use super::standing::Kept;
use super::{Account, Ask, Key, Pool};
use crate::allowance::{Allowance, Drawn, Mark, Pace, Stand};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::quota::{Granted, Quota, QuotaKind, Want};
use crate::domain::time::Timestamp;
use crate::upstream::verdict::Cause;

/// What keeps a key while the store is asked for a part of its quota: over in a moment.
pub(in crate::keypool) const ASKING: Cause = "asking_for_quota";
/// What keeps a key when the store cannot be asked.
pub(in crate::keypool) const AWAY: Cause = "quota_unknown";

/// What one attempt took of the parts in hand.
#[derive(Debug, Default)]
pub(super) struct Taken {
    key: Option<Drawn>,
    day: Option<Drawn>,
    minute: Option<Drawn>,
}

impl Pool {
    /// From now on every limit is shared with other processes: attempts need parts that the store
    /// granted. Without this the pool's own counts decide alone.
    pub fn share(&mut self) {
        self.shares = true;
    }

    /// How the parts stand that an attempt with `key` needs, with the cause if its limit is reached.
    fn stands(&self, key: &Key, free: bool, now: Timestamp) -> [(Stand, Cause); 3] {
        let limits = &self.options.limits;
        let account = self.accounts.get(&key.record.account).filter(|_| free);
        let of_account = |stand: fn(&Account, &super::FreeLimits, Timestamp) -> Stand| {
            account.map_or(Stand::Ready, |account| stand(account, limits, now))
        };
        [
            (key.part.stand(key.record.daily_limit, now), "key_daily_limit"),
            (
                of_account(|account, limits, now| account.day_part.stand(account.daily_limit(limits), now)),
                "free_daily_limit",
            ),
            (
                of_account(|account, limits, now| {
                    account.minute_part.stand(account.minute_limit(limits), now)
                }),
                "free_minute_limit",
            ),
        ]
    }

    /// What keeps `key` because of what other processes hold, if anything does.
    pub(super) fn lacks(&self, key: &Key, free: bool, now: Timestamp) -> Option<Kept> {
        if !self.shares {
            return None;
        }
        let stands = self.stands(key, free, now);
        let spent = stands.iter().find_map(|(stand, cause)| match stand {
            Stand::Spent(until) => Some((Some(*until), *cause)),
            _ => None,
        });
        let away = || {
            stands.iter().find_map(|(stand, _)| match stand {
                Stand::Away(until) => Some((Some(*until), AWAY)),
                _ => None,
            })
        };
        let asking = || {
            let asks = stands.iter().any(|(stand, _)| *stand == Stand::Asking);
            asks.then_some((Some(now), ASKING))
        };
        spent.or_else(away).or_else(asking)
    }

    /// The limit of `account` that other processes have helped to reach, if one is, and until when.
    pub(super) fn shared_spent(&self, account: &Account, now: Timestamp) -> Option<(Timestamp, Cause)> {
        let limits = &self.options.limits;
        let spent = |stand, cause| match stand {
            Stand::Spent(until) if self.shares => Some((until, cause)),
            _ => None,
        };
        spent(account.day_part.stand(account.daily_limit(limits), now), "free_daily_limit").or_else(|| {
            spent(account.minute_part.stand(account.minute_limit(limits), now), "free_minute_limit")
        })
    }

    /// Takes what an attempt with the key at `index` needs; it must stand ready.
    pub(super) fn take_parts(&mut self, index: usize, free: bool, now: Timestamp) -> Taken {
        let (true, Some(key)) = (self.shares, self.keys.get_mut(index)) else { return Taken::default() };
        let mut taken = Taken { key: key.part.take(key.record.daily_limit, now), ..Taken::default() };
        self.marks.extend(taken.key.into_iter().flat_map(|drawn| key.part.drawn(drawn)));
        let limits = &self.options.limits;
        if let Some(account) = self.accounts.get_mut(&key.record.account).filter(|_| free) {
            let (day, minute) = (account.daily_limit(limits), account.minute_limit(limits));
            taken.day = account.day_part.take(day, now);
            taken.minute = account.minute_part.take(minute, now);
            self.marks.extend(taken.day.into_iter().flat_map(|drawn| account.day_part.drawn(drawn)));
            self.marks.extend(taken.minute.into_iter().flat_map(|drawn| account.minute_part.drawn(drawn)));
        }
        taken
    }

    /// Takes back what an attempt took that was never sent.
    pub(super) fn return_parts(&mut self, key: KeyId, account: Option<AccountId>, taken: &Taken) {
        if let Some(key) = self.key_mut(key) {
            taken.key.into_iter().for_each(|drawn| key.part.give_back(drawn));
        }
        if let Some(account) = account.and_then(|id| self.accounts.get_mut(&id)) {
            taken.day.into_iter().for_each(|drawn| account.day_part.give_back(drawn));
            taken.minute.into_iter().for_each(|drawn| account.minute_part.give_back(drawn));
        }
    }

    /// Notes that an attempt found no part where it needed one, so that the store is asked for it.
    pub(super) fn miss(&mut self, ask: &Ask, now: Timestamp) {
        if !self.shares {
            return;
        }
        let limits = &self.options.limits;
        let wanted = |key: &&mut Key| key.record.enabled && !ask.passes_over(&key.record);
        for key in self.keys.iter_mut().filter(wanted) {
            note_miss(&mut key.part, key.record.daily_limit, now);
            if let Some(account) = self.accounts.get_mut(&key.record.account).filter(|_| ask.free) {
                let (day, minute) = (account.daily_limit(limits), account.minute_limit(limits));
                note_miss(&mut account.day_part, day, now);
                note_miss(&mut account.minute_part, minute, now);
            }
        }
    }

    /// What the store is to be asked now, when so many processes share the database.
    pub fn wants(&mut self, replicas: usize, now: Timestamp) -> Vec<Want> {
        let mut wants = Vec::new();
        if !self.shares {
            return wants;
        }
        self.replicas = replicas;
        for key in self.keys.iter_mut().filter(|key| key.record.enabled) {
            let pace = Pace { replicas, a_minute: None };
            key.part.wants(key.record.daily_limit, &pace, now, &mut wants);
        }
        // The store could not take back what it does not know yet to be of the same account.
        let known = self.accounts.iter_mut().filter(|(id, _)| !self.unstored.contains(*id));
        for (_, account) in known {
            let minute = account.minute_limit(&self.options.limits);
            let (day, pace) =
                (account.daily_limit(&self.options.limits), Pace { replicas, a_minute: minute });
            account.day_part.wants(day, &pace, now, &mut wants);
            account.minute_part.wants(minute, &pace, now, &mut wants);
        }
        self.mark(&wants);
        wants
    }

    /// The store has heard of all accounts that were merged.
    pub fn merges_stored(&mut self) {
        self.unstored.clear();
    }

    /// Everything that is in hand, to be given back: nothing is taken any more.
    pub fn give_all(&mut self) -> Vec<Want> {
        let mut wants = Vec::new();
        for key in &mut self.keys {
            key.part.give_all(key.record.daily_limit, &mut wants);
        }
        for account in self.accounts.values_mut() {
            let limits =
                (account.daily_limit(&self.options.limits), account.minute_limit(&self.options.limits));
            account.day_part.give_all(limits.0, &mut wants);
            account.minute_part.give_all(limits.1, &mut wants);
        }
        self.mark(&wants);
        wants
    }

    /// The store has answered, or with `None` it could not be asked. A part of a key that is gone by now
    /// is lost; of an account that was merged meanwhile, it goes to the other one.
    pub fn leased(&mut self, wants: &[Want], granted: Option<&[Granted]>, now: Timestamp) {
        for (at, want) in wants.iter().enumerate() {
            let granted = granted.and_then(|granted| granted.get(at)).copied();
            if let Some(part) = self.part(want.quota) {
                part.told(want, granted, now);
            } else if let (Some(part), Some(granted)) = (self.heir(want.quota), granted) {
                part.inherit(want, granted);
            }
        }
        self.merged.clear();
        self.mark(wants);
    }

    fn heir(&mut self, quota: Quota) -> Option<&mut Allowance> {
        let is_of_account = matches!(quota.kind, QuotaKind::AccountDay | QuotaKind::AccountMinute);
        let kept = self.merged.get(&AccountId(quota.subject)).filter(|_| is_of_account)?;
        self.part(Quota { subject: kept.0, ..quota })
    }

    fn mark(&mut self, wants: &[Want]) {
        for want in wants {
            let mark = self.part(want.quota).and_then(|part| part.mark(want.period));
            self.marks.extend(mark);
        }
    }

    /// Takes over what a process before this one had in hand.
    pub fn adopt(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Some(part) = self.part(mark.quota) {
                part.adopt(mark);
            }
        }
    }

    /// How it stands with what is in hand, where that has changed since the last call: it is noted
    /// before anybody uses it, or gives it back.
    pub fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    fn part(&mut self, quota: Quota) -> Option<&mut Allowance> {
        let subject = quota.subject;
        match quota.kind {
            QuotaKind::AccountDay => {
                self.accounts.get_mut(&AccountId(subject)).map(|account| &mut account.day_part)
            }
            QuotaKind::AccountMinute => {
                self.accounts.get_mut(&AccountId(subject)).map(|account| &mut account.minute_part)
            }
            QuotaKind::KeyDay => {
                let key = self.key_mut(KeyId(subject));
                key.map(|key| &mut key.part)
            }
            QuotaKind::TokenDay | QuotaKind::TokenMinute => None,
        }
    }
}

fn note_miss(part: &mut Allowance, limit: Option<u32>, now: Timestamp) {
    if part.stand(limit, now) != Stand::Ready {
        part.miss(now);
    }
}

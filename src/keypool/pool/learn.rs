//! What the upstream's own word teaches the pool of keys and accounts: `GET /key`, and the user that
//! an error body names. Pure.

use super::Pool;
use crate::domain::cooldown::Place;
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use crate::upstream::verdict::Cause;
use std::time::Duration;

/// A look that a refusal asks for comes no sooner after the last one.
const SHORTEST: Duration = Duration::from_secs(10);
/// Keys that are out of use are looked at this much more rarely.
const RARELY: u32 = 3;
/// The upstream keeps the figures of `GET /key` for about a minute: what is younger may be told of a
/// time before a refusal, or before midnight.
const STALE: Duration = Duration::from_secs(90);
/// Who was found well and is rejected again is not believed to be well for this long.
const DOUBT: Duration = Duration::from_secs(3600);

/// The longest upstream user's name that is believed, in bytes: `user_` and 27 letters are usual.
const LONGEST_USER: usize = 200;
/// The most names of one account: an upstream that always names another must not fill the memory.
const MOST_USERS: usize = 16;

/// Something learned that the store must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// The key is out of use until the operator acts, or no longer is.
    Fault(KeyId, Option<Cause>),
    /// The upstream knows the account by this name.
    Named(AccountId, String),
    /// The second account turned out to be the first.
    Merged(AccountId, AccountId),
    /// The account's tier, and its requests to free models a UTC day.
    Account(AccountId, Option<bool>, Option<u32>),
}

/// What is known of a key from looking it up.
#[derive(Debug, Default)]
pub(super) struct Look {
    last: Option<Timestamp>,
    wanted: bool,
    under_way: bool,
    healed: Option<Timestamp>,
    expires: Option<Timestamp>,
    spent: bool,
}

impl Look {
    /// What keeps the key, by what it said of itself. Its credit limit does not bind free models
    /// (`openrouter-api.md` 8.2).
    pub fn keeps(&self, free: bool, now: Timestamp) -> Option<Cause> {
        if self.expires.is_some_and(|end| end <= now) {
            return Some("key_expired");
        }
        (self.spent && !free).then_some("key_limit")
    }

    /// A refusal makes a look worth while.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    fn is_due(&self, every: Duration, now: Timestamp) -> bool {
        let Some(last) = self.last else { return !self.under_way };
        let age = now.since(last);
        !self.under_way && (age >= every || (self.wanted && age >= SHORTEST))
    }
}

impl Pool {
    /// Up to `most` keys that are to be looked up now, if each is looked up `every` so often.
    pub fn looks_due(&mut self, every: Duration, most: usize, now: Timestamp) -> Vec<(KeyId, Secret)> {
        let due = self.keys.iter_mut().filter(|key| {
            let every = if key.record.fault.is_some() { every * RARELY } else { every };
            key.record.enabled && key.look.is_due(every, now)
        });
        due.take(most)
            .map(|key| {
                key.look.under_way = true;
                (key.record.id, key.secret.clone())
            })
            .collect()
    }

    /// The key itself, to be looked up by the operator's wish.
    pub fn look_at(&mut self, id: KeyId) -> Option<Secret> {
        let key = self.key_mut(id)?;
        key.look.under_way = true;
        Some(key.secret.clone())
    }

    /// Takes in what looking a key up said; `by_hand`: the operator asked for it.
    pub fn looked(
        &mut self,
        id: KeyId,
        said: &Result<KeyInfo, KeyCheckFault>,
        by_hand: bool,
        now: Timestamp,
    ) -> Vec<Lesson> {
        let Some(key) = self.key_mut(id) else { return Vec::new() };
        key.look = Look { last: Some(now), wanted: false, under_way: false, ..std::mem::take(&mut key.look) };
        let account = key.record.account;
        match said {
            Ok(info) => {
                key.look.expires = info.expires_at.as_deref().and_then(Timestamp::parse);
                key.look.spent = info.limit_remaining.is_some_and(|left| left <= 0.0);
                let mut lessons = self.well(id, info, by_hand, now);
                if let Some(user) = &info.user {
                    lessons.extend(self.attribute(account, user, now));
                }
                lessons.extend(self.figures(id, info, now));
                lessons
            }
            Err(KeyCheckFault::Rejected) if key.record.fault.is_none() => {
                key.record.fault = Some("key_rejected".to_owned());
                self.cooldowns.rest_until(Place::Key(id), "key_rejected", None, now);
                vec![Lesson::Fault(id, Some("key_rejected"))]
            }
            Err(_) => Vec::new(),
        }
    }

    /// The upstream knows the key: what kept it for being rejected is over, and so is a credit limit
    /// that has been raised.
    fn well(&mut self, id: KeyId, info: &KeyInfo, by_hand: bool, now: Timestamp) -> Vec<Lesson> {
        let place = Place::Key(id);
        let has_credit = info.limit_remaining.is_none_or(|left| left > 0.0);
        let cause = self.cooldowns.get(&place, now).map(|rest| rest.cause);
        let Some(key) = self.key_mut(id) else { return Vec::new() };
        let doubtful = key.look.healed.is_some_and(|healed| now.since(healed) < DOUBT) && !by_hand;
        let over = match cause {
            Some("key_rejected" | "key_refused") => true,
            Some("key_limit") => has_credit,
            _ => false,
        };
        if !over || doubtful {
            return Vec::new();
        }
        key.look.healed = Some(now);
        let fault = key.record.fault.take();
        self.cooldowns.clear(&place);
        fault.map(|_| Lesson::Fault(id, None)).into_iter().collect()
    }

    /// Takes over the account's tier, limit and count; the count only upwards.
    fn figures(&mut self, id: KeyId, info: &KeyInfo, now: Timestamp) -> Vec<Lesson> {
        let Some(key) = self.key(id) else { return Vec::new() };
        let account_id = key.record.account;
        let Some(account) = self.accounts.get_mut(&account_id) else { return Vec::new() };
        let (today, record) = (now.day(), &mut account.record);
        let limit = info.free_limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        let news = (info.is_free_tier.is_some() && info.is_free_tier != record.free_tier)
            || (limit.is_some() && limit != record.learned_daily_limit);
        record.free_tier = info.is_free_tier.or(record.free_tier);
        record.learned_daily_limit = limit.or(record.learned_daily_limit);
        if let Some(used) = info.free_used.filter(|_| now.since(today.start()) >= STALE) {
            account.day_part.raise(used, now);
            let missing = account.today.raise(used, today);
            // What other processes of ours used they count themselves.
            let foreign = account.day_part.leased(now).map_or(0, |leased| used.saturating_sub(leased));
            let missing = if self.replicas > 1 { missing.min(foreign) } else { missing };
            if missing > 0 {
                *self.account_uses.entry((account_id, today)).or_default() += missing;
            }
            let left = info.free_limit.is_some_and(|limit| limit > used);
            let place = Place::Account(account_id);
            let rest = self.cooldowns.get(&place, now);
            let refused_long_ago = |since: Timestamp| now.since(since) >= STALE;
            if left
                && rest.is_some_and(|rest| rest.cause == "free_daily_limit" && refused_long_ago(rest.since))
            {
                self.cooldowns.clear(&place);
            }
        }
        let lesson = || Lesson::Account(account_id, info.is_free_tier, limit);
        news.then(lesson).into_iter().collect()
    }

    /// Notes that the upstream knows an account as `user`; two accounts of one user are one.
    /// A name that is empty, or longer than any real one, tells nothing.
    pub(super) fn attribute(&mut self, id: AccountId, user: &str, now: Timestamp) -> Vec<Lesson> {
        if user.trim().is_empty() || user.len() > LONGEST_USER {
            return Vec::new();
        }
        let known = |users: &[String]| users.iter().any(|known| known == user);
        let other = self.accounts.iter().find(|(_, account)| known(&account.record.users));
        match other.map(|(other, _)| *other) {
            Some(other) if other == id => Vec::new(),
            Some(other) => {
                let (kept, gone) = (id.min(other), id.max(other));
                self.merge(kept, gone, now);
                self.unstored.insert(kept);
                vec![Lesson::Merged(kept, gone)]
            }
            None => {
                let known = self.accounts.get_mut(&id);
                let Some(account) = known.filter(|account| account.record.users.len() < MOST_USERS) else {
                    return Vec::new();
                };
                account.record.users.push(user.to_owned());
                vec![Lesson::Named(id, user.to_owned())]
            }
        }
    }

    pub(super) fn merge(&mut self, kept: AccountId, gone: AccountId, now: Timestamp) {
        let Some(other) = self.accounts.remove(&gone) else { return };
        self.merged.values_mut().filter(|heir| **heir == gone).for_each(|heir| *heir = kept);
        self.merged.insert(gone, kept);
        if let Some(account) = self.accounts.get_mut(&kept) {
            // What was noted of the other stays: the store may not have heard of the merging yet.
            account.merge(other, now);
            self.marks.extend(account.day_part.marks().chain(account.minute_part.marks()));
        }
        for key in self.keys.iter_mut().filter(|key| key.record.account == gone) {
            key.record.account = kept;
        }
        for flight in self.flights.values_mut() {
            if let Some((account, ..)) = flight.counted.as_mut().filter(|(account, ..)| *account == gone) {
                *account = kept;
            }
        }
        let uses: Vec<_> = self.account_uses.keys().filter(|(id, _)| *id == gone).copied().collect();
        for (id, day) in uses {
            let count = self.account_uses.remove(&(id, day)).unwrap_or(0);
            *self.account_uses.entry((kept, day)).or_default() += count;
        }
        let of_gone =
            |place: &Place| matches!(place, Place::Account(id) | Place::AccountModel(id, _) if *id == gone);
        for place in self.cooldowns.places(of_gone) {
            let to = match &place {
                Place::AccountModel(_, model) => Place::AccountModel(kept, model.clone()),
                _ => Place::Account(kept),
            };
            self.cooldowns.hand_over(&place, &to);
        }
        self.sessions.merge(kept, gone);
    }
}

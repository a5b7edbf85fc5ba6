//! What the pool knows of an account: who it is, what it may do, what it has done. Pure.

use crate::allowance::Allowance;
use crate::domain::account::{AccountRecord, Limit};
use crate::domain::quota::QuotaKind;
use crate::domain::time::{Day, Timestamp};
use crate::keypool::quota::{DayCount, MinuteCount};

/// Requests to free models a UTC day, without and with bought credits, and a minute
/// (`openrouter-api.md` 8.2).
const FREE_TIER_DAILY: u32 = 50;
const PAID_TIER_DAILY: u32 = 1000;
const MINUTE: u32 = 20;

/// The operator's figures for every account: `proxy.free_daily_limit`, `proxy.free_minute_limit`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FreeLimits {
    /// Requests to free models a UTC day; `None`: what is learned.
    pub daily: Option<Limit>,
    /// Requests to free models a minute; `None`: 20.
    pub minute: Option<Limit>,
}

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    pub record: AccountRecord,
    pub today: DayCount,
    pub minute: MinuteCount,
    /// This process's part of the day's limit.
    pub day_part: Allowance,
    /// And of the minute's.
    pub minute_part: Allowance,
}

impl Account {
    pub fn new(record: AccountRecord, today: Day) -> Account {
        let today = DayCount::new(today, record.used_today);
        let day_part = Allowance::new(QuotaKind::AccountDay, record.id.0);
        let minute_part = Allowance::new(QuotaKind::AccountMinute, record.id.0);
        Account { record, today, minute: MinuteCount::default(), day_part, minute_part }
    }

    /// Requests to free models a UTC day; `None`: no limit. Where the tier is not known the higher
    /// figure holds: the first refusal, or `GET /key`, corrects it.
    pub fn daily_limit(&self, limits: &FreeLimits) -> Option<u32> {
        let tier = match self.record.free_tier {
            Some(true) => FREE_TIER_DAILY,
            Some(false) | None => PAID_TIER_DAILY,
        };
        let learned = Limit::Of(self.record.learned_daily_limit.unwrap_or(tier));
        self.record.daily_limit.or(limits.daily).unwrap_or(learned).figure()
    }

    /// Requests to free models a minute; `None`: no limit.
    pub fn minute_limit(&self, limits: &FreeLimits) -> Option<u32> {
        self.record.minute_limit.or(limits.minute).unwrap_or(Limit::Of(MINUTE)).figure()
    }

    /// Requests to free models left today; `None`: no limit.
    pub fn remaining(&self, limits: &FreeLimits, today: Day) -> Option<u64> {
        self.today.remaining(self.daily_limit(limits), today)
    }

    /// What limit keeps a free model's request from being sent, and until when.
    pub fn spent(&self, limits: &FreeLimits, now: Timestamp) -> Option<(Timestamp, &'static str)> {
        let today = now.day();
        if self.remaining(limits, today) == Some(0) {
            return Some((self.today.ends(today), "free_daily_limit"));
        }
        let limit = self.minute_limit(limits)?;
        (self.minute.used(now) >= limit).then(|| (self.minute.ends(now), "free_minute_limit"))
    }

    /// Takes in what belonged to another account that turned out to be this one.
    pub fn merge(&mut self, other: Account, now: Timestamp) {
        let today = now.day();
        let both = self.today.used(today) + other.today.used(today);
        self.today.raise(both, today);
        self.minute.merge(other.minute, now);
        self.day_part.merge(other.day_part);
        self.minute_part.merge(other.minute_part);
        let (own, theirs) = (&mut self.record, other.record);
        let news = theirs.users.into_iter().filter(|user| !own.users.contains(user));
        let news: Vec<String> = news.collect();
        own.users.extend(news);
        own.free_tier = own.free_tier.or(theirs.free_tier);
        own.learned_daily_limit = own.learned_daily_limit.or(theirs.learned_daily_limit);
        own.daily_limit = own.daily_limit.or(theirs.daily_limit);
        own.minute_limit = own.minute_limit.or(theirs.minute_limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AccountId;

    #[test]
    fn the_nearest_figure_holds() {
        let mut account = Account::new(AccountRecord::new(AccountId(1)), Day(1));
        let none = FreeLimits::default();
        assert_eq!((account.daily_limit(&none), account.minute_limit(&none)), (Some(1000), Some(20)));
        account.record.free_tier = Some(true);
        assert_eq!(account.daily_limit(&none), Some(50));
        account.record.learned_daily_limit = Some(200);
        assert_eq!(account.daily_limit(&none), Some(200));
        let set = FreeLimits { daily: Some(Limit::None), minute: Some(Limit::Of(3)) };
        assert_eq!((account.daily_limit(&set), account.minute_limit(&set)), (None, Some(3)));
        account.record.daily_limit = Some(Limit::Of(7));
        account.record.minute_limit = Some(Limit::None);
        assert_eq!((account.daily_limit(&set), account.minute_limit(&set)), (Some(7), None));
    }
}

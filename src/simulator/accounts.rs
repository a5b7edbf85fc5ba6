//! Accounts and their quotas (`openrouter-api.md` 8.2): pure counting, `now` is an argument.
//!
//! Free models: 20 requests a minute and 50 or 1000 a UTC day, per account and over all its keys.
//! Paid models: the account must have bought credits and have some left.

use crate::domain::time::{Day, Timestamp};

/// What an account may do; set through the control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountPlan {
    /// Free requests a UTC day; `None`: 50, or 1000 once 10 credits were bought.
    pub daily_limit: Option<u64>,
    /// Free requests a minute.
    pub minute_limit: u64,
    /// Credits ever bought, in USD.
    pub bought: f64,
    /// Credits spent before the simulator started, in USD.
    pub spent: f64,
}

impl Default for AccountPlan {
    /// A free-tier account that never bought credits.
    fn default() -> AccountPlan {
        AccountPlan { daily_limit: None, minute_limit: 20, bought: 0.0, spent: 0.0 }
    }
}

impl AccountPlan {
    /// An account that has bought 100 credits: 1000 free requests a day, and paid models.
    pub fn paid() -> AccountPlan {
        AccountPlan { bought: 100.0, ..AccountPlan::default() }
    }

    /// Free requests a UTC day.
    pub fn daily(&self) -> u64 {
        self.daily_limit.unwrap_or(if self.bought >= 10.0 { 1000 } else { 50 })
    }
}

/// One account with its counts.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Its plan.
    pub plan: AccountPlan,
    /// Free requests counted on `day`.
    pub used_today: u64,
    /// Credits spent since the start, in USD.
    pub spent: f64,
    day: Day,
    minute: i64,
    used_minute: u64,
}

/// Why an account may not send a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Denied {
    /// The day's free requests are spent.
    Daily {
        /// The limit.
        limit: u64,
        /// When the next day begins.
        reset: Timestamp,
    },
    /// The minute's free requests are spent.
    Minute {
        /// The limit.
        limit: u64,
        /// The next whole minute.
        reset: Timestamp,
    },
    /// A paid model and no credits were ever bought.
    NeverBought,
    /// A paid model and nothing left, or a negative balance.
    NoCredit,
}

impl Account {
    /// An account with nothing counted yet.
    pub(super) fn new(plan: AccountPlan) -> Account {
        Account { plan, used_today: 0, spent: 0.0, day: Day(0), minute: 0, used_minute: 0 }
    }

    /// What is left of the credits, in USD.
    pub(super) fn balance(&self) -> f64 {
        self.plan.bought - self.plan.spent - self.spent
    }

    /// Counts one request, or says why not. A refused one is not counted.
    pub(super) fn admit(&mut self, free: bool, now: Timestamp) -> Result<(), Denied> {
        self.roll(now);
        if self.balance() < 0.0 {
            return Err(Denied::NoCredit);
        }
        if !free {
            return match () {
                () if self.plan.bought <= 0.0 => Err(Denied::NeverBought),
                () if self.balance() <= 0.0 => Err(Denied::NoCredit),
                () => Ok(()),
            };
        }
        if self.used_today >= self.plan.daily() {
            return Err(Denied::Daily { limit: self.plan.daily(), reset: now.day().end() });
        }
        if self.used_minute >= self.plan.minute_limit {
            return Err(Denied::Minute { limit: self.plan.minute_limit, reset: now.next_minute() });
        }
        self.count(now);
        Ok(())
    }

    /// Counts one free request, whatever the limits say.
    pub(super) fn count(&mut self, now: Timestamp) {
        self.roll(now);
        self.used_today += 1;
        self.used_minute += 1;
    }

    /// Moves to the day and minute of `now`; their counts begin anew.
    pub(super) fn roll(&mut self, now: Timestamp) {
        if self.day != now.day() {
            self.day = now.day();
            self.used_today = 0;
        }
        if self.minute != now.next_minute().millis() {
            self.minute = now.next_minute().millis();
            self.used_minute = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn minutes_and_days_are_kept() {
        let mut account = Account::new(AccountPlan::default());
        let start = Timestamp::parse("2026-10-10T23:30:00Z").expect("a valid time");
        let mut served = 0;
        let mut now = start;
        for _ in 0..3 {
            for _ in 0..20 {
                served += u64::from(account.admit(true, now).is_ok());
            }
            now = now.next_minute();
        }
        assert_eq!(served, 50);
        let reset = Timestamp::parse("2026-10-11T00:00:00Z").expect("a valid time");
        assert_eq!(account.admit(true, now), Err(Denied::Daily { limit: 50, reset }));
        assert_eq!(account.admit(true, reset), Ok(()));
        assert_eq!(account.used_today, 1);
    }

    #[test]
    fn the_minute_comes_before_the_day_is_spent() {
        let mut account = Account::new(AccountPlan::paid());
        let now = Timestamp::parse("2026-10-10T10:00:59Z").expect("a valid time");
        for _ in 0..20 {
            assert_eq!(account.admit(true, now), Ok(()));
        }
        let reset = now.after(Duration::from_secs(1));
        assert_eq!(account.admit(true, now), Err(Denied::Minute { limit: 20, reset }));
        assert_eq!(account.admit(true, reset), Ok(()));
    }

    #[test]
    fn paid_models_need_credit() {
        let now = Timestamp::from_millis(0);
        let table = [
            (0.0, 0.0, Err(Denied::NeverBought), Ok(())),
            (20.0, 5.0, Ok(()), Ok(())),
            (20.0, 20.0, Err(Denied::NoCredit), Ok(())),
            (20.0, 21.0, Err(Denied::NoCredit), Err(Denied::NoCredit)),
        ];
        for (bought, spent, paid, free) in table {
            let mut account = Account::new(AccountPlan { bought, spent, ..AccountPlan::default() });
            assert_eq!((account.admit(false, now), account.admit(true, now)), (paid, free));
        }
    }
}

//! Quotas that all processes on one database share, and the words in which a process asks for a part
//! of one.
//!
//! A part that was handed out is its holder's alone: whatever becomes of the others, the sum of all
//! parts of a period never passes the limit.

use super::time::Timestamp;

/// Whose limit it is, and for how long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaKind {
    /// Requests of an account to free models a UTC day.
    AccountDay,
    /// Requests of an account to free models a UTC minute.
    AccountMinute,
    /// Requests through a key a UTC day.
    KeyDay,
    /// Requests of a client token a UTC day.
    TokenDay,
    /// Requests of a client token a UTC minute.
    TokenMinute,
}

impl QuotaKind {
    /// Every kind.
    pub const ALL: [QuotaKind; 5] = [
        QuotaKind::AccountDay,
        QuotaKind::AccountMinute,
        QuotaKind::KeyDay,
        QuotaKind::TokenDay,
        QuotaKind::TokenMinute,
    ];

    /// The word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            QuotaKind::AccountDay => "account_day",
            QuotaKind::AccountMinute => "account_minute",
            QuotaKind::KeyDay => "key_day",
            QuotaKind::TokenDay => "token_day",
            QuotaKind::TokenMinute => "token_minute",
        }
    }

    /// Whether it is a day's limit; otherwise it is a minute's.
    pub const fn is_daily(self) -> bool {
        !matches!(self, QuotaKind::AccountMinute | QuotaKind::TokenMinute)
    }

    /// The number of the UTC day or minute that `moment` lies in.
    pub fn period(self, moment: Timestamp) -> i64 {
        if self.is_daily() { i64::from(moment.day().0) } else { moment.minute() }
    }

    /// When a period is over.
    pub const fn end(self, period: i64) -> Timestamp {
        let millis = if self.is_daily() { 86_400_000 } else { 60_000 };
        Timestamp::from_millis(period.saturating_add(1).saturating_mul(millis))
    }
}

/// One limit of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quota {
    /// Whose limit, and for how long a time.
    pub kind: QuotaKind,
    /// The account, key or client token.
    pub subject: i64,
}

/// Who holds parts of quotas: one process, and whoever takes over its notebook when it was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(pub String);

/// What a process wants done about its part of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The quota.
    pub quota: Quota,
    /// The day or minute.
    pub period: i64,
    /// The limit as the process knows it.
    pub limit: u32,
    /// So much more, or as much of it as is left.
    pub take: u64,
    /// So much of what it holds it will not use.
    pub give: u64,
    /// So much is known to be used up, whoever used it.
    pub at_least: u64,
}

/// What became of a [`Want`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Granted {
    /// So much more is the asker's.
    pub amount: u64,
    /// So much is handed out to all processes together, this one included.
    pub leased: u64,
    /// So much of that is the asker's, by the store's books: with questions in it whose answers were lost.
    pub held: u64,
    /// The account was merged into another one, and nothing was done: not even what was given was taken back.
    pub is_gone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_utc_days_and_minutes() {
        let moment = Timestamp::parse("2026-10-10T23:59:59.999Z").expect("a valid time");
        for kind in QuotaKind::ALL {
            let period = kind.period(moment);
            assert_eq!(kind.end(period).rfc3339(), "2026-10-11T00:00:00Z", "{kind:?}");
            assert_eq!(kind.period(kind.end(period)), period + 1, "{kind:?}");
        }
        assert_eq!(QuotaKind::AccountMinute.period(Timestamp::from_millis(-1)), -1);
    }
}

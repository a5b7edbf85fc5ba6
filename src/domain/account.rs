//! Accounts: what OpenRouter's quotas belong to, however many keys they have.

use super::ids::AccountId;
use super::time::Day;
use serde::Serialize;

/// How many requests may be made in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Of(u32),
    /// As many as one likes.
    None,
}

impl Limit {
    /// From the form that settings and tables use: -1 means none.
    pub fn from_number(number: i64) -> Limit {
        u32::try_from(number).map_or(if number < 0 { Limit::None } else { Limit::Of(u32::MAX) }, Limit::Of)
    }

    /// The form that settings and tables use.
    pub fn number(self) -> i64 {
        match self {
            Limit::Of(limit) => i64::from(limit),
            Limit::None => -1,
        }
    }

    /// The figure; `None`: no limit.
    pub fn figure(self) -> Option<u32> {
        match self {
            Limit::Of(limit) => Some(limit),
            Limit::None => None,
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

/// One account as it is stored, with its count for the current day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its id, never reused.
    pub id: AccountId,
    /// The upstream users that it goes by: `creator_user_id` of `GET /key`, `user_id` of error bodies.
    pub users: Vec<String>,
    /// Whether it never bought credits; `None`: not known yet.
    pub free_tier: Option<bool>,
    /// Requests to free models a UTC day, as `GET /key` said.
    pub learned_daily_limit: Option<u32>,
    /// Requests to free models a UTC day, as the operator set for this account.
    pub daily_limit: Option<Limit>,
    /// Requests to free models a minute, as the operator set for this account.
    pub minute_limit: Option<Limit>,
    /// Attempts for free models since 00:00 UTC.
    pub used_today: u64,
}

impl AccountRecord {
    /// An account of which nothing is known.
    pub fn new(id: AccountId) -> AccountRecord {
        AccountRecord {
            id,
            users: Vec::new(),
            free_tier: None,
            learned_daily_limit: None,
            daily_limit: None,
            minute_limit: None,
            used_today: 0,
        }
    }
}

/// What attempts for free models added to an account's count; written in batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountUse {
    /// The account.
    pub account: AccountId,
    /// The UTC day it counts for.
    pub day: Day,
    /// How many attempts more.
    pub count: u64,
}

/// What the operator changes about an account; `None` leaves it as it is, `Some(None)` goes back to
/// what is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountEdit {
    /// Requests to free models a UTC day.
    pub daily_limit: Option<Option<Limit>>,
    /// Requests to free models a minute.
    pub minute_limit: Option<Option<Limit>>,
}

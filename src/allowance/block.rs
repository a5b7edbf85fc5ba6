//! How much to ask for at a time. Pure.
//!
//! Alone, enough that the database may be away for a while, and little enough that a process which is
//! killed costs its operator little of the day. Among others, less the nearer the limit is, so that at
//! the end nobody holds what another could use.

use crate::domain::quota::QuotaKind;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// A day's block is at most this part of its limit.
const PARTS_OF_A_DAY: u32 = 5;
/// Among others, and at most this part of each one's share of what is left.
const PARTS_OF_THE_REST: u64 = 4;
/// And as many minutes of the minute's limit, where there is one.
const MINUTES: u64 = 3;
/// Among others, one that nobody asked for so long keeps only a little.
const IDLE: Duration = Duration::from_secs(10);
/// And of one client token, of which there may be many, nothing is fetched in advance after so long.
const IDLE_TOKEN: Duration = Duration::from_secs(120);
/// All who are idle hold together at most this part of a day.
const PARTS_OF_IDLE: u64 = 100;

/// What decides how much is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Processes that share the quota, this one included.
    pub replicas: usize,
    /// The same subject's limit of a minute, if it has one.
    pub a_minute: Option<u32>,
}

/// How much of a quota is asked for at a time, and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    /// To be asked for at a time; nothing: only when somebody misses it.
    pub block: u64,
    /// The most that is kept in hand; `None`: whatever is there.
    pub most: Option<u64>,
}

impl Pace {
    fn sharers(&self) -> u64 {
        u64::try_from(self.replicas.max(1)).unwrap_or(u64::MAX)
    }

    /// The portion when `leased` of `limit` is known to be handed out, or nothing is known yet, and
    /// somebody last asked at `asked`.
    pub(super) fn portion(
        &self,
        kind: QuotaKind,
        limit: u32,
        leased: Option<u64>,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Portion {
        let since = asked.map(|asked| now.since(asked));
        let sharers = self.sharers();
        let of_token = matches!(kind, QuotaKind::TokenDay | QuotaKind::TokenMinute);
        if of_token && since.is_none_or(|since| since >= IDLE_TOKEN) {
            return Portion { block: 0, most: (sharers > 1).then_some(0) };
        }
        if sharers > 1 && since.is_none_or(|since| since >= IDLE) {
            let little = if kind.is_daily() { u64::from(limit) / (sharers * PARTS_OF_IDLE) } else { 1 };
            return Portion { block: little, most: Some(little) };
        }
        let share = (u64::from(limit) / sharers).max(1);
        let left = u64::from(limit).saturating_sub(leased.unwrap_or(0));
        let near = if sharers == 1 { left } else { left / (sharers * PARTS_OF_THE_REST) };
        if kind.is_daily() {
            let part = u64::from(limit / PARTS_OF_A_DAY);
            let part = self.a_minute.map_or(part, |minute| part.min(MINUTES * u64::from(minute)));
            return Portion { block: part.min(near).max(1), most: None };
        }
        let block = if leased.is_none() { share } else { near.min(share).max(1) };
        Portion { block, most: (sharers > 1).then_some(share) }
    }
}

//! Allowances: the parts of shared quotas that this process may use without asking anybody.
//!
//! An [`Allowance`] belongs to one limit of one subject. What is in hand is taken from memory; before it
//! runs out more is wanted from the store, in blocks that shrink as the limit nears. Pure, but for the
//! [`Notebook`]: `now` is an argument, and who asks the store is the caller. It must never let more be
//! taken than was granted: what a broken hand-off may have cost is lost, not used.

mod block;
mod hand;
mod notebook;

pub use block::Pace;
pub use notebook::Notebook;

use crate::domain::quota::{Granted, Quota, QuotaKind, Want};
use crate::domain::time::Timestamp;
use hand::Hand;
use std::collections::BTreeMap;
use std::time::Duration;

/// Minutes are leased so many in advance, that a database which is away for one costs nothing.
const MINUTES_AHEAD: i64 = 2;
/// So long before it begins tomorrow is leased too.
const DAWN: Duration = Duration::from_secs(120);

/// What is sent in the last moments of a minute may arrive in the next one.
pub const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// How an allowance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// There is some in hand.
    Ready,
    /// None is in hand, and the store has not said yet whether there is more.
    Asking,
    /// The limit is reached, whoever reached it, until then.
    Spent(Timestamp),
    /// None is in hand and the store cannot be asked; it will be asked again then.
    Away(Timestamp),
}

/// What one taking took: the periods it counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    first: i64,
    last: i64,
}

/// What is in hand of one quota for one period, as the notebook keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The quota.
    pub quota: Quota,
    /// The day or minute.
    pub period: i64,
    /// So much was used of what was granted; how much that is, the store knows.
    pub used: u64,
    /// The limit that it was granted under.
    pub limit: u32,
}

/// This process's part of one limit of one subject.
#[derive(Debug)]
pub struct Allowance {
    quota: Quota,
    /// By period: the one that is now, and those ahead of it.
    hands: BTreeMap<i64, Hand>,
    current: i64,
    asked: Option<Timestamp>,
}

impl Allowance {
    /// Nothing in hand yet.
    pub fn new(kind: QuotaKind, subject: i64) -> Allowance {
        let quota = Quota { kind, subject };
        Allowance { quota, hands: BTreeMap::new(), current: i64::MIN, asked: None }
    }

    /// Whose limit it is.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// The period that counts at `now`. A clock that was turned back brings none back.
    fn period(&self, now: Timestamp) -> i64 {
        self.quota.kind.period(now).max(self.current)
    }

    fn turn(&mut self, now: Timestamp) -> i64 {
        self.current = self.period(now);
        self.hands = self.hands.split_off(&self.current);
        self.current
    }

    /// The last period that what is sent at `now` may count for: at the very end of an account's minute
    /// it may arrive in the next one.
    fn last(&self, period: i64, now: Timestamp) -> i64 {
        let is_late = self.quota.kind.end(period).since(now) <= ON_ITS_WAY;
        period.saturating_add(i64::from(self.quota.kind == QuotaKind::AccountMinute && is_late))
    }

    /// Whether one may be taken at `now` under `limit`; `None`: no limit.
    pub fn stand(&self, limit: Option<u32>, now: Timestamp) -> Stand {
        let Some(limit) = limit else { return Stand::Ready };
        let period = self.period(now);
        let end = self.quota.kind.end(period);
        let stand =
            |period| self.hands.get(&period).map_or(Stand::Asking, |hand| hand.stand(limit, now, end));
        let mut stands = (period..=self.last(period, now)).map(stand);
        stands.find(|stand| *stand != Stand::Ready).unwrap_or(Stand::Ready)
    }

    /// Takes one where that stands [`Stand::Ready`]; where there is no limit nothing is taken.
    pub fn take(&mut self, limit: Option<u32>, now: Timestamp) -> Option<Drawn> {
        limit?;
        self.asked = Some(now);
        let first = self.turn(now);
        if self.stand(limit, now) != Stand::Ready {
            return None;
        }
        let last = self.last(first, now);
        for (_, hand) in self.hands.range_mut(first..=last) {
            hand.take();
        }
        Some(Drawn { first, last })
    }

    /// Somebody would have taken one, but there was none in hand.
    pub fn miss(&mut self, now: Timestamp) {
        self.asked = Some(now);
        let first = self.turn(now);
        for period in first..=self.last(first, now) {
            self.hands.entry(period).or_default().miss(now);
        }
    }

    /// Takes back what was drawn and not used.
    pub fn give_back(&mut self, Drawn { first, last }: Drawn) {
        for (_, hand) in self.hands.range_mut(first..=last) {
            hand.put_back();
        }
    }

    /// So much of the period of `now` is used up for certain, whoever used it.
    pub fn raise(&mut self, used: u64, now: Timestamp) {
        let period = self.turn(now);
        self.hands.entry(period).or_default().raise(used);
    }

    /// What was handed out of the period of `now` to all processes, if the store was asked already.
    pub fn leased(&self, now: Timestamp) -> Option<u64> {
        self.hands.get(&self.period(now)).and_then(Hand::heard)
    }

    /// What the store is to be asked now. What is given back by it is in hand no more.
    pub fn wants(&mut self, limit: Option<u32>, pace: &Pace, now: Timestamp, wants: &mut Vec<Want>) {
        let period = self.turn(now);
        let Some(limit) = limit else { return };
        let quota = self.quota;
        let ahead = match quota.kind.is_daily() {
            false => MINUTES_AHEAD,
            true => i64::from(quota.kind.end(period).since(now) <= DAWN),
        };
        for period in period..=period.saturating_add(ahead) {
            let hand = self.hands.entry(period).or_default();
            let portion = pace.portion(quota.kind, limit, hand.heard(), self.asked, now);
            if let Some((take, give)) = hand.want(limit, portion, now) {
                let at_least = hand.known_used();
                wants.push(Want { quota, period, limit, take, give, at_least });
            }
        }
    }

    /// Everything that is in hand, to be given back: nothing is taken any more.
    pub fn give_all(&mut self, limit: Option<u32>, wants: &mut Vec<Want>) {
        for (period, hand) in &mut self.hands {
            let give = hand.give_all();
            if give > 0 {
                let (quota, limit) = (self.quota, limit.unwrap_or(u32::MAX));
                wants.push(Want { quota, period: *period, limit, take: 0, give, at_least: 0 });
            }
        }
    }

    /// The store has answered `want`, or with `None` it could not be asked.
    pub fn told(&mut self, want: &Want, granted: Option<Granted>, now: Timestamp) {
        let Some(hand) = self.hands.get_mut(&want.period) else { return };
        match granted {
            Some(granted) => hand.answered(want, granted, now),
            None => hand.unanswered(now),
        }
    }

    /// The store has answered a question of an allowance that was merged into this one since.
    pub fn inherit(&mut self, want: &Want, granted: Granted) {
        if let Some(hand) = self.hands.get_mut(&want.period) {
            hand.inherit(want, granted);
        }
    }

    /// Takes over what a process before this one had in hand. It is not used before the store has said how
    /// much it is.
    pub fn adopt(&mut self, mark: &Mark) {
        self.hands.entry(mark.period).or_default().adopt(mark);
    }

    /// How it stands in one period.
    pub fn mark(&self, period: i64) -> Option<Mark> {
        let (used, limit) = self.hands.get(&period)?.figures()?;
        Some(Mark { quota: self.quota, period, used, limit })
    }

    /// How it stands in the periods that one taking took from.
    pub fn drawn(&self, Drawn { first, last }: Drawn) -> impl Iterator<Item = Mark> {
        (first..=last).filter_map(|period| self.mark(period))
    }

    /// How it stands in every period.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.hands.keys().filter_map(|period| self.mark(*period))
    }

    /// Takes another's parts in: the two were one all along.
    pub fn merge(&mut self, other: Allowance) {
        self.current = self.current.max(other.current);
        for (period, hand) in other.hands {
            self.hands.entry(period).or_default().merge(hand);
        }
        self.hands = self.hands.split_off(&self.current);
        self.asked = self.asked.max(other.asked);
    }
}

#[cfg(test)]
mod tests;

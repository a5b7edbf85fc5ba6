//! What is in hand of one quota for one period. Pure.

use super::block::Portion;
use super::{Mark, Stand};
use crate::domain::quota::{Granted, Want};
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Whoever finds nothing in hand waits at most so long for the store's first word.
const PATIENCE: Duration = Duration::from_secs(2);
/// A limit that was reached is looked at again no sooner than this: others may have given back.
const AGAIN: Duration = Duration::from_secs(1);

/// A part, and what is known of the whole.
#[derive(Debug, Default)]
pub struct Hand {
    granted: u64,
    used: u64,
    /// The limit it was last granted under.
    limit: Option<u32>,
    /// What was handed out to all, when the store last said so.
    leased: u64,
    /// What somebody else than the store counted.
    known_used: u64,
    /// Whether the store has to hear of that.
    untold: bool,
    /// Whether the store is being asked just now.
    is_asking: bool,
    /// Whether it was taken over from a process before, and the store has not said yet how much it is.
    is_doubtful: bool,
    /// Whether it is two in one, of which the store's books say less.
    is_merged: bool,
    /// Whether its account was merged into another one, to which it will come.
    is_gone: bool,
    /// Whether a question got no answer since: what became of it shows in the next one.
    is_unsure: bool,
    /// When the store last answered.
    answered: Option<Timestamp>,
    /// Since when somebody misses some.
    missed: Option<Timestamp>,
    /// The store could not be asked; it will be asked again then.
    away_until: Option<Timestamp>,
}

impl Hand {
    fn left(&self) -> u64 {
        self.granted.saturating_sub(self.used)
    }

    /// What was granted under a higher limit must not be used up under a lower one.
    fn is_outdated(&self, limit: u32) -> bool {
        self.limit.is_some_and(|granted_under| granted_under > limit)
    }

    fn is_spent(&self, limit: u32) -> bool {
        self.limit == Some(limit) && self.leased >= u64::from(limit)
    }

    pub fn stand(&self, limit: u32, now: Timestamp, end: Timestamp) -> Stand {
        if self.left() > 0 && !self.is_outdated(limit) && !self.is_doubtful {
            return Stand::Ready;
        }
        if self.is_spent(limit) {
            return Stand::Spent(end);
        }
        let impatient = self.missed.is_some_and(|missed| now.since(missed) >= PATIENCE);
        match self.away_until {
            Some(again) => Stand::Away(again.max(now)),
            None if impatient => Stand::Away(now.after(AGAIN)),
            None => Stand::Asking,
        }
    }

    pub fn take(&mut self) {
        self.used += 1;
    }

    pub fn put_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    pub fn miss(&mut self, now: Timestamp) {
        self.missed = self.missed.or(Some(now));
    }

    pub fn raise(&mut self, used: u64) {
        if used > self.known_used {
            self.known_used = used;
            self.untold = used > self.leased;
        }
    }

    pub fn known_used(&self) -> u64 {
        self.known_used
    }

    /// What was handed out to all, if the store was ever heard about it.
    pub fn heard(&self) -> Option<u64> {
        self.answered.map(|_| self.leased)
    }

    /// How much to take and to give, if the store is to be asked now: a block when less than half of
    /// one is left, and nothing kept above the most.
    pub fn want(&mut self, limit: u32, portion: Portion, now: Timestamp) -> Option<(u64, u64)> {
        if self.is_asking || self.is_gone || self.away_until.is_some_and(|again| again > now) {
            return None;
        }
        if self.is_doubtful {
            self.is_asking = true;
            return Some((0, 0));
        }
        let give = match portion.most {
            _ if self.is_outdated(limit) => self.left(),
            Some(most) => self.left().saturating_sub(most),
            None => 0,
        };
        let kept = self.left() - give;
        let is_stale = self.answered.is_none_or(|answered| now.since(answered) >= AGAIN);
        let take = if kept * 2 >= portion.block {
            0
        } else if !self.is_spent(limit) {
            portion.block
        } else {
            // A limit that was reached is looked at again only for somebody.
            u64::from(kept == 0 && is_stale && self.missed.is_some())
        };
        if take == 0 && give == 0 && !self.untold {
            return None;
        }
        self.granted -= give;
        self.is_asking = true;
        Some((take, give))
    }

    /// Of an account that is gone nothing could be given back.
    pub fn give_all(&mut self) -> u64 {
        let left = if self.is_gone { 0 } else { self.left() };
        self.granted -= left;
        left
    }

    pub fn answered(&mut self, want: &Want, granted: Granted, now: Timestamp) {
        if granted.is_gone {
            self.is_gone = true;
            self.granted = self.granted.saturating_add(want.give);
        } else if self.is_merged {
            self.granted = self.granted.saturating_add(granted.amount);
        } else if self.answered.is_none() && !self.is_doubtful {
            // It began with nothing: what the store knows beyond that may have been used, before a restart.
            self.granted = granted.held.max(granted.amount);
            self.used = self.granted.saturating_sub(granted.amount);
        } else if self.is_unsure {
            self.granted = granted.held;
        } else {
            self.granted = self.granted.saturating_add(granted.amount);
        }
        self.is_unsure = false;
        // What was taken over may have been granted under a higher limit.
        let before = self.limit.filter(|_| self.is_doubtful).unwrap_or(0);
        self.limit = Some(want.limit.max(before));
        self.is_doubtful = false;
        self.leased = granted.leased;
        self.untold = self.known_used > want.at_least;
        self.is_asking = false;
        self.answered = Some(now);
        self.missed = None;
        self.away_until = None;
    }

    pub fn unanswered(&mut self, now: Timestamp) {
        self.is_asking = false;
        self.is_unsure = true;
        self.away_until = Some(now.after(AGAIN));
    }

    /// How much was used of what is held; how much that is, the store says.
    pub fn adopt(&mut self, mark: &Mark) {
        self.used = mark.used;
        self.limit = Some(mark.limit);
        self.is_doubtful = true;
        self.is_unsure = true;
    }

    /// What was used of what was granted, and under which limit; `None`: nothing ever was.
    pub fn figures(&self) -> Option<(u64, u32)> {
        self.limit.map(|limit| (self.used, limit))
    }

    pub fn merge(&mut self, other: Hand) {
        self.granted += other.granted;
        self.used += other.used;
        // What is handed out of one that is gone counts with ours already.
        self.leased += if other.is_gone { 0 } else { other.leased };
        self.known_used = self.known_used.max(other.known_used);
        self.untold |= other.untold;
        self.is_merged = true;
        self.limit = self.limit.max(other.limit);
    }

    /// The store has answered a question of one that was taken in since.
    pub fn inherit(&mut self, want: &Want, granted: Granted) {
        if granted.is_gone {
            self.granted = self.granted.saturating_add(want.give);
        } else {
            self.granted = self.granted.saturating_add(granted.amount);
            self.leased = self.leased.saturating_add(granted.amount).saturating_sub(want.give);
        }
    }
}

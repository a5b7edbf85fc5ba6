//! Counts of attempts by UTC day and by minute, reserved before sending. Pure: time is an argument.

use crate::allowance::ON_ITS_WAY;
use crate::domain::time::{Day, Timestamp};

/// The attempts of one UTC day against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    day: Day,
    used: u64,
}

impl DayCount {
    /// A count that stands at `used` on `day`.
    pub fn new(day: Day, used: u64) -> DayCount {
        DayCount { day, used }
    }

    /// Attempts on `today`. A day that lies behind the count's own does not bring a quota back: the
    /// clock may be turned back, a day never is.
    pub fn used(&self, today: Day) -> u64 {
        if today > self.day { 0 } else { self.used }
    }

    /// Attempts left on `today` of `limit`; `None`: no limit.
    pub fn remaining(&self, limit: Option<u32>, today: Day) -> Option<u64> {
        limit.map(|limit| u64::from(limit).saturating_sub(self.used(today)))
    }

    /// When this count begins anew, seen from `today`.
    pub fn ends(&self, today: Day) -> Timestamp {
        self.day.max(today).end()
    }

    /// Counts one attempt on `today`; returns the day it was counted for.
    pub fn reserve(&mut self, today: Day) -> Day {
        if today > self.day {
            *self = DayCount { day: today, used: 0 };
        }
        self.used = self.used.saturating_add(1);
        self.day
    }

    /// Takes over a higher count that someone else keeps of `today`; returns by how much it was higher.
    pub fn raise(&mut self, used: u64, today: Day) -> u64 {
        if today < self.day {
            return 0;
        }
        let missing = used.saturating_sub(self.used(today));
        *self = DayCount { day: today, used: self.used(today) + missing };
        missing
    }

    /// Takes back an attempt of `day` that was never sent.
    pub fn give_back(&mut self, day: Day) {
        if day == self.day {
            self.used = self.used.saturating_sub(1);
        }
    }
}

/// The attempts of one UTC minute: the upstream's window ends with the whole minute
/// (`openrouter-api.md` 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteCount {
    ends: Timestamp,
    used: u32,
    late: u32,
}

impl Default for MinuteCount {
    fn default() -> MinuteCount {
        MinuteCount { ends: Timestamp::from_millis(0), used: 0, late: 0 }
    }
}

impl MinuteCount {
    /// The count as it is at `now`: that of another minute is over, but for what was on its way. A
    /// clock turned back brings nothing back.
    fn at(self, now: Timestamp) -> MinuteCount {
        if now < self.ends {
            return self;
        }
        let ends = now.next_minute();
        let used = if ends == self.ends.next_minute() { self.late } else { 0 };
        MinuteCount { ends, used, late: 0 }
    }

    /// Attempts in the minute of `now`.
    pub fn used(self, now: Timestamp) -> u32 {
        self.at(now).used
    }

    /// When the minute of `now` ends, by this count.
    pub fn ends(self, now: Timestamp) -> Timestamp {
        self.at(now).ends
    }

    /// Counts one attempt; returns the minute it was counted for, by its end.
    pub fn reserve(&mut self, now: Timestamp) -> Timestamp {
        *self = self.at(now);
        self.used = self.used.saturating_add(1);
        if self.ends.since(now) <= ON_ITS_WAY {
            self.late = self.late.saturating_add(1);
        }
        self.ends
    }

    /// Takes back an attempt of the minute that ends at `minute` and was never sent.
    pub fn give_back(&mut self, minute: Timestamp) {
        if minute == self.ends {
            self.used = self.used.saturating_sub(1);
        }
    }

    /// Takes another's attempts in: the two were one all along.
    pub fn merge(&mut self, other: MinuteCount, now: Timestamp) {
        let (one, other) = (self.at(now), other.at(now));
        *self = MinuteCount {
            ends: one.ends.max(other.ends),
            used: one.used.saturating_add(other.used),
            late: one.late.saturating_add(other.late),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_minute_is_a_whole_minute() {
        let start = Timestamp::from_millis(600_000_000);
        let at = |millis| start.after(Duration::from_millis(millis));
        let mut count = MinuteCount::default();
        assert_eq!(count.reserve(at(10)), at(60_000));
        count.reserve(at(30_000));
        assert_eq!((count.used(at(59_999)), count.used(at(60_000))), (2, 0));
        count.give_back(at(60_000));
        assert_eq!(count.used(at(59_999)), 1);
        count.reserve(at(59_600));
        assert_eq!(count.used(at(60_000)), 1, "it may arrive in the next minute");
        assert_eq!(count.used(at(120_000)), 0);
        assert_eq!(count.ends(at(60_000)), at(120_000));
        count.reserve(at(61_000));
        assert_eq!(count.used(at(30_000)), 2, "a clock turned back brings nothing back");
        count.give_back(at(60_000));
        assert_eq!(count.used(at(61_000)), 2, "another minute's is not given back");
    }

    #[test]
    fn a_higher_count_is_taken_over_and_a_lower_is_not() {
        let mut count = DayCount::new(Day(10), 4);
        assert_eq!((count.raise(9, Day(10)), count.used(Day(10))), (5, 9));
        assert_eq!((count.raise(3, Day(10)), count.used(Day(10))), (0, 9));
        assert_eq!((count.raise(2, Day(11)), count.used(Day(11))), (2, 2));
        assert_eq!(count.raise(50, Day(10)), 0, "of a day that is over");
    }

    #[test]
    fn a_new_day_begins_at_nothing_and_an_old_one_never_returns() {
        let mut count = DayCount::new(Day(10), 4);
        assert_eq!(count.remaining(Some(5), Day(10)), Some(1));
        assert_eq!(count.remaining(Some(5), Day(11)), Some(5));
        assert_eq!(count.reserve(Day(11)), Day(11));
        assert_eq!(count.used(Day(11)), 1);
        assert_eq!(count.used(Day(10)), 1, "a clock turned back brings nothing back");
        assert_eq!(count.reserve(Day(10)), Day(11));
        assert_eq!(count.used(Day(11)), 2);
    }

    #[test]
    fn only_the_same_day_is_given_back() {
        let mut count = DayCount::new(Day(10), 1);
        count.reserve(Day(11));
        count.give_back(Day(10));
        assert_eq!(count.used(Day(11)), 1);
        count.give_back(Day(11));
        assert_eq!((count.used(Day(11)), count.remaining(None, Day(11))), (0, None));
    }
}

//! Counts of attempts by UTC day, reserved before sending. Pure: the day is an argument.

use crate::domain::time::Day;

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

    /// Counts one attempt on `today`; returns the day it was counted for.
    pub fn reserve(&mut self, today: Day) -> Day {
        if today > self.day {
            *self = DayCount { day: today, used: 0 };
        }
        self.used = self.used.saturating_add(1);
        self.day
    }

    /// Takes back an attempt of `day` that was never sent.
    pub fn give_back(&mut self, day: Day) {
        if day == self.day {
            self.used = self.used.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

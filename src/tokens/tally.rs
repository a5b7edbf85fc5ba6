//! What each client token has used of its limits. Pure: the time is an argument.
//!
//! A request is reserved before it is served and given back when it came to nothing, so no burst can
//! pass a limit. Days are UTC days; a minute is the last sixty seconds, not that of the clock. Where
//! other processes serve the same tokens a request also needs a part of what is shared with them, and
//! there a minute is one of the clock.

use crate::allowance::{Allowance, Drawn, Mark};
use crate::domain::ids::TokenId;
use crate::domain::quota::QuotaKind;
use crate::domain::time::{Day, Timestamp};
use crate::domain::token::{TokenTerms, TokenUse};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A moment, by the wall and by the clock that never runs backwards.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The wall's time: it says which day it is.
    pub wall: Timestamp,
    /// Time since an arbitrary zero: it says when a minute is over.
    pub steady: Duration,
}

/// Which limit a token has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Requests a day.
    Day,
    /// Requests a minute.
    Minute,
}

/// Why a request cannot be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// The limit that was reached; of two, the one that keeps longer.
    pub limit: Limit,
    /// How many requests it admits.
    pub admits: u32,
    /// How long until another request will be admitted.
    pub wait: Duration,
}

/// Why a request is not reserved just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A limit is reached.
    Exhausted(Exhausted),
    /// The store has to say first what other processes leave over; it is to be asked at once.
    Asking,
}

/// What one reservation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The token.
    pub token: TokenId,
    day: Day,
    at: Duration,
    parts: [Option<Drawn>; 2],
}

/// The counts of one token.
#[derive(Debug)]
pub(super) struct Count {
    day: Option<Day>,
    /// Requests of that day, those of other processes included.
    used: u64,
    /// What of it the store has not been told: by day, since the last ones of yesterday may wait still.
    untold: HashMap<Day, i64>,
    last: Option<Timestamp>,
    minute: VecDeque<Duration>,
    /// The limits it was last asked under, and this process's parts of them.
    pub(super) limits: [Option<u32>; 2],
    pub(super) parts: [Allowance; 2],
}

/// Every token's counts.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) counts: HashMap<TokenId, Count>,
    /// Whether limits are shared with other processes.
    pub(super) shares: bool,
    /// How it stands with what is in hand, where that has changed.
    pub(super) marks: Vec<Mark>,
}

impl Count {
    pub(super) fn new(TokenId(token): TokenId) -> Count {
        Count {
            day: None,
            used: 0,
            untold: HashMap::new(),
            last: None,
            minute: VecDeque::new(),
            limits: [None; 2],
            parts: [QuotaKind::TokenDay, QuotaKind::TokenMinute].map(|kind| Allowance::new(kind, token)),
        }
    }

    /// Turns to `today`; a clock that was turned back brings nothing back.
    fn turn(&mut self, today: Day) -> Day {
        match self.day {
            Some(day) if day >= today => day,
            _ => {
                self.day = Some(today);
                self.used = 0;
                today
            }
        }
    }

    fn forget_older(&mut self, now: Duration) {
        while self.minute.front().is_some_and(|at| *at + MINUTE <= now) {
            self.minute.pop_front();
        }
    }
}

impl Tally {
    /// Takes one request of `token` at `now` under its `terms`.
    pub fn reserve(&mut self, token: TokenId, terms: &TokenTerms, now: Moment) -> Result<Taken, Refused> {
        let count = self.counts.entry(token).or_insert_with(|| Count::new(token));
        let day = count.turn(now.wall.day());
        count.forget_older(now.steady);
        if let Some(limit) = terms.requests_per_day
            && count.used >= u64::from(limit)
        {
            let wait = day.end().since(now.wall);
            return Err(Refused::Exhausted(Exhausted { limit: Limit::Day, admits: limit, wait }));
        }
        if let Some(limit) = terms.requests_per_minute {
            // When the limit was lowered, more than one has to grow old first.
            let above = count.minute.len().checked_sub(usize::try_from(limit).unwrap_or(usize::MAX));
            if let Some(oldest) = above.and_then(|above| count.minute.get(above)) {
                let wait = (*oldest + MINUTE).saturating_sub(now.steady);
                return Err(Refused::Exhausted(Exhausted { limit: Limit::Minute, admits: limit, wait }));
            }
        }
        let parts = if self.shares { count.draw(terms, now.wall)? } else { [None; 2] };
        for (part, drawn) in count.parts.iter().zip(parts) {
            self.marks.extend(drawn.into_iter().flat_map(|drawn| part.drawn(drawn)));
        }
        if terms.requests_per_minute.is_some() {
            count.minute.push_back(now.steady);
        }
        count.used += 1;
        *count.untold.entry(day).or_default() += 1;
        count.last = count.last.max(Some(now.wall));
        Ok(Taken { token, day, at: now.steady, parts })
    }

    /// Counts what was spent without being reserved: there is no limit.
    pub fn count(&mut self, spent: &TokenUse) {
        let count = self.counts.entry(spent.token).or_insert_with(|| Count::new(spent.token));
        if count.turn(spent.day) == spent.day {
            count.used = count.used.saturating_add_signed(spent.count);
        }
        *count.untold.entry(spent.day).or_default() += spent.count;
        count.last = count.last.max(Some(spent.last));
    }

    /// Gives back what a reservation took: nothing came of the request.
    pub fn give_back(&mut self, taken: Taken) {
        let Some(count) = self.counts.get_mut(&taken.token) else { return };
        if count.day == Some(taken.day) {
            count.used = count.used.saturating_sub(1);
        }
        *count.untold.entry(taken.day).or_default() -= 1;
        for (part, drawn) in count.parts.iter_mut().zip(taken.parts) {
            drawn.into_iter().for_each(|drawn| part.give_back(drawn));
        }
        if let Some(at) = count.minute.iter().rposition(|at| *at == taken.at) {
            count.minute.remove(at);
        }
    }

    /// Requests of `token` on the day of `now`, and within the last minute where that is limited.
    pub fn used(&mut self, token: TokenId, now: Moment) -> (u64, usize) {
        let Some(count) = self.counts.get_mut(&token) else { return (0, 0) };
        count.turn(now.wall.day());
        count.forget_older(now.steady);
        (count.used, count.minute.len())
    }

    /// Takes in what the store counts for `day`, told by this process or by others. Must not be called
    /// while something told is on its way to the store.
    pub fn learn(&mut self, day: Day, stored: &[(TokenId, u64)]) {
        for (token, used) in stored {
            let count = self.counts.entry(*token).or_insert_with(|| Count::new(*token));
            if count.turn(day) == day {
                let untold = count.untold.get(&day).copied().unwrap_or(0);
                count.used = used.saturating_add_signed(untold);
            }
        }
    }

    /// What the store is to be told; nothing is told twice.
    pub fn take_untold(&mut self) -> Vec<TokenUse> {
        let mut uses = Vec::new();
        for (token, count) in &mut self.counts {
            let last = count.last.unwrap_or(Timestamp::from_millis(0));
            let untold = count.untold.drain().filter(|(_, count)| *count != 0);
            uses.extend(untold.map(|(day, count)| TokenUse { token: *token, day, count, last }));
        }
        uses
    }

    /// Puts back what the store could not be told.
    pub fn put_back(&mut self, uses: &[TokenUse]) {
        for used in uses {
            let count = self.counts.entry(used.token).or_insert_with(|| Count::new(used.token));
            *count.untold.entry(used.day).or_default() += used.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TokenId = TokenId(1);

    fn at(seconds: u64) -> Moment {
        let steady = Duration::from_secs(seconds);
        Moment { wall: Timestamp::from_millis(0).after(steady), steady }
    }

    fn terms(day: Option<u32>, minute: Option<u32>) -> TokenTerms {
        TokenTerms { requests_per_day: day, requests_per_minute: minute, ..TokenTerms::default() }
    }

    /// How long a refusal says to wait, in seconds.
    fn wait(result: Result<Taken, Refused>) -> Option<(Limit, u64)> {
        match result {
            Err(Refused::Exhausted(exhausted)) => Some((exhausted.limit, exhausted.wait.as_secs())),
            _ => None,
        }
    }

    #[test]
    fn what_was_spent_without_a_limit_counts_on_its_day() {
        let mut tally = Tally::default();
        let (late, early) = (at(86_399), at(86_400));
        let spent =
            |moment: Moment, count| TokenUse { token: ID, day: moment.wall.day(), count, last: moment.wall };
        tally.count(&spent(late, 2));
        assert_eq!(tally.used(ID, late), (2, 0));
        tally.count(&spent(early, 3));
        tally.count(&spent(late, 1));
        assert_eq!(tally.used(ID, early), (3, 0));
        let mut untold = tally.take_untold();
        untold.sort_by_key(|used| used.day);
        let told: Vec<_> = untold.iter().map(|used| (used.count, used.last)).collect();
        assert_eq!(told, [(3, early.wall), (3, early.wall)]);
        let refused = tally.reserve(ID, &terms(Some(3), None), early);
        assert_eq!(wait(refused), Some((Limit::Day, 86_400)), "a limit that is set later holds for them too");
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let mut tally = Tally::default();
        let terms = terms(Some(2), None);
        assert!(tally.reserve(ID, &terms, at(10)).is_ok());
        assert!(tally.reserve(ID, &terms, at(20)).is_ok());
        assert_eq!(wait(tally.reserve(ID, &terms, at(86_000))), Some((Limit::Day, 400)));
        assert!(tally.reserve(ID, &terms, at(86_400)).is_ok());
        assert_eq!(tally.used(ID, at(86_401)), (1, 0));
        // A clock turned back brings no quota back.
        assert_eq!(tally.used(ID, at(86_399)), (1, 0));
    }

    #[test]
    fn a_minute_is_the_last_sixty_seconds() {
        let mut tally = Tally::default();
        let limits = terms(None, Some(2));
        assert!(tally.reserve(ID, &limits, at(59)).is_ok());
        assert!(tally.reserve(ID, &limits, at(100)).is_ok());
        assert_eq!(wait(tally.reserve(ID, &limits, at(101))), Some((Limit::Minute, 18)));
        assert!(tally.reserve(ID, &limits, at(119)).is_ok());
        assert_eq!(wait(tally.reserve(ID, &limits, at(119))), Some((Limit::Minute, 41)));
        // Lowered to one, the younger of the two has to grow old.
        assert_eq!(wait(tally.reserve(ID, &terms(None, Some(1)), at(119))), Some((Limit::Minute, 60)));
        assert_eq!(tally.used(ID, at(179)), (3, 0));
    }

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let mut tally = Tally::default();
        let terms = terms(Some(1), Some(1));
        for _ in 0..5 {
            let taken = tally.reserve(ID, &terms, at(10)).expect("room");
            tally.give_back(taken);
        }
        assert_eq!(tally.take_untold(), []);
        let taken = tally.reserve(ID, &terms, at(86_399)).expect("room");
        assert_eq!(tally.used(ID, at(86_401)), (0, 1));
        // Yesterday's goes back to yesterday.
        tally.give_back(taken);
        assert_eq!(tally.used(ID, at(86_401)), (0, 0));
        assert!(tally.reserve(ID, &terms, at(86_401)).is_ok());
    }

    #[test]
    fn the_store_and_other_processes_are_counted() {
        let mut tally = Tally::default();
        let terms = terms(Some(10), None);
        let taken = tally.reserve(ID, &terms, at(1)).expect("room");
        tally.reserve(ID, &terms, at(2)).expect("room");
        tally.learn(Day(0), &[(ID, 7)]);
        assert_eq!(tally.used(ID, at(3)), (9, 0));
        let told = tally.take_untold();
        assert_eq!(told, [TokenUse { token: ID, day: Day(0), count: 2, last: at(2).wall }]);
        assert_eq!(tally.take_untold(), []);
        tally.put_back(&told);
        tally.give_back(taken);
        tally.learn(Day(0), &[(ID, 9)]);
        assert_eq!(tally.used(ID, at(3)), (10, 0));
        assert_eq!(wait(tally.reserve(ID, &terms, at(86_390))), Some((Limit::Day, 10)));
        // What is told of a day that is over changes nothing today.
        assert!(tally.reserve(ID, &terms, at(86_400)).is_ok());
        tally.learn(Day(0), &[(ID, 9)]);
        assert_eq!(tally.used(ID, at(86_400)), (1, 0));
    }
}

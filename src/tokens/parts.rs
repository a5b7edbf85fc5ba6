//! The tally's parts of limits that all processes share: what it lacks, wants and gives back. Pure.

use super::tally::{Count, Exhausted, Limit, Refused, Tally};
use crate::allowance::{Allowance, Drawn, Mark, Pace, Stand};
use crate::domain::ids::TokenId;
use crate::domain::quota::{Granted, Quota, Want};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenTerms;

/// The limits that have parts, in the order of the parts.
const LIMITS: [Limit; 2] = [Limit::Day, Limit::Minute];

impl Count {
    /// Takes one of each limit's part, or of none.
    pub(super) fn draw(&mut self, terms: &TokenTerms, now: Timestamp) -> Result<[Option<Drawn>; 2], Refused> {
        self.limits = [terms.requests_per_day, terms.requests_per_minute];
        let mut refused = None;
        for (at, (part, limit)) in self.parts.iter_mut().zip(self.limits).enumerate() {
            let until = match part.stand(limit, now) {
                Stand::Ready => continue,
                Stand::Asking => None,
                Stand::Spent(until) | Stand::Away(until) => Some(until),
            };
            part.miss(now);
            let exhausted = until.zip(LIMITS.get(at).copied()).map(|(until, which)| Exhausted {
                limit: which,
                admits: limit.unwrap_or(u32::MAX),
                wait: until.since(now),
            });
            // A limit that is reached says more than one that is asked about.
            refused = match (refused, exhausted) {
                (Some(known @ Refused::Exhausted(_)), _) => Some(known),
                (_, Some(exhausted)) => Some(Refused::Exhausted(exhausted)),
                (_, None) => Some(Refused::Asking),
            };
        }
        match refused {
            Some(refused) => Err(refused),
            None => {
                let [day, minute] = &mut self.parts;
                Ok([day.take(terms.requests_per_day, now), minute.take(terms.requests_per_minute, now)])
            }
        }
    }
}

impl Tally {
    /// From now on limits are shared with other processes. Without this its own counts decide alone.
    pub fn share(&mut self) {
        self.shares = true;
    }

    /// What the store is to be asked now, when so many processes share the database.
    pub fn wants(&mut self, replicas: usize, now: Timestamp) -> Vec<Want> {
        let mut wants = Vec::new();
        for count in self.counts.values_mut() {
            let pace = Pace { replicas, a_minute: count.limits[1] };
            for (part, limit) in count.parts.iter_mut().zip(count.limits) {
                part.wants(limit, &pace, now, &mut wants);
            }
        }
        self.mark(&wants);
        wants
    }

    /// Everything that is in hand, to be given back: nothing is taken any more.
    pub fn give_all(&mut self) -> Vec<Want> {
        let mut wants = Vec::new();
        for count in self.counts.values_mut() {
            for (part, limit) in count.parts.iter_mut().zip(count.limits) {
                part.give_all(limit, &mut wants);
            }
        }
        self.mark(&wants);
        wants
    }

    /// The store has answered, or with `None` it could not be asked.
    pub fn leased(&mut self, wants: &[Want], granted: Option<&[Granted]>, now: Timestamp) {
        for (at, want) in wants.iter().enumerate() {
            if let Some(part) = self.part(want.quota) {
                part.told(want, granted.and_then(|granted| granted.get(at)).copied(), now);
            }
        }
        self.mark(wants);
    }

    fn part(&mut self, quota: Quota) -> Option<&mut Allowance> {
        let [day, minute] = &mut self.counts.get_mut(&TokenId(quota.subject))?.parts;
        [day, minute].into_iter().find(|part| part.quota() == quota)
    }

    fn mark(&mut self, wants: &[Want]) {
        for want in wants {
            let mark = self.part(want.quota).and_then(|part| part.mark(want.period));
            self.marks.extend(mark);
        }
    }

    /// Takes over what a process before this one had in hand.
    pub fn adopt(&mut self, marks: &[Mark]) {
        for mark in marks {
            let token = TokenId(mark.quota.subject);
            let count = self.counts.entry(token).or_insert_with(|| Count::new(token));
            for (part, limit) in count.parts.iter_mut().zip(&mut count.limits) {
                if part.quota() == mark.quota {
                    part.adopt(mark);
                    *limit = Some(mark.limit);
                }
            }
        }
    }

    /// How it stands with what is in hand, where that has changed since the last call: it is noted
    /// before anybody uses it, or gives it back.
    pub fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tally::Moment;
    use std::time::Duration;

    const ID: TokenId = TokenId(1);

    fn at(seconds: u64) -> Moment {
        let steady = Duration::from_secs(seconds);
        Moment { wall: Timestamp::from_millis(0).after(steady), steady }
    }

    fn shared() -> Tally {
        let mut tally = Tally::default();
        tally.share();
        tally
    }

    /// Answers everything with as much as is left of `left`.
    fn serve(tally: &mut Tally, left: &mut u64, now: Moment) -> usize {
        let wants = tally.wants(1, now.wall);
        let grant = |want: &Want| {
            *left += want.give;
            let amount = want.take.min(*left);
            *left -= amount;
            Granted { amount, leased: u64::from(want.limit) - *left, held: 0, is_gone: false }
        };
        let granted: Vec<Granted> = wants.iter().map(grant).collect();
        tally.leased(&wants, Some(&granted), now.wall);
        wants.len()
    }

    #[test]
    fn a_request_needs_what_others_leave_over() {
        let terms = TokenTerms { requests_per_day: Some(10), ..TokenTerms::default() };
        let (mut tally, mut left) = (shared(), 3);
        let mut granted = 0;
        let refused = loop {
            match tally.reserve(ID, &terms, at(10)) {
                Ok(_) => granted += 1,
                Err(refused) if serve(&mut tally, &mut left, at(10)) == 0 => break refused,
                Err(refused) => assert_eq!(refused, Refused::Asking),
            }
        };
        assert_eq!(granted, 3);
        let wait = Duration::from_secs(86_390);
        assert_eq!(refused, Refused::Exhausted(Exhausted { limit: Limit::Day, admits: 10, wait }));
        assert_eq!(tally.used(ID, at(10)), (3, 0), "what was refused is not counted");
    }

    #[test]
    fn what_came_to_nothing_is_in_hand_again() {
        let terms = TokenTerms { requests_per_day: Some(10), ..TokenTerms::default() };
        let (mut tally, mut left) = (shared(), 1);
        assert_eq!(tally.reserve(ID, &terms, at(10)), Err(Refused::Asking));
        serve(&mut tally, &mut left, at(10));
        for _ in 0..3 {
            let taken = tally.reserve(ID, &terms, at(10)).expect("in hand");
            tally.give_back(taken);
        }
        let given: Vec<u64> = tally.give_all().iter().map(|want| want.give).collect();
        assert_eq!((given, tally.give_all().len()), (vec![1], 0));
    }

    #[test]
    fn a_minute_that_others_used_up_says_when_it_ends() {
        let terms = TokenTerms { requests_per_minute: Some(5), ..TokenTerms::default() };
        let (mut tally, mut left) = (shared(), 0);
        assert_eq!(tally.reserve(ID, &terms, at(10)), Err(Refused::Asking));
        serve(&mut tally, &mut left, at(10));
        let wait = Duration::from_secs(50);
        let exhausted = Exhausted { limit: Limit::Minute, admits: 5, wait };
        assert_eq!(tally.reserve(ID, &terms, at(10)), Err(Refused::Exhausted(exhausted)));
    }

    #[test]
    fn a_store_that_is_away_refuses_for_a_second() {
        let terms = TokenTerms { requests_per_day: Some(5), ..TokenTerms::default() };
        let mut tally = shared();
        assert_eq!(tally.reserve(ID, &terms, at(10)), Err(Refused::Asking));
        let wants = tally.wants(1, at(10).wall);
        tally.leased(&wants, None, at(10).wall);
        let wait = Duration::from_secs(1);
        let exhausted = Exhausted { limit: Limit::Day, admits: 5, wait };
        assert_eq!(tally.reserve(ID, &terms, at(10)), Err(Refused::Exhausted(exhausted)));
    }

    #[test]
    fn without_limits_nothing_is_asked() {
        let mut tally = shared();
        tally.reserve(ID, &TokenTerms::default(), at(10)).expect("no limit");
        assert!(tally.wants(1, at(10).wall).is_empty());
    }
}

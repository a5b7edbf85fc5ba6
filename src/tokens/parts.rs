//! The tally's parts of limits that all processes share: what it lacks, wants and gives back. Pure.

use super::tally::{Count, Exhausted, Limit, Refused, Tally};
use crate::allowance::{Drawn, Pace, Stand};
use crate::domain::ids::TokenId;
use crate::domain::quota::{Granted, QuotaKind, Want};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenTerms;

/// The limits that have parts, in the order of the parts.
const LIMITS: [Limit; 2] = [Limit::Day, Limit::Minute];

impl Count {
    /// Takes one of each limit's part, or of none.
    pub(super) fn draw(
        &mut self,
        terms: &TokenTerms,
        now: Timestamp,
    ) -> Result<[Option<Drawn>; 2], Refused> {
        self.limits = [terms.requests_per_day, terms.requests_per_minute];
        let mut refused = None;
        for (at, (part, limit)) in self.parts.iter_mut().zip(self.limits).enumerate() {
            let until = match part.stand(limit, now) {
                Stand::Ready => continue,
                Stand::Asking => None,
                Stand::Spent(until) | Stand::Away(until) => Some(until),
            };
            part.miss(now);
            let exhausted = until.zip(LIMITS.get(at).copied()).map(|(until, which)| {
                Exhausted { limit: which, admits: limit.unwrap_or(u32::MAX), wait: until.since(now) }
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
        wants
    }

    /// The store has answered, or with `None` it could not be asked.
    pub fn leased(&mut self, wants: &[Want], granted: Option<&[Granted]>, now: Timestamp) {
        for (at, want) in wants.iter().enumerate() {
            let Some(count) = self.counts.get_mut(&TokenId(want.quota.subject)) else { continue };
            let [day, minute] = &mut count.parts;
            let part = if want.quota.kind == QuotaKind::TokenDay { day } else { minute };
            match granted.and_then(|granted| granted.get(at)) {
                Some(granted) => part.answered(want, *granted, now),
                None => part.unanswered(want, now),
            }
        }
    }
}

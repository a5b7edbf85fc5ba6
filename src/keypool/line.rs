//! The line of those who wait for a key: first come, first served, bounded. Pure: `now` is an
//! argument, and who is to be told is a type of the caller's.

use super::pool::{Ask, Grant, NoKey, Pool};
use crate::domain::time::Timestamp;
use std::collections::VecDeque;

/// The most that may wait at a time.
const MOST: usize = 4096;

/// One who can be answered, and who may have gone.
pub trait Waiter {
    /// Whether nobody waits for the answer any more.
    fn has_left(&self) -> bool;
}

/// Those who wait.
#[derive(Debug)]
pub struct Line<W> {
    waiting: VecDeque<(Ask, W)>,
}

/// What became of one who waited.
pub type Served<W> = (W, Result<Grant, NoKey>);

impl<W> Default for Line<W> {
    fn default() -> Line<W> {
        Line { waiting: VecDeque::new() }
    }
}

impl<W: Waiter> Line<W> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Grants a key at once, or lets the caller wait if that is worth it; returns those who are
    /// served by it. Nobody is served before those who came earlier.
    pub fn come(&mut self, ask: Ask, who: W, pool: &mut Pool, now: Timestamp, chance: u64) -> Vec<Served<W>> {
        let mut served = if self.is_empty() { Vec::new() } else { self.advance(pool, now, chance) };
        match pool.lease(&ask, now, chance) {
            Err(none) if self.waiting.len() < MOST && none.is_worth_waiting(ask.wait_until, now) => {
                self.waiting.push_back((ask, who));
            }
            answer => served.push((who, answer)),
        }
        served
    }

    /// Serves those for whom there is a key now, and those for whom there will be none in time.
    pub fn advance(&mut self, pool: &mut Pool, now: Timestamp, chance: u64) -> Vec<Served<W>> {
        let mut served = Vec::new();
        let mut still = VecDeque::with_capacity(self.waiting.len());
        // Who asks for the same as one who must go on waiting need not be looked at.
        let mut in_vain: Option<(Ask, NoKey)> = None;
        for (ask, who) in self.waiting.drain(..) {
            if who.has_left() {
                continue;
            }
            let known = in_vain.as_ref().filter(|(other, _)| other.asks_the_same(&ask));
            let answer = match known {
                Some((_, none)) => Err(none.clone()),
                None => pool.lease(&ask, now, chance.wrapping_add(served.len() as u64)),
            };
            match answer {
                Err(none) if none.is_worth_waiting(ask.wait_until, now) => {
                    if known.is_none() {
                        in_vain = Some((ask.clone(), none));
                    }
                    still.push_back((ask, who));
                }
                answer => served.push((who, answer)),
            }
        }
        self.waiting = still;
        served
    }
}

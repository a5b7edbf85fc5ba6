//! Which of the usable keys is taken. Pure: chance and counts are arguments.

use crate::domain::strategy::Strategy;
use std::cmp::Reverse;

/// What a strategy looks at in a key.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Rises with each lease; the lowest was taken longest ago.
    pub last_taken: u64,
    /// Attempts today.
    pub used_today: u64,
    /// Attempts left today; `None`: no limit.
    pub remaining: Option<u64>,
}

/// The index of the chosen candidate; `None` when there is none. Ties go to the one taken
/// longest ago. `chance` is any number, used by `Random` alone.
pub fn choose(strategy: Strategy, candidates: &[Candidate], chance: u64) -> Option<usize> {
    let indexed = candidates.iter().enumerate();
    match strategy {
        Strategy::RoundRobin => indexed.min_by_key(|(_, key)| key.last_taken),
        Strategy::LeastUsed => indexed.min_by_key(|(_, key)| (key.used_today, key.last_taken)),
        Strategy::Random => {
            let count = u64::try_from(candidates.len()).ok().filter(|count| *count > 0)?;
            return usize::try_from(chance % count).ok();
        }
        Strategy::MostRemaining => indexed.min_by_key(|(_, key)| match key.remaining {
            None => (Reverse(u64::MAX), key.used_today, key.last_taken),
            Some(remaining) => (Reverse(remaining), 0, key.last_taken),
        }),
    }
    .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(last_taken: u64, used_today: u64, remaining: Option<u64>) -> Candidate {
        Candidate { last_taken, used_today, remaining }
    }

    #[test]
    fn each_strategy_has_its_choice() {
        let keys = [candidate(3, 1, Some(9)), candidate(1, 5, Some(20)), candidate(2, 0, Some(3))];
        assert_eq!(choose(Strategy::RoundRobin, &keys, 0), Some(1));
        assert_eq!(choose(Strategy::LeastUsed, &keys, 0), Some(2));
        assert_eq!(choose(Strategy::MostRemaining, &keys, 0), Some(1));
        assert_eq!(choose(Strategy::Random, &keys, 5), Some(2));
        let unlimited = [keys[1], candidate(9, 7, None), candidate(8, 6, None)];
        assert_eq!(choose(Strategy::MostRemaining, &unlimited, 0), Some(2));
    }

    #[test]
    fn nothing_is_chosen_from_nothing() {
        for strategy in Strategy::ALL {
            assert_eq!(choose(strategy, &[], 7), None);
        }
    }
}

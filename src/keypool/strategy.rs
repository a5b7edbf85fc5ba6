//! Which of the usable keys is taken. Pure: chance and counts are arguments.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

/// How load is spread over the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Each in turn: the one that was taken longest ago.
    #[default]
    RoundRobin,
    /// The one used least today.
    LeastUsed,
    /// Any, by chance.
    Random,
    /// The one with most of its daily limit left; without a limit counts as most of all.
    MostRemaining,
}

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

impl Strategy {
    /// The index of the chosen candidate; `None` when there is none. Ties go to the one taken
    /// longest ago. `chance` is any number, used by `Random` alone.
    pub fn choose(self, candidates: &[Candidate], chance: u64) -> Option<usize> {
        let indexed = candidates.iter().enumerate();
        match self {
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
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::RoundRobin => "round_robin",
            Strategy::LeastUsed => "least_used",
            Strategy::Random => "random",
            Strategy::MostRemaining => "most_remaining",
        })
    }
}

/// Not the name of a strategy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown strategy; use round_robin, least_used, random or most_remaining")]
pub struct UnknownStrategy;

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Strategy, UnknownStrategy> {
        match name {
            "round_robin" => Ok(Strategy::RoundRobin),
            "least_used" => Ok(Strategy::LeastUsed),
            "random" => Ok(Strategy::Random),
            "most_remaining" => Ok(Strategy::MostRemaining),
            _ => Err(UnknownStrategy),
        }
    }
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
        assert_eq!(Strategy::RoundRobin.choose(&keys, 0), Some(1));
        assert_eq!(Strategy::LeastUsed.choose(&keys, 0), Some(2));
        assert_eq!(Strategy::MostRemaining.choose(&keys, 0), Some(1));
        assert_eq!(Strategy::Random.choose(&keys, 5), Some(2));
        let unlimited = [keys[1], candidate(9, 7, None), candidate(8, 6, None)];
        assert_eq!(Strategy::MostRemaining.choose(&unlimited, 0), Some(2));
    }

    #[test]
    fn nothing_is_chosen_from_nothing() {
        for name in ["round_robin", "least_used", "random", "most_remaining"] {
            let strategy: Strategy = name.parse().expect("a known name");
            assert_eq!(strategy.to_string(), name);
            assert_eq!(strategy.choose(&[], 7), None);
        }
    }
}

//! Which of the usable keys is taken. Pure: chance and counts are arguments.

use crate::domain::strategy::Strategy;

/// What a strategy looks at in a key.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<Remaining> {
    /// Its number.
    pub id: i64,
    /// Rises with each lease; the lowest was taken longest ago.
    pub last_taken: u64,
    /// Attempts today.
    pub used_today: u64,
    /// Attempts left today; `None`: no limit. Asked only by the strategy that goes by it.
    pub remaining: Remaining,
}

/// The place of a key among others: the lowest is taken. Ties go to the one taken longest ago.
pub type Rank = (u64, u64, u64);

/// How `candidate` ranks. `chance` is any number, the same for all that are compared, used by `Random`
/// alone.
pub fn rank(strategy: Strategy, candidate: Candidate<impl FnOnce() -> Option<u64>>, chance: u64) -> Rank {
    let Candidate { id, last_taken, used_today, remaining } = candidate;
    match strategy {
        Strategy::RoundRobin => (0, 0, last_taken),
        Strategy::LeastUsed => (0, used_today, last_taken),
        Strategy::Random => (0, mixed(chance ^ mixed(id.cast_unsigned())), last_taken),
        Strategy::MostRemaining => match remaining() {
            None => (0, used_today, last_taken),
            Some(remaining) => (u64::MAX - remaining, 0, last_taken),
        },
    }
}

/// Another number for each number, without a pattern between neighbours (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (i64, u64, u64, Option<u64>);

    fn choose(strategy: Strategy, keys: &[Seen], chance: u64) -> Option<i64> {
        let rank = |&(id, last_taken, used_today, remaining): &Seen| {
            rank(strategy, Candidate { id, last_taken, used_today, remaining: || remaining }, chance)
        };
        keys.iter().min_by_key(|key| rank(key)).map(|key| key.0)
    }

    #[test]
    fn each_strategy_has_its_choice() {
        let keys = [(0, 3, 1, Some(9)), (1, 1, 5, Some(20)), (2, 2, 0, Some(3))];
        assert_eq!(choose(Strategy::RoundRobin, &keys, 0), Some(1));
        assert_eq!(choose(Strategy::LeastUsed, &keys, 0), Some(2));
        assert_eq!(choose(Strategy::MostRemaining, &keys, 0), Some(1));
        let unlimited = [keys[1], (3, 9, 7, None), (4, 8, 6, None)];
        assert_eq!(choose(Strategy::MostRemaining, &unlimited, 0), Some(4));
        let spent = [(5, 1, 1, Some(0)), (6, 2, 2, Some(u64::MAX))];
        assert_eq!(choose(Strategy::MostRemaining, &spent, 0), Some(6));
    }

    #[test]
    fn chance_takes_each_key_equally_often() {
        let keys = [(1, 0, 0, None), (2, 0, 0, None), (3, 0, 0, None), (90, 0, 0, None)];
        let mut taken = [0_u32; 4];
        for chance in 0..4000 {
            let chosen = choose(Strategy::Random, &keys, chance);
            let index = keys.iter().position(|key| Some(key.0) == chosen).expect("one of them");
            taken[index] += 1;
        }
        assert!(taken.iter().all(|count| (850..1150).contains(count)), "{taken:?}");
    }
}

//! How load is spread over the keys: a word of the configuration and of the pool.

/// How a key is chosen among those that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Each in turn: the one that was taken longest ago.
    #[default]
    RoundRobin,
    /// The one with the fewest attempts today.
    LeastUsed,
    /// Any, by chance.
    Random,
    /// The one with most of its daily limit left; one without a limit counts as most of all.
    MostRemaining,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Strategy; 4] =
        [Strategy::RoundRobin, Strategy::LeastUsed, Strategy::Random, Strategy::MostRemaining];

    /// The word in configuration and on the page.
    pub fn word(self) -> &'static str {
        match self {
            Strategy::RoundRobin => "round_robin",
            Strategy::LeastUsed => "least_used",
            Strategy::Random => "random",
            Strategy::MostRemaining => "most_remaining",
        }
    }
}

//! `proxy`: what is done with a request.

use super::given::{Given, Value, choice};
use super::reader::Reader;
use super::table::{Kind, Row};
use crate::domain::strategy::Strategy;

const STRATEGIES: &[&str] = &["round_robin", "least_used", "random", "most_remaining"];

const LOAD_BALANCE_STRATEGY: Row = Row::new(
    "proxy.load_balance_strategy",
    Kind::Choice(STRATEGIES),
    "round_robin",
    "How a key is chosen: round_robin, least_used, random or most_remaining.",
)
.env(&["LOAD_BALANCE_STRATEGY"]);

const FREE_MODELS_ONLY: Row = Row::new(
    "proxy.free_models_only",
    Kind::Switch,
    "true",
    "Whether pooled keys may be used for free models only.",
)
.env(&["FREE_MODELS_ONLY"]);

const MAX_ATTEMPTS: Row = Row::new(
    "proxy.max_attempts",
    Kind::Whole { min: 1, max: 100 },
    "4",
    "Most attempts upstream for one request that may have cost quota or reached a model.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[LOAD_BALANCE_STRATEGY, FREE_MODELS_ONLY, MAX_ATTEMPTS];

/// What is done with a request.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// How a key is chosen among those that may be used.
    pub load_balance_strategy: Strategy,
    /// Whether pooled keys may be used for free models only.
    pub free_models_only: bool,
    /// The most attempts for one request, at least 1.
    pub max_attempts: u32,
}

impl Proxy {
    pub(super) fn read(reader: &mut Reader<'_>) -> Proxy {
        Proxy {
            load_balance_strategy: reader.get(&LOAD_BALANCE_STRATEGY),
            free_models_only: reader.get(&FREE_MODELS_ONLY),
            max_attempts: reader.get(&MAX_ATTEMPTS),
        }
    }
}

impl Value for Strategy {
    fn read(given: &Given, kind: &Kind) -> Result<Strategy, String> {
        Ok(match choice(given, kind)? {
            "least_used" => Strategy::LeastUsed,
            "random" => Strategy::Random,
            "most_remaining" => Strategy::MostRemaining,
            _ => Strategy::RoundRobin,
        })
    }

    fn show(&self) -> String {
        self.word().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_itself() {
        for word in STRATEGIES {
            let strategy = Strategy::read(&Given::text(*word), &LOAD_BALANCE_STRATEGY.kind);
            assert_eq!(strategy.map(Strategy::word), Ok(*word));
        }
    }
}

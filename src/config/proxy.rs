//! `proxy`: what is done with a request.

use super::aliases::ModelAlias;
use super::given::{Given, Value, choice};
use super::mapping::ProviderRule;
use super::reader::Reader;
use super::table::{Kind, Row};
use crate::domain::account::Limit;
use crate::domain::cache_control::CacheControl;
use crate::domain::strategy::Strategy;
use std::time::Duration;

/// Proxies between a client and us are patient for 30 seconds or more: half of that (DESIGN section 4).
const EARLY: Duration = Duration::from_secs(15);

const STRATEGIES: &[&str] = &["round_robin", "least_used", "random", "most_remaining"];

const LOAD_BALANCE_STRATEGY: Row = Row::new(
    "proxy.load_balance_strategy",
    Kind::Choice(STRATEGIES),
    "round_robin",
    "How a key is chosen: round_robin, least_used, random or most_remaining.",
)
.env(&["LOAD_BALANCE_STRATEGY"])
.also(&["load_balancing_strategy"])
.live();

const FREE_MODELS_ONLY: Row = Row::new(
    "proxy.free_models_only",
    Kind::Switch,
    "true",
    "Whether pooled keys may be used for free models only.",
)
.env(&["FREE_MODELS_ONLY"])
.live();

const SESSION_AFFINITY: Row = Row::new(
    "proxy.session_affinity",
    Kind::Switch,
    "true",
    "Whether the turns of one conversation prefer one account, since upstream prompt caches are per account.",
)
.live();

const FREE_DAILY_LIMIT: Row = Row::unset(
    "proxy.free_daily_limit",
    Kind::Limit,
    "learned from the upstream, else 50 or 1000 by the account's tier",
    "Requests to free models a UTC day for each account; -1: none.",
)
.live();

const FREE_MINUTE_LIMIT: Row = Row::unset(
    "proxy.free_minute_limit",
    Kind::Limit,
    "20",
    "Requests to free models a minute for each account; -1: none.",
)
.live();

const QUEUE_TIMEOUT: Row = Row::new(
    "proxy.queue_timeout",
    Kind::Seconds { min: 0.0, max: 3600.0 },
    "10",
    "How long a request may wait for an account whose minute is full, in seconds.",
)
.live();

const MAX_ATTEMPTS: Row = Row::new(
    "proxy.max_attempts",
    Kind::Whole { min: 1, max: 100 },
    "4",
    "Most attempts upstream for one request that may have cost quota or reached a model.",
)
.live();

const EARLY_HEADERS: Row = Row::new(
    "proxy.early_headers",
    Kind::Switch,
    "false",
    "Whether a stream's head and keep-alive comments go out after 15 seconds even if no key has answered yet.",
)
.live();

const MAX_TOKENS: Row = Row::new(
    "proxy.max_tokens",
    Kind::Choice(&["auto", "off"]),
    "auto",
    "Whether max_tokens is set and corrected to what the model and the prompt leave: auto or off.",
)
.live();

const CACHE_CONTROL: Row = Row::new(
    "proxy.cache_control",
    Kind::Choice(&["auto", "last_message", "off"]),
    "auto",
    "Prompt cache markers: auto (models that need them), last_message (always there) or off.",
)
.env(&["CACHE_CONTROL"])
.flag("cache-control")
.live();

const MODEL_PROVIDER_MAPPING: Row = Row::unset(
    "proxy.model_provider_mapping",
    Kind::ProviderRules,
    "none",
    "Providers to try for models of a pattern, as PATTERN=P1,P2; several by `;`, the first match wins.",
)
.env(&["MODEL_PROVIDER_MAPPING"])
.flag("model-provider-mapping");

const MODEL_ALIASES: Row = Row::unset(
    "proxy.model_aliases",
    Kind::ModelAliases,
    "none",
    "Names that stand for models, tried in order, as JSON: {\"fast\": [\"a:free\", \"b:free\"]}.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[
    LOAD_BALANCE_STRATEGY,
    FREE_MODELS_ONLY,
    SESSION_AFFINITY,
    FREE_DAILY_LIMIT,
    FREE_MINUTE_LIMIT,
    QUEUE_TIMEOUT,
    MAX_ATTEMPTS,
    EARLY_HEADERS,
    MAX_TOKENS,
    CACHE_CONTROL,
    MODEL_PROVIDER_MAPPING,
    MODEL_ALIASES,
];

/// What is done with a request.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// How a key is chosen among those that may be used.
    pub load_balance_strategy: Strategy,
    /// Whether pooled keys may be used for free models only.
    pub free_models_only: bool,
    /// Whether the turns of one conversation prefer one account.
    pub session_affinity: bool,
    /// Requests to free models a UTC day for each account; `None`: what is learned.
    pub free_daily_limit: Option<Limit>,
    /// Requests to free models a minute for each account; `None`: 20.
    pub free_minute_limit: Option<Limit>,
    /// How long a request may wait for a key.
    pub queue_timeout: Duration,
    /// The most attempts for one request, at least 1.
    pub max_attempts: u32,
    /// After how long the head of a stream goes out although nothing has come yet; `None`: never.
    pub early_headers: Option<Duration>,
    /// Whether `max_tokens` is set and corrected.
    pub auto_max_tokens: bool,
    /// Where prompt cache markers go.
    pub cache_control: CacheControl,
    /// Providers to try by model; the first rule that matches wins.
    pub model_provider_mapping: Vec<ProviderRule>,
    /// Names that stand for models.
    pub model_aliases: Vec<ModelAlias>,
}

impl Proxy {
    pub(super) fn read(reader: &mut Reader<'_>) -> Proxy {
        Proxy {
            load_balance_strategy: reader.get(&LOAD_BALANCE_STRATEGY),
            free_models_only: reader.get(&FREE_MODELS_ONLY),
            session_affinity: reader.get(&SESSION_AFFINITY),
            free_daily_limit: reader.optional(&FREE_DAILY_LIMIT),
            free_minute_limit: reader.optional(&FREE_MINUTE_LIMIT),
            queue_timeout: reader.get(&QUEUE_TIMEOUT),
            max_attempts: reader.get(&MAX_ATTEMPTS),
            early_headers: reader.get::<bool>(&EARLY_HEADERS).then_some(EARLY),
            auto_max_tokens: reader.get::<MaxTokens>(&MAX_TOKENS) == MaxTokens::Auto,
            cache_control: reader.get(&CACHE_CONTROL),
            model_provider_mapping: reader.get(&MODEL_PROVIDER_MAPPING),
            model_aliases: reader.get(&MODEL_ALIASES),
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

/// Whether `max_tokens` is set and corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum MaxTokens {
    #[default]
    Auto,
    Off,
}

impl Value for MaxTokens {
    fn read(given: &Given, kind: &Kind) -> Result<MaxTokens, String> {
        Ok(if choice(given, kind)? == "off" { MaxTokens::Off } else { MaxTokens::Auto })
    }

    fn show(&self) -> String {
        if *self == MaxTokens::Off { "off".to_owned() } else { "auto".to_owned() }
    }
}

impl Value for CacheControl {
    fn read(given: &Given, kind: &Kind) -> Result<CacheControl, String> {
        Ok(match choice(given, kind)? {
            "last_message" => CacheControl::LastMessage,
            "off" => CacheControl::Off,
            _ => CacheControl::Auto,
        })
    }

    fn show(&self) -> String {
        let word = match self {
            CacheControl::Auto => "auto",
            CacheControl::LastMessage => "last_message",
            CacheControl::Off => "off",
        };
        word.to_owned()
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

//! Reads token counts and cost from an answer, leniently: every figure may be missing or null, and
//! the three dialects name them differently (`openrouter-api.md` section 6). Pure.

use crate::domain::usage::TokenUsage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A `usage` object of any dialect, as it stands; what is of another kind states nothing.
#[derive(Debug, Deserialize)]
pub struct Stated(Lenient<Figures>);

/// What can be read as a `T`, or anything else.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Read(T),
    Other(IgnoredAny),
}

/// The figures of all dialects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    prompt_tokens: Option<Figure>,
    completion_tokens: Option<Figure>,
    total_tokens: Option<Figure>,
    input_tokens: Option<Figure>,
    output_tokens: Option<Figure>,
    cache_read_input_tokens: Option<Figure>,
    cache_creation_input_tokens: Option<Figure>,
    cost: Option<Figure>,
    prompt_tokens_details: Option<Lenient<Details>>,
    completion_tokens_details: Option<Lenient<Details>>,
    input_tokens_details: Option<Lenient<Details>>,
    output_tokens_details: Option<Lenient<Details>>,
}

/// What is stated beside a figure.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Details {
    reasoning_tokens: Option<Figure>,
    cached_tokens: Option<Figure>,
}

type Figure = Lenient<Number>;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

/// From a `usage` object of any dialect.
pub fn tokens(usage: &Value) -> TokenUsage {
    Stated::deserialize(usage).map(|stated| stated.tokens()).unwrap_or_default()
}

impl Stated {
    /// The figures in the words of usage rows.
    pub fn tokens(&self) -> TokenUsage {
        match &self.0 {
            Lenient::Read(figures) => figures.tokens(),
            Lenient::Other(_) => TokenUsage::default(),
        }
    }
}

impl Figures {
    fn tokens(&self) -> TokenUsage {
        // Anthropic's `input_tokens` are those beside the cache, which is stated apart.
        let from_cache = whole(self.cache_read_input_tokens);
        let beside = [from_cache, whole(self.cache_creation_input_tokens)];
        let cache = beside.into_iter().flatten().fold(0, i64::saturating_add);
        let input = || whole(self.input_tokens).map(|tokens| tokens.saturating_add(cache));
        let prompt = whole(self.prompt_tokens).or_else(input);
        let completion = whole(self.completion_tokens).or_else(|| whole(self.output_tokens));
        let details = |two: [Option<Lenient<Details>>; 2], figure: fn(Details) -> Option<Figure>| {
            two.into_iter().find_map(|details| whole(figure(read(details)?)))
        };
        let of_prompt = [self.prompt_tokens_details, self.input_tokens_details];
        let of_answer = [self.completion_tokens_details, self.output_tokens_details];
        TokenUsage {
            prompt,
            completion,
            total: whole(self.total_tokens).or_else(|| match (prompt, completion) {
                (None, None) => None,
                (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
            }),
            reasoning: details(of_answer, |details| details.reasoning_tokens),
            cached: details(of_prompt, |details| details.cached_tokens).or(from_cache),
            cost: read(self.cost).map(Number::fraction).filter(|cost| cost.is_finite()),
        }
    }
}

/// `later` where it says something, `earlier` elsewhere: streams state parts of it at both ends.
pub fn merged(earlier: TokenUsage, later: TokenUsage) -> TokenUsage {
    let prompt = later.prompt.or(earlier.prompt);
    let completion = later.completion.or(earlier.completion);
    let total = match (prompt, completion) {
        (Some(prompt), Some(completion)) if later.prompt.is_none() => Some(prompt.saturating_add(completion)),
        _ => later.total.or(earlier.total),
    };
    TokenUsage {
        prompt,
        completion,
        total,
        reasoning: later.reasoning.or(earlier.reasoning),
        cached: later.cached.or(earlier.cached),
        cost: later.cost.or(earlier.cost),
    }
}

fn read<T>(stated: Option<Lenient<T>>) -> Option<T> {
    match stated? {
        Lenient::Read(read) => Some(read),
        Lenient::Other(_) => None,
    }
}

fn whole(figure: Option<Figure>) -> Option<i64> {
    match read(figure)? {
        Number::Whole(number) => Some(number),
        Number::Fraction(number) => (number.abs() < 1e15).then_some(number as i64),
    }
}

impl Number {
    fn fraction(self) -> f64 {
        match self {
            Number::Whole(number) => number as f64,
            Number::Fraction(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_dialect_is_read() {
        let chat = tokens(
            &json!({"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28, "cost": 0.5,
            "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 5}}),
        );
        let responses =
            tokens(&json!({"input_tokens": 21, "output_tokens": 7, "total_tokens": 28, "cost": 0.5,
            "input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 5}}));
        let messages = tokens(&json!({"input_tokens": 21, "output_tokens": 7, "cache_read_input_tokens": 3}));
        assert_eq!(chat, responses);
        assert_eq!((messages.prompt, messages.total, messages.cached), (Some(24), Some(31), Some(3)));
    }

    #[test]
    fn missing_and_odd_figures_stay_missing() {
        assert_eq!(tokens(&json!({})), TokenUsage::default());
        let odd = json!({"prompt_tokens": "many", "prompt_tokens_details": null, "completion_tokens": 7.0});
        assert_eq!(tokens(&odd).prompt, None);
        assert_eq!(tokens(&odd).completion, Some(7));
        let huge = json!({"prompt_tokens": u64::MAX, "completion_tokens": -1, "cost": 2, "total_tokens": [1]});
        let huge = tokens(&huge);
        assert_eq!((huge.prompt, huge.completion, huge.total, huge.cost), (None, Some(-1), Some(-1), Some(2.0)));
        for no_object in [json!("x"), json!(7), json!(true)] {
            assert_eq!(tokens(&no_object), TokenUsage::default(), "{no_object}");
        }
        assert_eq!(tokens(&json!(null)), TokenUsage::default());
    }

    #[test]
    fn a_later_part_adds_to_an_earlier_one() {
        let start = tokens(&json!({"input_tokens": 10, "output_tokens": 1}));
        let end = tokens(&json!({"output_tokens": 5}));
        assert_eq!(merged(start, end).total, Some(15));
    }
}

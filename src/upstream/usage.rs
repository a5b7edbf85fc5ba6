//! Reads token counts and cost from an answer, leniently: every figure may be missing or null, and
//! the three dialects name them differently (`openrouter-api.md` section 6). Pure.

use crate::domain::usage::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A `usage` object of any dialect, each figure as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stated<'a> {
    #[serde(borrow)]
    prompt_tokens: Figure<'a>,
    #[serde(borrow)]
    completion_tokens: Figure<'a>,
    #[serde(borrow)]
    total_tokens: Figure<'a>,
    #[serde(borrow)]
    input_tokens: Figure<'a>,
    #[serde(borrow)]
    output_tokens: Figure<'a>,
    #[serde(borrow)]
    cache_read_input_tokens: Figure<'a>,
    #[serde(borrow)]
    cache_creation_input_tokens: Figure<'a>,
    #[serde(borrow)]
    cost: Figure<'a>,
    #[serde(borrow)]
    prompt_tokens_details: Figure<'a>,
    #[serde(borrow)]
    completion_tokens_details: Figure<'a>,
    #[serde(borrow)]
    input_tokens_details: Figure<'a>,
    #[serde(borrow)]
    output_tokens_details: Figure<'a>,
}

/// What is stated beside a figure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    reasoning_tokens: Figure<'a>,
    #[serde(borrow)]
    cached_tokens: Figure<'a>,
}

/// Hopefully a number.
type Figure<'a> = Option<&'a RawValue>;

/// From the JSON of a `usage` object of any dialect; what is something else states nothing.
pub fn tokens(usage: &str) -> TokenUsage {
    let stated: Stated<'_> = object(usage);
    // Anthropic's `input_tokens` are those beside the cache, which is stated apart.
    let from_cache = whole(stated.cache_read_input_tokens);
    let beside = [from_cache, whole(stated.cache_creation_input_tokens)];
    let cache = beside.into_iter().flatten().fold(0, i64::saturating_add);
    let input = || whole(stated.input_tokens).map(|tokens| tokens.saturating_add(cache));
    let prompt = whole(stated.prompt_tokens).or_else(input);
    let completion = whole(stated.completion_tokens).or_else(|| whole(stated.output_tokens));
    let of_prompt = [stated.prompt_tokens_details, stated.input_tokens_details];
    let of_answer = [stated.completion_tokens_details, stated.output_tokens_details];
    TokenUsage {
        prompt,
        completion,
        total: whole(stated.total_tokens).or_else(|| match (prompt, completion) {
            (None, None) => None,
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        }),
        reasoning: detail(of_answer, |details| details.reasoning_tokens),
        cached: detail(of_prompt, |details| details.cached_tokens).or(from_cache),
        cost: stated.cost.and_then(|raw| raw.get().parse().ok()).filter(|cost: &f64| cost.is_finite()),
    }
}

/// The first of these that states the figure.
fn detail<'a>(details: [Figure<'a>; 2], figure: fn(Details<'a>) -> Figure<'a>) -> Option<i64> {
    details.into_iter().flatten().find_map(|raw| whole(figure(object(raw.get()))))
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

/// The members of a JSON object; of anything else none.
fn object<'a, T: Deserialize<'a> + Default>(json: &'a str) -> T {
    if json.starts_with('{') { serde_json::from_str(json).unwrap_or_default() } else { T::default() }
}

/// A number of JSON is one of Rust's, and no other value of JSON is.
fn whole(figure: Figure<'_>) -> Option<i64> {
    let text = figure?.get();
    let fraction = || text.parse().ok().filter(|number: &f64| number.abs() < 1e15);
    text.parse().ok().or_else(|| fraction().map(|number| number as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn tokens(usage: &Value) -> TokenUsage {
        super::tokens(&usage.to_string())
    }

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
        let huge =
            json!({"prompt_tokens": u64::MAX, "completion_tokens": -1, "cost": 2, "total_tokens": [1]});
        let huge = tokens(&huge);
        assert_eq!(
            (huge.prompt, huge.completion, huge.total, huge.cost),
            (None, Some(-1), Some(-1), Some(2.0))
        );
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

//! Reads token counts and cost from an answer, leniently: every figure may be missing or null, and
//! the three dialects name them differently (`openrouter-api.md` section 6). Pure.

use crate::domain::usage::TokenUsage;
use crate::json::scan::Scanner;
use std::str::FromStr;

/// A `usage` object of any dialect, each figure as it stands, hopefully a number.
#[derive(Default)]
struct Stated {
    prompt: Option<i64>,
    completion: Option<i64>,
    total: Option<i64>,
    input: Option<i64>,
    output: Option<i64>,
    read_from_cache: Option<i64>,
    written_to_cache: Option<i64>,
    cost: Option<f64>,
    cached: [Option<i64>; 2],
    reasoning: [Option<i64>; 2],
}

impl Stated {
    fn read(usage: &str) -> Stated {
        let mut stated = Stated::default();
        each_member(Scanner::of(usage.as_bytes()), |name, raw| match name {
            b"prompt_tokens" => stated.prompt = whole(raw),
            b"completion_tokens" => stated.completion = whole(raw),
            b"total_tokens" => stated.total = whole(raw),
            b"input_tokens" => stated.input = whole(raw),
            b"output_tokens" => stated.output = whole(raw),
            b"cache_read_input_tokens" => stated.read_from_cache = whole(raw),
            b"cache_creation_input_tokens" => stated.written_to_cache = whole(raw),
            b"cost" => stated.cost = number(raw).filter(|cost: &f64| cost.is_finite()),
            b"prompt_tokens_details" => stated.cached[0] = detail(raw, b"cached_tokens"),
            b"input_tokens_details" => stated.cached[1] = detail(raw, b"cached_tokens"),
            b"completion_tokens_details" => stated.reasoning[0] = detail(raw, b"reasoning_tokens"),
            b"output_tokens_details" => stated.reasoning[1] = detail(raw, b"reasoning_tokens"),
            _ => {}
        });
        stated
    }
}

fn each_member<'a>(mut scanner: Scanner<'a>, mut member: impl FnMut(&'a [u8], &'a [u8])) {
    scanner.object(|scanner, name| member(name, scanner.raw().unwrap_or_default()));
}

/// What is stated beside a figure.
fn detail(raw: &[u8], figure: &[u8]) -> Option<i64> {
    let mut found = None;
    each_member(Scanner::of(raw), |name, raw| {
        if name == figure {
            found = whole(raw);
        }
    });
    found
}

/// A number of JSON is one of Rust's, and no other value of JSON is.
fn number<T: FromStr>(raw: &[u8]) -> Option<T> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

fn whole(raw: &[u8]) -> Option<i64> {
    let fraction = || number(raw).filter(|number: &f64| number.abs() < 1e15);
    number(raw).or_else(|| fraction().map(|number| number as i64))
}

/// From the JSON of a `usage` object of any dialect; what is something else states nothing.
pub fn tokens(usage: &str) -> TokenUsage {
    let stated = Stated::read(usage);
    // Anthropic's `input_tokens` are those beside the cache, which is stated apart.
    let beside = [stated.read_from_cache, stated.written_to_cache];
    let cache = beside.into_iter().flatten().fold(0, i64::saturating_add);
    let prompt = stated.prompt.or(stated.input.map(|tokens| tokens.saturating_add(cache)));
    let completion = stated.completion.or(stated.output);
    let first_of = |figures: [Option<i64>; 2]| figures.into_iter().flatten().next();
    TokenUsage {
        prompt,
        completion,
        total: stated.total.or(match (prompt, completion) {
            (None, None) => None,
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        }),
        reasoning: first_of(stated.reasoning),
        cached: first_of(stated.cached).or(stated.read_from_cache),
        cost: stated.cost,
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

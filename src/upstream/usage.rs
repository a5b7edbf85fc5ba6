//! Reads token counts and cost from an answer, leniently: every figure may be missing or null, and
//! the three dialects name them differently (`openrouter-api.md` section 6). Pure.

use crate::domain::usage::TokenUsage;
use serde_json::Value;

/// From a `usage` object of any dialect.
pub fn tokens(usage: &Value) -> TokenUsage {
    let number = |name: &str| usage.get(name).and_then(whole);
    let detail = |names: [&str; 2], name: &str| {
        names.iter().find_map(|details| usage.get(details)?.get(name).and_then(whole))
    };
    // Anthropic's `input_tokens` are those beside the cache, which is stated apart.
    let from_cache = number("cache_read_input_tokens");
    let beside = [from_cache, number("cache_creation_input_tokens")];
    let cache = beside.into_iter().flatten().fold(0, i64::saturating_add);
    let input = || number("input_tokens").map(|tokens| tokens.saturating_add(cache));
    let prompt = number("prompt_tokens").or_else(input);
    let completion = number("completion_tokens").or_else(|| number("output_tokens"));
    TokenUsage {
        prompt,
        completion,
        total: number("total_tokens").or_else(|| match (prompt, completion) {
            (None, None) => None,
            (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
        }),
        reasoning: detail(["completion_tokens_details", "output_tokens_details"], "reasoning_tokens"),
        cached: detail(["prompt_tokens_details", "input_tokens_details"], "cached_tokens").or(from_cache),
        cost: usage.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite()),
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

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|number| number.abs() < 1e15).map(|number| number as i64))
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
        assert_eq!(tokens(&json!(null)), TokenUsage::default());
    }

    #[test]
    fn a_later_part_adds_to_an_earlier_one() {
        let start = tokens(&json!({"input_tokens": 10, "output_tokens": 1}));
        let end = tokens(&json!({"output_tokens": 5}));
        assert_eq!(merged(start, end).total, Some(15));
    }
}

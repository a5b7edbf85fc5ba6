//! What the upstream's own words say of a model, for people who choose one. Read leniently
//! (`openrouter-api.md` section 5); nothing here decides what is served.

use super::model::Model;
use serde_json::Value;

/// What is told of a model beyond what we act on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelFacts {
    /// Its display name.
    pub name: Option<String>,
    /// How many parameters it has, as far as its id, its name or its description says.
    pub parameters: Option<f64>,
    /// What it reads: `text`, `image` and so on.
    pub input_modalities: Vec<String>,
    /// What it writes.
    pub output_modalities: Vec<String>,
    /// The parameters of requests that it supports.
    pub supported_parameters: Vec<String>,
}

impl ModelFacts {
    /// The facts of `model`.
    pub fn of(model: &Model) -> ModelFacts {
        let raw: Value = serde_json::from_str(&model.raw).unwrap_or_default();
        let text = |name: &str| raw.get(name).and_then(Value::as_str);
        let list = |pointer: &str| -> Vec<String> {
            let items = raw.pointer(pointer).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let slug = model.id.split_once('/').map_or(model.id.as_str(), |(_, slug)| slug);
        let name = text("name");
        let parameters = short_count(slug)
            .or_else(|| name.and_then(short_count))
            .or_else(|| text("description").and_then(told_count));
        ModelFacts {
            name: name.map(str::to_owned),
            parameters,
            input_modalities: list("/architecture/input_modalities"),
            output_modalities: list("/architecture/output_modalities"),
            supported_parameters: list("/supported_parameters"),
        }
    }
}

/// A count as names write it: `8b`, `70B`, `1.5b`, `8x7b`, `350m`. What has a letter before it, such
/// as `a55b`, counts the active parameters only.
fn short_count(text: &str) -> Option<f64> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).find_map(word_count)
}

fn word_count(word: &str) -> Option<f64> {
    let word = word.to_ascii_lowercase();
    let (number, unit) = if let Some(number) = word.strip_suffix('b') {
        (number, 1e9)
    } else if let Some(number) = word.strip_suffix('t') {
        (number, 1e12)
    } else {
        (word.strip_suffix('m')?, 1e6)
    };
    let (experts, each) = number.split_once('x').unwrap_or(("1", number));
    let count = plain(experts)? * plain(each)? * unit;
    // Years and the like are no counts of parameters.
    (1e6..=1e14).contains(&count).then_some(count)
}

fn plain(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits { text.parse().ok() } else { None }
}

/// A count as descriptions write it: `550B parameters`, `12B-parameter`, `30 billion parameters`.
fn told_count(text: &str) -> Option<f64> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || matches!(c, '-' | ',' | '(' | ')' | ';')).collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let near = words.get(at + 1..)?.iter().take(3);
        let of_parameters = near.clone().any(|word| word.to_ascii_lowercase().starts_with("param"));
        let unit = match near.clone().next().map(|word| word.to_ascii_lowercase()) {
            Some(unit) if unit == "billion" => 1e9,
            Some(unit) if unit == "trillion" => 1e12,
            Some(unit) if unit == "million" => 1e6,
            _ => 0.0,
        };
        let count =
            word_count(word).or_else(|| plain(word).map(|number| number * unit).filter(|count| *count > 0.0));
        count.filter(|_| of_parameters)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_names() {
        for (text, count) in [
            ("nemotron-3-ultra-550b-a55b:free", Some(550e9)),
            ("llama-3.3-70b-instruct:free", Some(70e9)),
            ("mixtral-8x7b", Some(56e9)),
            ("qwen3-0.6b", Some(0.6e9)),
            ("smol-135m", Some(135e6)),
            ("gemma-3n-e4b-it", None),
            ("glm-4.5-air:free", None),
            ("gpt-4-0314", None),
            ("kimi-k2", None),
        ] {
            let found = short_count(text);
            assert_eq!(found.map(f64::round), count.map(f64::round), "{text}");
        }
    }

    #[test]
    fn counts_are_found_in_descriptions() {
        for (text, count) in [
            ("A model with 550B total parameters.", Some(550e9)),
            ("a 12B-parameter model", Some(12e9)),
            ("It has 30 billion parameters, 3 billion of them active", Some(30e9)),
            ("a 1 trillion parameter mixture", Some(1e12)),
            ("a window of 128 thousand tokens", None),
            ("costs 5 billion dollars", None),
        ] {
            assert_eq!(told_count(text).map(f64::round), count, "{text}");
        }
    }
}

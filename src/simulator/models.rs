//! The models on offer, from `models.json`: real ids with made-up figures, one model a line.
//!
//! A simulator may be given further ones; the listing endpoints send the lines as they are.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

const TEXT: &str = include_str!("models.json");

/// The two lists and an index over both.
#[derive(Debug)]
pub(super) struct Models {
    /// Models that write text.
    pub chat: Vec<Model>,
    /// Models that embed.
    pub embeddings: Vec<Model>,
    index: HashMap<String, (bool, usize)>,
}

/// One model: what the simulator acts on, and its line.
#[derive(Debug)]
pub(super) struct Model {
    /// What goes into `model`.
    pub id: String,
    /// Its JSON object.
    pub raw: String,
    /// Whether the free quota applies.
    pub free: bool,
    /// USD for one token of the prompt.
    pub prompt_price: f64,
    /// USD for one token of the answer.
    pub completion_price: f64,
    /// Context and answer together, in tokens: the smaller of model's and provider's.
    pub window: Option<u64>,
    /// The display name of the provider that serves it.
    pub provider: &'static str,
    /// Whether it only embeds.
    pub embeds: bool,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    chat: Vec<&'a RawValue>,
    #[serde(borrow)]
    embeddings: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    context_length: Option<u64>,
    pricing: Pricing,
    top_provider: Top,
}

#[derive(Deserialize)]
struct Pricing {
    prompt: String,
    completion: String,
}

#[derive(Deserialize)]
struct Top {
    context_length: Option<u64>,
}

impl Models {
    /// Those of `models.json`, after `further` ones that write text; of two with one id the first
    /// stays.
    pub(super) fn new(further: &[String]) -> Result<Models, serde_json::Error> {
        let file: File = serde_json::from_str(TEXT)?;
        let read = |lines: &[&RawValue], embeds| -> Result<Vec<Model>, serde_json::Error> {
            lines.iter().map(|line| Model::read(line.get(), embeds)).collect()
        };
        let mut chat = further.iter().map(|line| Model::read(line, false)).collect::<Result<Vec<_>, _>>()?;
        chat.extend(read(&file.chat, false)?);
        let mut seen = HashSet::new();
        chat.retain(|model| seen.insert(model.id.clone()));
        let embeddings = read(&file.embeddings, true)?;
        let mut index = HashMap::new();
        for (embeds, list) in [(false, &chat), (true, &embeddings)] {
            for (at, model) in list.iter().enumerate() {
                index.insert(model.id.clone(), (embeds, at));
            }
        }
        Ok(Models { chat, embeddings, index })
    }

    /// The model of this id; a routing variant (`:nitro`, `:floor`, `:online`) finds its base.
    pub(super) fn find(&self, id: &str) -> Option<&Model> {
        let base = [":nitro", ":floor", ":online", ":exacto"].iter().find_map(|tail| id.strip_suffix(tail));
        let &(embeds, at) = self.index.get(id).or_else(|| self.index.get(base?))?;
        if embeds { self.embeddings.get(at) } else { self.chat.get(at) }
    }

    /// The free model that the free router picks for this seed.
    pub(super) fn pick_free(&self, seed: u64) -> Option<&Model> {
        let free = || self.chat.iter().filter(|model| model.id.ends_with(":free"));
        let count = u64::try_from(free().count()).unwrap_or(1).max(1);
        free().nth(usize::try_from(seed % count).unwrap_or(0))
    }
}

impl Model {
    fn read(raw: &str, embeds: bool) -> Result<Model, serde_json::Error> {
        let line: Line = serde_json::from_str(raw)?;
        let price = |text: &str| text.parse::<f64>().unwrap_or(0.0).max(0.0);
        let window = match (line.context_length, line.top_provider.context_length) {
            (Some(model), Some(top)) => Some(model.min(top)),
            (model, top) => model.or(top),
        };
        Ok(Model {
            free: line.id.ends_with(":free") || line.id == crate::domain::model::FREE_ROUTER,
            provider: provider_of(&line.id),
            prompt_price: price(&line.pricing.prompt),
            completion_price: price(&line.pricing.completion),
            raw: raw.to_owned(),
            id: line.id,
            window,
            embeds,
        })
    }
}

/// The display name (not the slug) of the provider that serves a model.
fn provider_of(id: &str) -> &'static str {
    let author = id.trim_start_matches('~').split('/').next().unwrap_or("");
    let free = id.ends_with(":free");
    match author {
        "openai" if free => "OpenInference",
        "openai" => "OpenAI",
        "anthropic" => "Amazon Bedrock",
        "google" => "Google AI Studio",
        "nvidia" => "Nvidia",
        "meta-llama" | "nousresearch" | "cognitivecomputations" => "Venice",
        "qwen" if free => "Chutes",
        "qwen" => "Alibaba",
        "deepseek" => "DeepInfra",
        "mistralai" => "Mistral",
        "moonshotai" => "Moonshot AI",
        "z-ai" => "Z.AI",
        "x-ai" => "xAI",
        "minimax" => "Minimax",
        "cohere" => "Cohere",
        "amazon" => "Amazon Bedrock",
        "poolside" => "Poolside",
        "liquid" => "Liquid",
        _ => "Novita",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_list_has_what_a_catalog_must_cope_with() {
        let models = Models::new(&[]).expect("models.json is readable");
        let all: Vec<Value> =
            models.chat.iter().map(|m| serde_json::from_str(&m.raw).expect("a JSON object")).collect();
        let count = |want: &dyn Fn(&Value) -> bool| all.iter().filter(|m| want(m)).count();
        assert!(models.chat.iter().filter(|m| m.free).count() >= 35);
        assert!(models.chat.iter().filter(|m| !m.free).count() >= 35);
        assert!(models.embeddings.iter().filter(|m| m.free).count() >= 3);
        assert!(models.embeddings.iter().filter(|m| !m.free).count() >= 3);
        assert!(count(&|m| m["top_provider"]["max_completion_tokens"].is_null()) > 3, "null caps");
        assert!(count(&|m| m["expiration_date"].is_string()) > 0, "an expiring one");
        assert!(count(&|m| m["pricing"]["prompt"] == "-1") > 0, "a router with an unknown price");
        assert!(count(&|m| m["context_length"] != m["top_provider"]["context_length"]) > 3);
        for vendor in ["anthropic/", "qwen/"] {
            assert!(
                count(&|m| {
                    m["id"].as_str().is_some_and(|id| id.starts_with(vendor))
                        && m["pricing"]["input_cache_write"].is_string()
                }) > 0
            );
        }
        assert_eq!(models.find("google/gemma-4-26b-a4b-it:free").and_then(|m| m.window), Some(131_072));
        assert!(models.find("openrouter/free").is_some_and(|m| m.free));
        assert!(models.find("qwen/qwen3-coder:nitro").is_some());
        assert!(models.find("nosuchlab/none").is_none());
    }

    #[test]
    fn further_models_come_first_and_stand_for_their_namesakes() {
        let line = |id: &str| {
            format!(
                r#"{{"id":"{id}","context_length":8,"pricing":{{"prompt":"0","completion":"0"}},"top_provider":{{}}}}"#
            )
        };
        let models = Models::new(&[line("a/b:free"), line("openai/gpt-4o")]).expect("readable");
        assert_eq!(models.chat.first().map(|model| model.id.as_str()), Some("a/b:free"));
        assert_eq!(models.find("openai/gpt-4o").and_then(|model| model.window), Some(8));
        assert_eq!(models.chat.iter().filter(|model| model.id == "openai/gpt-4o").count(), 1);
        assert!(Models::new(&["{}".to_owned()]).is_err());
    }
}

//! Answers of `/embeddings`: vectors that depend on the text alone, as numbers or base64. Pure.
//!
//! The same text has the same vector in every request; nothing else about it is meaningful.

use super::ask::{Ask, digest};
use super::chat::{PADDING, money};
use super::compose::Usage;
use super::models::Model;
use super::reply::{Reply, Step};
use bytes::Bytes;
use serde_json::{Value, json};

/// The length of a vector when none is asked for.
const DIMENSIONS: usize = 384;
/// The longest vector.
const MAX_DIMENSIONS: usize = 4096;

/// The answer to `ask` by `model` under this generation id.
pub(super) fn answer(ask: &Ask, model: &Model, id: &str, _created: i64) -> (Reply, Usage) {
    let asked = ask.dimensions.and_then(|length| usize::try_from(length).ok());
    let length = asked.unwrap_or(DIMENSIONS).clamp(1, MAX_DIMENSIONS);
    let data: Vec<Value> = ask
        .inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, length);
            let embedding = if ask.base64 { json!(base64(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = ask.inputs.iter().map(|text| text.len().div_ceil(4).max(1) as u64).sum();
    let cost = if model.free { 0.0 } else { tokens as f64 * model.prompt_price };
    let usage = Usage {
        prompt: tokens,
        completion: 0,
        reasoning: 0,
        cache_write: 0,
        prompt_cost: cost,
        completion_cost: 0.0,
    };
    let body = json!({"object": "list", "data": data, "model": model.id, "provider": model.provider, "id": id,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "cost": money(cost), "is_byok": false,
            "cost_details": {"upstream_inference_cost": money(cost),
                "upstream_inference_prompt_cost": money(cost), "upstream_inference_completions_cost": 0}}});
    let steps = vec![Step::Send(Bytes::from_static(PADDING)), Step::Send(body.to_string().into())];
    (Reply::new(200, "application/json", steps), usage)
}

/// A unit vector of the text.
fn vector(text: &str, length: usize) -> Vec<f32> {
    let mut state = digest(text.as_bytes()) | 1;
    let mut vector: Vec<f32> = (0..length)
        .map(|_| {
            // xorshift64 (Marsaglia 2003): repeatable, nothing more is asked of it.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::EPSILON);
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

/// Little-endian 32-bit floats in base64, as OpenAI's packages ask for by default.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    openssl::base64::encode_block(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::faults::Dialect;
    use crate::simulator::models::Models;

    fn embed(body: Value) -> Value {
        let ask = Ask::read(Dialect::Embeddings, body.to_string().as_bytes(), 0).expect("readable");
        let models = Models::new(&[]).expect("readable");
        let model = models.find("openai/text-embedding-3-small").expect("a listed model");
        serde_json::from_slice(&answer(&ask, model, "gen-emb-1-x", 1).0.body()).expect("JSON")
    }

    #[test]
    fn vectors_depend_on_the_text_alone() {
        let one = embed(json!({"model": "m", "input": "Ruby", "dimensions": 8}));
        let two = embed(json!({"model": "m", "input": ["Ada", "Ruby"], "dimensions": 8}));
        assert_eq!(one["data"][0]["embedding"], two["data"][1]["embedding"]);
        assert_ne!(two["data"][0]["embedding"], two["data"][1]["embedding"]);
        assert_eq!(one["data"][0]["embedding"].as_array().map(Vec::len), Some(8));
        let packed =
            embed(json!({"model": "m", "input": "Ruby", "dimensions": 8, "encoding_format": "base64"}));
        assert_eq!(packed["data"][0]["embedding"].as_str().map(str::len), Some(44));
    }
}

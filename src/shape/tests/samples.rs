//! What the tests share: documents, a small catalog, and arbitrary JSON.

use crate::domain::model::{Catalog, Model};
use crate::shape::body::Document;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

/// A document of this text.
pub fn doc(text: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// What a document would send.
pub fn sent(doc: &Document) -> String {
    String::from_utf8(doc.finish().to_bytes().to_vec()).unwrap()
}

/// A model with this id and a window of 131,072 tokens.
pub fn model(id: &str) -> Model {
    Model {
        id: id.to_owned(),
        raw: "{}".into(),
        created: 0,
        context_length: Some(131_072),
        provider_context_length: None,
        max_completion_tokens: None,
        has_cache_price: false,
        reasons: false,
        free: crate::shape::free_rule::is_free(id, None, ":free"),
        expires: None,
    }
}

/// Free, paid, router and alias.
pub fn catalog() -> Catalog {
    let ids = [
        "openai/gpt-oss-20b:free",
        "openai/gpt-oss-20b",
        "google/gemma-4-31b-it:free",
        "nvidia/nemotron-nano-9b-v2:free",
        "anthropic/claude-haiku-4.5",
        "openrouter/free",
        "openrouter/auto",
        "openrouter/auto-beta",
        "~openai/gpt-latest",
        "qwen/qwen3-coder:free",
        "qwen/qwen-plus-2025-07-28:thinking",
    ];
    Catalog::new(ids.iter().map(|id| Arc::new(model(id))).collect(), None)
}

/// Any JSON value as text, with odd numbers, escapes and white space.
pub fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1E400".to_owned()),
        Just("-0.0".to_owned()),
        Just("0.1000".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        number,
        string(),
        Just(r#""\ud83d""#.to_owned()),
        Just(r#""a\/\u0041\"}""#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[ {}\n]", list.join(" ,"))),
            members(inner).prop_map(|list| object(&list)),
        ]
    })
}

/// A JSON string of any text.
fn string() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap())
}

/// Members with different names.
pub fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map("[a-z_]{1,8}|[\u{1}-\u{ff}]{0,3}", value, 0..6)
        .prop_map(|map| map.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

/// An object of these members, oddly spaced.
pub fn object(members: &[(String, String)]) -> String {
    let list: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}\t: {value}", serde_json::to_string(name).unwrap()))
        .collect();
    format!("{{\r\n{} }}", list.join(" , "))
}

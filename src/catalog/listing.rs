//! Reads the upstream's model lists, leniently: a model that cannot be read is left out, a field that
//! is missing or odd is taken as unknown (`openrouter-api.md` section 5). Pure.

use crate::domain::model::{Catalog, Model};
use crate::domain::time::Timestamp;
use crate::shape::free_rule::is_free;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Why a listing is not taken over.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListingFault {
    /// It is not JSON, or has no list `data`.
    #[error("the model list is not of the form {{\"data\":[…]}}")]
    NotAList,
    /// No model in it could be read.
    #[error("the model list names no model")]
    Empty,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// Every model of one list. `suffix` ends the ids of free models.
pub fn read(body: &[u8], suffix: &str) -> Result<Vec<Arc<Model>>, ListingFault> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|_| ListingFault::NotAList)?;
    let models: Vec<Arc<Model>> =
        envelope.data.iter().filter_map(|raw| model(raw.get(), suffix)).map(Arc::new).collect();
    if models.is_empty() { Err(ListingFault::Empty) } else { Ok(models) }
}

/// One catalog of both lists: what writes text first, then what embeds.
pub fn joined(
    chat: &[Arc<Model>],
    embeddings: &[Arc<Model>],
    disabled: &HashSet<String>,
    fetched_at: Option<Timestamp>,
) -> Catalog {
    Catalog::without(chat.iter().chain(embeddings).cloned().collect(), disabled, fetched_at)
}

/// What differs between two catalogs, in the ids of free models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Free now, and not before.
    pub added: Vec<String>,
    /// Free before, and not now.
    pub removed: Vec<String>,
    /// Free before and now, with another window, another limit or other abilities.
    pub changed: Vec<String>,
}

/// What is new in `after`. A model that is disabled is listed all the same.
pub fn change(before: &Catalog, after: &Catalog) -> Change {
    let free = |catalog: &Catalog| -> BTreeMap<String, Arc<Model>> {
        let listed = catalog.listed().filter(|(model, _)| model.free);
        listed.map(|(model, _)| (model.id.clone(), Arc::clone(model))).collect()
    };
    let (before, after) = (free(before), free(after));
    let differs = |one: &Model, other: &Model| {
        let facts = |model: &Model| {
            (
                model.window(),
                model.max_completion_tokens,
                model.reasons,
                model.has_cache_price,
                model.expires.clone(),
            )
        };
        facts(one) != facts(other)
    };
    let is_changed =
        |(id, model): &(&String, &Arc<Model>)| before.get(*id).is_some_and(|old| differs(old, model));
    Change {
        added: after.keys().filter(|id| !before.contains_key(*id)).cloned().collect(),
        removed: before.keys().filter(|id| !after.contains_key(*id)).cloned().collect(),
        changed: after.iter().filter(is_changed).map(|(id, _)| id.clone()).collect(),
    }
}

fn model(raw: &str, suffix: &str) -> Option<Model> {
    let value: Value = serde_json::from_str(raw).ok()?;
    let id = value.get("id")?.as_str().filter(|id| !id.is_empty() && id.len() <= 256)?;
    let number = |path: &str| value.pointer(path).and_then(Value::as_u64);
    let pricing = value.get("pricing");
    let supports = |name: &str| {
        let list = value.get("supported_parameters").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry.as_str() == Some(name)))
    };
    Some(Model {
        id: id.to_owned(),
        raw: raw.into(),
        created: value.get("created").and_then(Value::as_i64).unwrap_or(0),
        context_length: number("/context_length"),
        provider_context_length: number("/top_provider/context_length"),
        max_completion_tokens: number("/top_provider/max_completion_tokens"),
        has_cache_price: ["input_cache_read", "input_cache_write"].iter().any(|price| {
            pricing.and_then(|pricing| pricing.get(price)).is_some_and(|price| !price.is_null())
        }),
        reasons: supports("reasoning") || value.get("reasoning").is_some_and(Value::is_object),
        free: is_free(id, pricing, suffix),
        expires: value.get("expiration_date").and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_is_read_with_what_is_missing_unknown() {
        let list = json!({"data": [
            {"id": "a/b:free", "created": 7, "context_length": 1000, "pricing": {"prompt": "0", "completion": "0"},
             "top_provider": {"context_length": 800, "max_completion_tokens": null},
             "supported_parameters": ["reasoning"], "expiration_date": "2027-01-01", "new_field": {"x": 1.50}},
            {"id": "c/d", "pricing": {"prompt": "0.1", "completion": "0.2", "input_cache_read": "0.01"}},
            {"id": 5}, "rubbish", null, {"id": ""},
            {"id": "openrouter/free", "context_length": null}
        ]});
        let models = read(list.to_string().as_bytes(), ":free").expect("a list");
        assert_eq!(
            models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(),
            ["a/b:free", "c/d", "openrouter/free"]
        );
        assert_eq!((models[0].window(), models[0].max_completion_tokens), (Some(800), None));
        assert!(models[0].free && models[0].reasons && !models[0].has_cache_price);
        assert!(!models[1].free && models[1].has_cache_price);
        assert!(models[2].free && models[2].window().is_none());
        assert!(models[0].raw.contains("\"new_field\":{\"x\":1.5}"));
    }

    #[test]
    fn what_changed_is_told_of_free_models() {
        let list = |body: Value| read(body.to_string().as_bytes(), ":free").expect("a list");
        let before = list(json!({"data": [
            {"id": "a/a:free", "context_length": 10}, {"id": "a/b:free"}, {"id": "a/c"}, {"id": "a/d:free"},
        ]}));
        let after = list(json!({"data": [
            {"id": "a/a:free", "context_length": 20}, {"id": "a/d:free"}, {"id": "a/e:free"}, {"id": "a/f"},
        ]}));
        let disabled = HashSet::from(["a/d:free".to_owned()]);
        let (before, after) =
            (joined(&before, &[], &HashSet::new(), None), joined(&after, &[], &disabled, None));
        let change = change(&before, &after);
        assert_eq!(
            (change.added, change.removed, change.changed),
            (vec!["a/e:free".to_owned()], vec!["a/b:free".to_owned()], vec!["a/a:free".to_owned()])
        );
        assert!(after.get("a/d:free").is_none() && after.is_disabled("a/d:free"));
        assert_eq!(after.listed().count(), 4);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(read(b"<html>", ":free"), Err(ListingFault::NotAList));
        assert_eq!(read(b"{\"error\":{}}", ":free"), Err(ListingFault::NotAList));
        assert_eq!(read(b"{\"data\":[]}", ":free"), Err(ListingFault::Empty));
        assert_eq!(read(b"{\"data\":[1,null]}", ":free"), Err(ListingFault::Empty));
    }

    #[test]
    fn the_recorded_list_has_its_free_models() {
        let Ok(body) = std::fs::read("../shared/fixtures/openrouter/models.json") else {
            eprintln!("SKIPPED: the recorded model list is not beside this checkout");
            return;
        };
        let models = read(&body, ":free").expect("a list");
        assert_eq!(models.len(), 413);
        assert_eq!(models.iter().filter(|model| model.free).count(), 17);
    }
}

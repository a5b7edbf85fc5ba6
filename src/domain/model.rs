//! Models: what the catalog knows of one, read leniently from OpenRouter's list
//! (`openrouter-api.md` section 5).

use std::collections::HashMap;
use std::sync::Arc;

/// The router that picks a random free model; free although its id does not say so.
pub const FREE_ROUTER: &str = "openrouter/free";

/// One model on offer. Only what we act on is typed; `raw` carries the rest untouched.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What goes into a request's `model`.
    pub id: String,
    /// The upstream's own JSON object, byte for byte.
    pub raw: Box<str>,
    /// When it was listed, in Unix seconds.
    pub created: i64,
    /// The model's context window in tokens.
    pub context_length: Option<u64>,
    /// The context window of the provider that serves it first, in tokens.
    pub provider_context_length: Option<u64>,
    /// The most tokens one answer may have; a ceiling, not a promise.
    pub max_completion_tokens: Option<u64>,
    /// Whether it lists a price for cached input: only then do explicit cache markers pay.
    pub has_cache_price: bool,
    /// Whether it can reason before it answers.
    pub reasons: bool,
    /// Whether the free rule admits it.
    pub free: bool,
    /// `YYYY-MM-DD` after which it may vanish.
    pub expires: Option<String>,
}

impl Model {
    /// The smaller of the two context windows (`openrouter-api.md` section 4), in tokens.
    pub fn window(&self) -> Option<u64> {
        match (self.context_length, self.provider_context_length) {
            (Some(model), Some(provider)) => Some(model.min(provider)),
            (model, provider) => model.or(provider),
        }
    }

    /// The author part of the id: what OpenAI's list calls `owned_by`.
    pub fn owner(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }
}

/// Which list of the upstream a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `GET /models`: models that write text.
    Chat,
    /// `GET /embeddings/models`.
    Embeddings,
}

impl ListKind {
    /// The name it is stored under.
    pub fn name(self) -> &'static str {
        match self {
            ListKind::Chat => "models",
            ListKind::Embeddings => "embeddings_models",
        }
    }
}

/// All models of one moment, in the upstream's order. Immutable once published.
#[derive(Debug, Default)]
pub struct Catalog {
    models: Vec<Arc<Model>>,
    by_id: HashMap<String, usize>,
    /// When the list was fetched; `None` before the first one.
    pub fetched_at: Option<super::time::Timestamp>,
}

impl Catalog {
    /// A catalog of these models; of two with the same id the first stays.
    pub fn new(listed: Vec<Arc<Model>>, fetched_at: Option<super::time::Timestamp>) -> Catalog {
        let mut models = Vec::with_capacity(listed.len());
        let mut by_id = HashMap::with_capacity(listed.len());
        for model in listed {
            if !by_id.contains_key(&model.id) {
                by_id.insert(model.id.clone(), models.len());
                models.push(model);
            }
        }
        Catalog { models, by_id, fetched_at }
    }

    /// The model with exactly this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Model>> {
        self.by_id.get(id).and_then(|&index| self.models.get(index))
    }

    /// Every model, in the upstream's order.
    pub fn all(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// The models that the free rule admits.
    pub fn free(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.iter().filter(|model| model.free)
    }

    /// Whether nothing was ever listed.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

//! Models: what the catalog knows of one, read leniently from OpenRouter's list
//! (`openrouter-api.md` section 5).

use super::map::Map;
use std::collections::HashSet;
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
///
/// A model that the operator disabled is not on offer: only [`Catalog::listed`] and
/// [`Catalog::is_disabled`] know of it.
#[derive(Debug, Default)]
pub struct Catalog {
    models: Vec<Arc<Model>>,
    by_id: Map<String, usize>,
    disabled: Vec<Arc<Model>>,
    /// When the list was fetched; `None` before the first one.
    pub fetched_at: Option<super::time::Timestamp>,
}

impl Catalog {
    /// A catalog of these models; of two with the same id the first stays.
    pub fn new(listed: Vec<Arc<Model>>, fetched_at: Option<super::time::Timestamp>) -> Catalog {
        Catalog::without(listed, &HashSet::new(), fetched_at)
    }

    /// A catalog of these models of which those in `disabled` are not on offer.
    pub fn without(
        listed: Vec<Arc<Model>>,
        disabled: &HashSet<String>,
        fetched_at: Option<super::time::Timestamp>,
    ) -> Catalog {
        let mut catalog = Catalog { fetched_at, ..Catalog::default() };
        for model in listed {
            if disabled.contains(&model.id) {
                if !catalog.is_disabled(&model.id) {
                    catalog.disabled.push(model);
                }
            } else if !catalog.by_id.contains_key(&model.id) {
                catalog.by_id.insert(model.id.clone(), catalog.models.len());
                catalog.models.push(model);
            }
        }
        catalog
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

    /// Every model, disabled ones too, and whether each is on offer.
    pub fn listed(&self) -> impl Iterator<Item = (&Arc<Model>, bool)> {
        let off = self.disabled.iter().map(|model| (model, false));
        self.models.iter().map(|model| (model, true)).chain(off)
    }

    /// Whether the operator disabled the model with this id.
    pub fn is_disabled(&self, id: &str) -> bool {
        self.disabled.iter().any(|model| model.id == id)
    }

    /// Whether nothing was ever listed.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.disabled.is_empty()
    }
}

//! The operator's rules for bodies on their way, applied in their order: model, provider, markers.
//!
//! The output limit comes after them, by [`super::max_tokens`], because it may need a count.

use super::alias::set_model;
use super::body::{BodyFault, Document};
use super::cache_control;
use super::dialect::Dialect;
use super::provider::ProviderMapping;
use crate::domain::cache_control::CacheControl;
use crate::domain::model::Model;

/// How bodies are shaped.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Which providers are tried first.
    pub providers: ProviderMapping,
    /// What is done about cache markers.
    pub cache_control: CacheControl,
}

impl Rules {
    /// Shapes a body for the model `id`; `model` is what the catalog knows of it. Shaping what was
    /// shaped changes nothing.
    pub fn apply(
        &self,
        doc: &mut Document,
        dialect: Dialect,
        id: &str,
        model: Option<&Model>,
    ) -> Result<(), BodyFault> {
        set_model(doc, id);
        self.providers.apply(doc, id)?;
        cache_control::apply(self.cache_control, doc, dialect, model)
    }
}

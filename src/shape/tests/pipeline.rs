//! The whole of shaping as the data plane runs it, for the golden files and the properties.

use super::samples::{catalog, model};
use crate::config::sources::Sources;
use crate::domain::cache_control::CacheControl;
use crate::domain::model::{Catalog, Model};
use crate::shape::alias::{Aliases, set_model};
use crate::shape::body::{BodyFault, Document};
use crate::shape::check::check;
use crate::shape::dialect::Dialect;
use crate::shape::free_rule::{self, FreeFault, FreeRule};
use crate::shape::margin::Margin;
use crate::shape::max_tokens::Facts;
use crate::shape::provider::ProviderMapping;
use crate::shape::remembered::Remembered;
use crate::shape::room::Room;
use crate::shape::rules::Rules;
use crate::shape::tokens;
use bytes::Bytes;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The settings that shaping heeds, by their names in `config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub free_models_only: bool,
    pub max_tokens: String,
    pub cache_control: String,
    pub model_provider_mapping: Vec<String>,
    pub model_aliases: BTreeMap<String, Vec<String>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            free_models_only: false,
            max_tokens: "off".into(),
            cache_control: "off".into(),
            model_provider_mapping: Vec::new(),
            model_aliases: BTreeMap::new(),
        }
    }
}

/// What the catalog knows of a model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFacts {
    pub id: String,
    pub context_length: Option<u64>,
    pub provider_context_length: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    pub has_cache_price: bool,
    pub reasons: bool,
}

impl ModelFacts {
    pub fn model(&self) -> Model {
        Model {
            context_length: self.context_length,
            provider_context_length: self.provider_context_length,
            max_completion_tokens: self.max_completion_tokens,
            has_cache_price: self.has_cache_price,
            reasons: self.reasons,
            ..model(&self.id)
        }
    }
}

/// Why a request was refused: the field, and of what kind the fault is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    pub field: Option<String>,
    pub kind: String,
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Fault {
        Fault { field: fault.field, kind: fault.code.unwrap_or("body").to_owned() }
    }
}

impl From<FreeFault> for Fault {
    fn from(fault: FreeFault) -> Fault {
        let kind = match &fault {
            FreeFault::UnknownModel { .. } => "unknown_model",
            FreeFault::NotFree { .. } => "not_free",
            FreeFault::Escapes { .. } => "escapes",
        };
        Fault { field: Some(fault.field().to_owned()), kind: kind.to_owned() }
    }
}

/// Shapes `request` for the first model it resolves to.
pub fn shape(
    request: &str,
    dialect: Dialect,
    settings: &Settings,
    models: &[ModelFacts],
) -> Result<String, Fault> {
    let mut doc = Document::parse(Bytes::copy_from_slice(request.as_bytes()))?;
    check(&doc, dialect)?;
    let catalog = with(models);
    let name = doc.string("model").unwrap().into_owned();
    let aliases = Aliases::new(settings.model_aliases.clone()).unwrap();
    let id = aliases.resolve(&name)[0];
    set_model(&mut doc, id);
    if settings.free_models_only {
        free_rule::check(&doc, dialect, &catalog, &FreeRule { suffix: ":free".to_owned() })?;
    }
    let model = catalog.get(id).map(Arc::as_ref);
    rules(settings).apply(&mut doc, dialect, id, model)?;
    if let Some(model) = model.filter(|_| settings.max_tokens == "auto") {
        limit(&mut doc, dialect, model, &catalog)?;
    }
    Ok(String::from_utf8(doc.finish().to_bytes().to_vec()).unwrap())
}

fn limit(doc: &mut Document, dialect: Dialect, model: &Model, catalog: &Catalog) -> Result<(), BodyFault> {
    let room = |model: &Model| Room::of(model, Margin::default());
    let known = |id: &str| catalog.get(id).map(|model| room(model));
    let Some(mut facts) = Facts::of(doc, dialect, room(model), known)? else { return Ok(()) };
    if facts.needs_count() {
        facts = facts.counted(tokens::count(doc, dialect, facts.count_limit(), &Remembered::default())?);
    }
    facts.plan().apply(doc, dialect)
}

fn rules(settings: &Settings) -> Rules {
    let mut sources = Sources::default();
    if !settings.model_provider_mapping.is_empty() {
        let mapping = settings.model_provider_mapping.join(";");
        sources.environment.insert("MODEL_PROVIDER_MAPPING".to_owned(), mapping);
    }
    let mut providers = ProviderMapping::default();
    for rule in crate::config::load(&sources).unwrap().proxy.model_provider_mapping {
        providers.add(&rule.pattern, rule.providers);
    }
    Rules { providers, cache_control: cache_control_of(&settings.cache_control) }
}

/// The sample catalog with these models before it.
fn with(models: &[ModelFacts]) -> Catalog {
    let mut all: Vec<Arc<Model>> = models.iter().map(|facts| Arc::new(facts.model())).collect();
    all.extend(catalog().all().iter().cloned());
    Catalog::new(all, None)
}

fn cache_control_of(word: &str) -> CacheControl {
    match word {
        "auto" => CacheControl::Auto,
        "last_message" => CacheControl::LastMessage,
        "off" => CacheControl::Off,
        other => panic!("no such mode: {other}"),
    }
}

//! The shaping step of a request: the operator's rules and the output limit, for one model.
//!
//! Long bodies are shaped and long prompts counted beside the worker thread; what upstream errors
//! teach about a model's own count is remembered until the catalog is refreshed.

use super::aside;
use super::errors::ApiError;
use crate::domain::dialect::Dialect;
use crate::domain::model::{Catalog, Model};
use crate::domain::published::Published;
use crate::domain::time::Timestamp;
use crate::shape::alias::Aliases;
use crate::shape::body::{BodyFault, Document};
use crate::shape::margin::Margin;
use crate::shape::max_tokens::{Facts, Plan};
use crate::shape::overflow::Overflow;
use crate::shape::provider::ProviderMapping;
use crate::shape::remembered::Remembered;
use crate::shape::room::Room;
use crate::shape::rules::Rules;
use crate::shape::tokens;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A prompt of at most this many bytes is counted where it is: that takes well below a millisecond.
const SHORT_PROMPT: u64 = 4 * 1024;

/// How bodies are shaped, and what was learned about counts.
#[derive(Debug)]
pub struct Shaping {
    /// Providers and cache markers.
    pub rules: Published<Rules>,
    /// Names that stand for models.
    pub aliases: Aliases,
    margins: Arc<Margins>,
    remembered: Arc<Remembered>,
}

/// What was learned of models' own counts, for the catalog fetched at that moment.
#[derive(Debug, Default)]
struct Margins(Mutex<(Option<Timestamp>, HashMap<String, Margin>)>);

/// How a body is to be shaped.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whether its output limit is touched.
    pub limit_output: bool,
    /// What the account's balance covers, in tokens, once the upstream has said so.
    pub affordable: Option<u64>,
    /// Whether the operator's rules choose its providers.
    pub map_providers: bool,
    /// Whether that is done beside the worker thread, for it takes long.
    pub aside: bool,
}

/// A body as it goes out, and what its output limit was reckoned from.
pub struct Shaped {
    /// The body in slices.
    pub body: Vec<Bytes>,
    facts: Option<Facts>,
    asked: u64,
}

impl Shaping {
    /// With these rules.
    pub fn new(rules: Rules, aliases: Aliases) -> Shaping {
        let rules = Published::new(rules);
        Shaping { rules, aliases, margins: Arc::default(), remembered: Arc::default() }
    }

    /// Whether the operator's rules choose providers for the model `id`.
    pub fn maps_providers(&self, id: &str) -> bool {
        self.rules.get().providers.providers(id).is_some()
    }

    /// Shapes `document` for the model `id` as it is `wanted`.
    ///
    /// Errors: 400 when the prompt alone does not fit the model.
    pub async fn shape(
        &self,
        document: Document,
        dialect: Dialect,
        id: &Arc<str>,
        catalog: &Arc<Catalog>,
        wanted: Wanted,
    ) -> Result<Shaped, ApiError> {
        let margins = wanted.limit_output.then(|| Arc::clone(&self.margins));
        let (mut rules, id, catalog) = (self.rules.get(), Arc::clone(id), Arc::clone(catalog));
        if !wanted.map_providers {
            let providers = ProviderMapping::default();
            rules = Arc::new(Rules { providers, cache_control: rules.cache_control });
        }
        let prepare = move || prepared(document, dialect, &rules, &id, &catalog, margins.as_deref());
        let (mut document, found) = aside::run(wanted.aside, prepare).await?.map_err(bad_body)?;
        let mut facts = None;
        let mut asked = 0;
        if let Some(mut found) = found {
            found.affordable = wanted.affordable;
            if found.needs_count() {
                found = counted(&document, dialect, found, &self.remembered).await?;
            }
            let plan = found.plan();
            asked = match plan {
                Plan::Set(tokens) | Plan::Lower(tokens) => tokens,
                Plan::Leave | Plan::TooLong { .. } => found.given.unwrap_or(0),
            };
            plan.apply(&mut document, dialect).map_err(bad_body)?;
            facts = Some(found);
        }
        Ok(Shaped { body: document.finish().into_slices(), facts, asked })
    }

    /// Learns from a refusal that a body shaped for `model` was too large. Returns what the balance
    /// covers if that was the matter, else `None`.
    pub fn learn(&self, model: &str, shaped: &Shaped, overflow: &Overflow) -> Option<u64> {
        if let Overflow::Credits { affordable } = overflow {
            return Some(*affordable);
        }
        let facts = shaped.facts.as_ref()?;
        if let Ok(mut margins) = self.margins.0.lock() {
            let margin = margins.1.entry(model.to_owned()).or_default();
            *margin = margin.learn(overflow, facts.prompt, shaped.asked);
        }
        None
    }
}

impl Margins {
    /// What a model of `catalog` leaves for an answer.
    fn room(&self, model: &Model, catalog: &Catalog) -> Room {
        let Ok(mut margins) = self.0.lock() else { return Room::of(model, Margin::default()) };
        if margins.0 != catalog.fetched_at {
            *margins = (catalog.fetched_at, HashMap::new());
        }
        Room::of(model, margins.1.get(&model.id).copied().unwrap_or_default())
    }
}

impl Shaped {
    /// Whether another output limit could make a difference to the upstream.
    pub fn can_be_corrected(&self) -> bool {
        self.facts.is_some()
    }
}

/// The document by the operator's rules, and what its output limit is to be reckoned from, if that
/// is to be touched: then `margins` are given.
fn prepared(
    mut document: Document,
    dialect: Dialect,
    rules: &Rules,
    id: &str,
    catalog: &Catalog,
    margins: Option<&Margins>,
) -> Result<(Document, Option<Facts>), BodyFault> {
    let model = catalog.get(id).map(Arc::as_ref);
    rules.apply(&mut document, dialect, id, model)?;
    let (Some(margins), Some(model)) = (margins, model) else { return Ok((document, None)) };
    let room = |model: &Model| margins.room(model, catalog);
    let facts = Facts::of(&document, dialect, room(model), |id| catalog.get(id).map(|model| room(model)))?;
    Ok((document, facts))
}

async fn counted(
    document: &Document,
    dialect: Dialect,
    facts: Facts,
    seen: &Arc<Remembered>,
) -> Result<Facts, ApiError> {
    let (document, limit, seen) = (document.clone(), facts.count_limit(), Arc::clone(seen));
    let count = move || tokens::count(&document, dialect, limit, &seen);
    let counting = aside::run(facts.prompt > SHORT_PROMPT, count);
    // Without a count the byte length still bounds the prompt.
    let prompt = counting.await.unwrap_or(Ok(facts.prompt)).map_err(bad_body)?;
    Ok(facts.counted(prompt))
}

/// A 400 that names the field.
pub fn bad_body(fault: BodyFault) -> ApiError {
    ApiError::bad_request(fault.code.unwrap_or("invalid_value"), fault.message, fault.field)
}

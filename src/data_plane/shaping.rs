//! The shaping step of a request: the operator's rules and the output limit, for one model.
//!
//! Counting a long prompt takes milliseconds, so it leaves the worker thread; what upstream errors
//! teach about a model's own count is remembered until the catalog is refreshed.

use super::errors::ApiError;
use crate::domain::dialect::Dialect;
use crate::domain::model::{Catalog, Model};
use crate::domain::time::Timestamp;
use crate::shape::alias::Aliases;
use crate::shape::body::{BodyFault, Document};
use crate::shape::margin::Margin;
use crate::shape::max_tokens::{Facts, Plan};
use crate::shape::overflow::Overflow;
use crate::shape::rules::Rules;
use crate::shape::tokens;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::task::spawn_blocking;

/// A prompt of at most this many bytes is counted where it is: that takes well below a millisecond.
const SHORT_PROMPT: u64 = 4 * 1024;

/// How bodies are shaped, and what was learned about counts.
#[derive(Debug, Default)]
pub struct Shaping {
    /// Providers and cache markers.
    pub rules: Rules,
    /// Names that stand for models.
    pub aliases: Aliases,
    /// Whether output limits are set and corrected.
    pub auto_max_tokens: bool,
    /// What was learned, for the catalog fetched at that moment.
    margins: Mutex<(Option<Timestamp>, HashMap<String, Margin>)>,
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
    pub fn new(rules: Rules, aliases: Aliases, auto_max_tokens: bool) -> Shaping {
        Shaping { rules, aliases, auto_max_tokens, margins: Mutex::default() }
    }

    /// Shapes `document` for the model `id`. With `limit_output`, its output limit too; `affordable`
    /// is what the account's balance covers, once the upstream has said so.
    ///
    /// Errors: 400 when the prompt alone does not fit the model.
    pub async fn shape(
        &self,
        mut document: Document,
        dialect: Dialect,
        id: &str,
        catalog: &Catalog,
        limit_output: bool,
        affordable: Option<u64>,
    ) -> Result<Shaped, ApiError> {
        let model = catalog.get(id);
        self.rules.apply(&mut document, dialect, id, model.map(AsRef::as_ref)).map_err(bad_body)?;
        let mut facts = None;
        let mut asked = 0;
        if self.auto_max_tokens
            && limit_output
            && let Some(model) = model
            && let Some(mut found) = self.facts(&document, dialect, model, catalog)?
        {
            found.affordable = affordable;
            if found.needs_count() {
                found = counted(&document, dialect, found).await?;
            }
            let plan = found.plan();
            asked = match plan {
                Plan::Set(tokens) | Plan::Lower(tokens) => tokens,
                Plan::Leave | Plan::TooLong { .. } => found.given.unwrap_or(0),
            };
            plan.apply(&mut document, dialect).map_err(bad_body)?;
            facts = Some(found);
        }
        Ok(Shaped { body: document.finish().slices().to_vec(), facts, asked })
    }

    fn facts(
        &self,
        document: &Document,
        dialect: Dialect,
        model: &Model,
        catalog: &Catalog,
    ) -> Result<Option<Facts>, ApiError> {
        let margin = self.margin(&model.id, catalog);
        Facts::of(document, dialect, model, &margin).map_err(bad_body)
    }

    fn margin(&self, model: &str, catalog: &Catalog) -> Margin {
        let Ok(mut margins) = self.margins.lock() else { return Margin::default() };
        if margins.0 != catalog.fetched_at {
            *margins = (catalog.fetched_at, HashMap::new());
        }
        margins.1.get(model).copied().unwrap_or_default()
    }

    /// Learns from a refusal that a body shaped for `model` was too large. Returns what the balance
    /// covers if that was the matter, else `None`.
    pub fn learn(&self, model: &str, shaped: &Shaped, overflow: &Overflow) -> Option<u64> {
        if let Overflow::Credits { affordable } = overflow {
            return Some(*affordable);
        }
        let facts = shaped.facts.as_ref()?;
        if let Ok(mut margins) = self.margins.lock() {
            let margin = margins.1.entry(model.to_owned()).or_default();
            *margin = margin.learn(overflow, facts.prompt, shaped.asked);
        }
        None
    }
}

impl Shaped {
    /// Whether another output limit could make a difference to the upstream.
    pub fn can_be_corrected(&self) -> bool {
        self.facts.is_some()
    }
}

async fn counted(document: &Document, dialect: Dialect, facts: Facts) -> Result<Facts, ApiError> {
    let limit = facts.count_limit();
    let prompt = if facts.prompt <= SHORT_PROMPT {
        tokens::count(document, dialect, limit)
    } else {
        let document = document.clone();
        let counting = spawn_blocking(move || tokens::count(&document, dialect, limit));
        // Without a count the byte length still bounds the prompt.
        counting.await.unwrap_or(Ok(facts.prompt))
    };
    Ok(facts.counted(prompt.map_err(bad_body)?))
}

/// A 400 that names the field.
pub fn bad_body(fault: BodyFault) -> ApiError {
    ApiError::bad_request(fault.code.unwrap_or("invalid_value"), fault.message, fault.field)
}

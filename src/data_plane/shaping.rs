//! The shaping step of a request: the operator's rules and the output limit, for one model.
//!
//! Long bodies are shaped and long prompts counted beside the worker thread; what upstream errors
//! teach about a model's own count is remembered until the catalog is refreshed.

use super::aside;
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
use std::sync::{Arc, Mutex};

/// A prompt of at most this many bytes is counted where it is: that takes well below a millisecond.
const SHORT_PROMPT: u64 = 4 * 1024;

/// How bodies are shaped, and what was learned about counts.
#[derive(Debug, Default)]
pub struct Shaping {
    /// Providers and cache markers.
    pub rules: Arc<Rules>,
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
        Shaping { rules: Arc::new(rules), aliases, auto_max_tokens, margins: Mutex::default() }
    }

    /// Shapes `document` for the model `id`. With `limit_output`, its output limit too; `affordable`
    /// is what the account's balance covers, once the upstream has said so.
    ///
    /// Errors: 400 when the prompt alone does not fit the model.
    pub async fn shape(
        &self,
        document: Document,
        dialect: Dialect,
        id: &str,
        catalog: &Catalog,
        limit_output: bool,
        affordable: Option<u64>,
    ) -> Result<Shaped, ApiError> {
        let margin = (self.auto_max_tokens && limit_output).then(|| self.margin(id, catalog));
        let (rules, id, model) = (Arc::clone(&self.rules), id.to_owned(), catalog.get(id).cloned());
        let long = aside::is_long(document.original_len());
        let prepare = move || prepared(document, dialect, &rules, &id, model.as_deref(), margin);
        let (mut document, found) = aside::run(long, prepare).await?.map_err(bad_body)?;
        let mut facts = None;
        let mut asked = 0;
        if let Some(mut found) = found {
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

/// The document by the operator's rules, and what its output limit is to be reckoned from, if a margin
/// is given.
fn prepared(
    mut document: Document,
    dialect: Dialect,
    rules: &Rules,
    id: &str,
    model: Option<&Model>,
    margin: Option<Margin>,
) -> Result<(Document, Option<Facts>), BodyFault> {
    rules.apply(&mut document, dialect, id, model)?;
    let facts = match (model, margin) {
        (Some(model), Some(margin)) => Facts::of(&document, dialect, model, &margin)?,
        _ => None,
    };
    Ok((document, facts))
}

async fn counted(document: &Document, dialect: Dialect, facts: Facts) -> Result<Facts, ApiError> {
    let (document, limit) = (document.clone(), facts.count_limit());
    let counting = aside::run(facts.prompt > SHORT_PROMPT, move || tokens::count(&document, dialect, limit));
    // Without a count the byte length still bounds the prompt.
    let prompt = counting.await.unwrap_or(Ok(facts.prompt)).map_err(bad_body)?;
    Ok(facts.counted(prompt))
}

/// A 400 that names the field.
pub fn bad_body(fault: BodyFault) -> ApiError {
    ApiError::bad_request(fault.code.unwrap_or("invalid_value"), fault.message, fault.field)
}

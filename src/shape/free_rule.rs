//! The free rule: a request with a pooled key may only reach models that cost nothing
//! (DESIGN sections 4 and 8, `openrouter-api.md` section 5 "What is a free model").
//!
//! Denies by default: a model must be known and free, a plugin or tool must be known to cost nothing.
//! Never changes a body; what could escape is refused, so that a client learns why.

use super::body::{Document, clip};
use super::dialect::Dialect;
use super::near;
use crate::domain::model::{Catalog, FREE_ROUTER, Model};
use crate::json::{self, Kind, Object, Span};
use std::borrow::Cow;
use std::sync::Arc;

/// What the operator says about free models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeRule {
    /// How ids of free models end: `openrouter.free_model_suffix`.
    pub suffix: String,
}

/// Why a request is refused by the free rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreeFault {
    /// No such model is on offer: 404.
    #[error("{field}: the model `{model}` is not known here{}", offer(near))]
    UnknownModel {
        /// The field that names it.
        field: String,
        /// The name, shortened.
        model: String,
        /// Free models with names like it.
        near: Vec<String>,
    },
    /// The model exists but is not free: 403.
    #[error("{field}: the model `{model}` is not free, and only free models are served{}", offer(near))]
    NotFree {
        /// The field that names it.
        field: String,
        /// The name, shortened.
        model: String,
        /// Free models with names like it.
        near: Vec<String>,
    },
    /// Something that could reach a paid model or a paid service: 400.
    #[error("{field} is refused: {why}")]
    Escapes {
        /// The field.
        field: String,
        /// Why it is refused, and what to do.
        why: String,
    },
}

impl FreeFault {
    /// The field at fault, for `error.param`.
    pub fn field(&self) -> &str {
        match self {
            FreeFault::UnknownModel { field, .. }
            | FreeFault::NotFree { field, .. }
            | FreeFault::Escapes { field, .. } => field,
        }
    }
}

fn offer(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; free models near that name: {}", near.join(", ")) }
}

/// Whether the id of a listed model makes it free: it ends with `suffix`, or is the free router.
/// `pricing` is the model's own JSON object of decimal strings: a price above or below zero for
/// prompt, completion or request contradicts the name, and the price is believed.
pub fn is_free(id: &str, pricing: Option<&serde_json::Value>, suffix: &str) -> bool {
    let named = id == FREE_ROUTER || (!suffix.is_empty() && id.len() > suffix.len() && id.ends_with(suffix));
    named
        && !id.starts_with('~')
        && ["prompt", "completion", "request"].iter().all(|part| costs_nothing(pricing, part))
}

fn costs_nothing(pricing: Option<&serde_json::Value>, part: &str) -> bool {
    match pricing.and_then(|prices| prices.get(part)) {
        None | Some(serde_json::Value::Null) => true,
        Some(serde_json::Value::String(price)) => price.trim().parse() == Ok(0.0),
        Some(price) => price.as_f64() == Some(0.0),
    }
}

/// The model with exactly this name.
pub fn resolve_model<'c>(name: &str, catalog: &'c Catalog) -> Option<&'c Arc<Model>> {
    catalog.get(name)
}

/// Refuses a request that names, or could reach, anything that is not free.
pub fn check(doc: &Document, dialect: Dialect, catalog: &Catalog, rule: &FreeRule) -> Result<(), FreeFault> {
    let asked = Asked { doc, catalog, rule };
    asked.model("model", doc.raw("model"))?;
    asked.each("models", |path, element| asked.model(&path, Some(json::slice(doc.text(), &element))))?;
    asked.each("fallbacks", |path, element| asked.fallback(&path, element))?;
    for &(field, why) in REFUSED {
        if doc.given(field).is_some() {
            return Err(escapes(field, why));
        }
    }
    if dialect == Dialect::Responses && doc.given("prompt").is_some() {
        return Err(escapes("prompt", "a stored prompt can change the model; send its text as `input`"));
    }
    asked.each("plugins", |path, element| asked.plugin(&path, element))?;
    asked.each("tools", |path, element| asked.tool(&path, element, dialect))
}

/// Fields that can escape the rule whatever they hold.
const REFUSED: &[(&str, &str)] = &[
    ("route", "routing by the upstream can leave the free models; list free models in `models` instead"),
    ("preset", "a preset of the account can change the model; send its parameters in the request"),
    ("web_search_options", "web search costs money"),
    ("mcp_servers", "tools run by the upstream can cost money; use function tools"),
    ("container", "tools run by the upstream can cost money; use function tools"),
];

/// Plugins that change text only, at no price. `file-parser` is looked at more closely.
const FREE_PLUGINS: &[&str] = &["response-healing", "context-compression"];

/// Engines of the `file-parser` plugin without a price of their own (OpenRouter's guide to PDF inputs).
const FREE_ENGINES: &[&str] = &["cloudflare-ai", "pdf-text", "native"];

fn escapes(field: impl Into<String>, why: impl Into<String>) -> FreeFault {
    FreeFault::Escapes { field: field.into(), why: why.into() }
}

/// One request under the rule.
struct Asked<'r> {
    doc: &'r Document,
    catalog: &'r Catalog,
    rule: &'r FreeRule,
}

impl Asked<'_> {
    /// Visits the elements of a top-level list; anything but a list, `null` aside, is refused.
    fn each(
        &self,
        field: &str,
        mut visit: impl FnMut(String, Span) -> Result<(), FreeFault>,
    ) -> Result<(), FreeFault> {
        let Some(raw) = self.doc.given(field) else { return Ok(()) };
        match self.doc.span(field) {
            Some(span) if json::kind(raw) == Kind::List => {
                json::each_element(self.doc.text(), &span, |index, element| {
                    visit(format!("{field}[{index}]"), element)
                })
            }
            _ => Err(escapes(field, "it must be a list")),
        }
    }

    fn object(&self, path: &str, span: Span) -> Result<Object, FreeFault> {
        if json::kind(json::slice(self.doc.text(), &span)) != Kind::Object {
            return Err(escapes(path, "it must be an object"));
        }
        self.doc.object(span, path).map_err(|fault| escapes(path, fault.message))
    }

    /// The value of a member, `null` read as absent.
    fn value(&self, object: &Object, name: &str) -> Option<&str> {
        let raw = json::slice(self.doc.text(), &object.get(name)?.value);
        (json::kind(raw) != Kind::Null).then_some(raw)
    }

    fn text(&self, object: &Object, name: &str) -> Option<Cow<'_, str>> {
        self.value(object, name).and_then(json::string)
    }

    fn model(&self, field: &str, raw: Option<&str>) -> Result<(), FreeFault> {
        let Some(name) = raw.and_then(json::string) else {
            return Err(escapes(field, "it must name a free model"));
        };
        if let Some(why) = self.rerouting(&name) {
            return Err(escapes(field, why));
        }
        match self.catalog.get(&name) {
            Some(model) if model.free => Ok(()),
            found => {
                let near = near::free_names(&name, self.catalog);
                let (field, model) = (field.to_owned(), clip(&name));
                Err(match found {
                    Some(_) => FreeFault::NotFree { field, model, near },
                    None => FreeFault::UnknownModel { field, model, near },
                })
            }
        }
    }

    /// Why a name does not stand for one model of its own, if it does not.
    fn rerouting(&self, name: &str) -> Option<String> {
        if name.contains("@preset") {
            return Some("a preset of the account can change the model; name the model itself".to_owned());
        }
        if name.starts_with('~') {
            return Some("a rolling alias can move to a paid model; name the model itself".to_owned());
        }
        if name.split(':').skip(1).any(|variant| variant == "online") {
            return Some("`:online` adds web search, which costs money; leave it out".to_owned());
        }
        if name.starts_with("openrouter/") && !self.is_free(name) {
            return Some(format!("this router can pick a paid model; `{FREE_ROUTER}` picks among free ones"));
        }
        let (base, variant) = name.rsplit_once(':')?;
        let added = self.is_free(base) && !self.is_free(name);
        let kept = base.ends_with(&self.rule.suffix) && !self.rule.suffix.is_empty();
        (added || (kept && self.catalog.get(name).is_none()))
            .then(|| format!("the variant `:{}` can leave the free endpoints; leave it out", clip(variant)))
    }

    fn is_free(&self, id: &str) -> bool {
        self.catalog.get(id).is_some_and(|model| model.free)
    }

    /// An entry of `fallbacks` (`/messages`): a model, and nothing that could change the request.
    fn fallback(&self, path: &str, span: Span) -> Result<(), FreeFault> {
        let fallback = self.object(path, span)?;
        self.model(&format!("{path}.model"), self.value(&fallback, "model"))?;
        match fallback.members.iter().find(|member| &*member.name != "model") {
            Some(other) => {
                Err(escapes(format!("{path}.{}", clip(&other.name)), "a fallback may only name its `model`"))
            }
            None => Ok(()),
        }
    }

    fn plugin(&self, path: &str, span: Span) -> Result<(), FreeFault> {
        let plugin = self.object(path, span)?;
        let field = format!("{path}.id");
        let Some(id) = self.text(&plugin, "id") else {
            return Err(escapes(field, "a plugin must have an id"));
        };
        match &*id {
            known if FREE_PLUGINS.contains(&known) => Ok(()),
            "file-parser" => self.file_parser(path, &plugin),
            // A paid plugin that an account turned on by default may be turned off.
            "web" if self.value(&plugin, "enabled") == Some("false") => Ok(()),
            _ => Err(escapes(
                field,
                format!("the plugin `{}` costs money or is not known to be free", clip(&id)),
            )),
        }
    }

    fn file_parser(&self, path: &str, plugin: &Object) -> Result<(), FreeFault> {
        let Some(pdf) = plugin.get("pdf").filter(|_| self.value(plugin, "pdf").is_some()) else {
            return Ok(());
        };
        let path = format!("{path}.pdf");
        let pdf = self.object(&path, pdf.value.clone())?;
        match self.value(&pdf, "engine") {
            None => Ok(()),
            Some(raw) if json::string(raw).is_some_and(|name| FREE_ENGINES.contains(&&*name)) => Ok(()),
            Some(_) => Err(escapes(format!("{path}.engine"), "this engine costs money; use `cloudflare-ai`")),
        }
    }

    /// A tool may only be one that the client itself runs.
    fn tool(&self, path: &str, span: Span, dialect: Dialect) -> Result<(), FreeFault> {
        let tool = self.object(path, span)?;
        let kind = match self.value(&tool, "type") {
            // Anthropic's own tools have no type; chat front ends leave it out beside `function`.
            None if dialect == Dialect::Messages || tool.get("function").is_some() => return Ok(()),
            None => "".into(),
            Some(raw) => json::string(raw).unwrap_or_default(),
        };
        if matches!(&*kind, "function" | "custom") {
            return Ok(());
        }
        let why = format!(
            "the tool `{}` is run by the upstream and can cost money; use function tools",
            clip(&kind)
        );
        Err(escapes(format!("{path}.type"), why))
    }
}

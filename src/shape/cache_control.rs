//! Cache control: markers that tell a provider what to keep of a prompt (DESIGN sections 4 and 8,
//! `openrouter-api.md` section 9).
//!
//! `last_message` marks the last message and nothing else; `auto` adds markers for models that profit
//! and keeps the client's. Never marks empty text, never leaves more than four markers by its own
//! doing, never rewrites what a part says.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::edit::ObjectEdit;
use super::json::{self, Kind, Object, Span};
use super::turns::{Turn, is_blank, objects, text_of, turns};
use crate::domain::cache_control::CacheControl;
use crate::domain::model::Model;

/// The marker, and the name it goes by.
const NAME: &str = "cache_control";
const EPHEMERAL: &str = r#"{"type":"ephemeral"}"#;

/// The most markers that Anthropic takes, the client's included (`openrouter-api.md` section 9).
const MOST: usize = 4;

/// How deep lists of parts may lie inside parts; tool results hold one such list.
const DEPTH: usize = 2;

/// Models of other vendors than Anthropic that want explicit markers (`openrouter-api.md` section 9).
const MARKED_QWEN: &[&str] =
    &["qwen3-max", "qwen-plus", "qwen3.6-plus", "qwen3-coder-plus", "qwen3-coder-flash"];

/// Marks a body for `model`; `None`: the catalog does not know it, so nothing is known to profit.
pub fn apply(
    mode: CacheControl,
    doc: &mut Document,
    dialect: Dialect,
    model: Option<&Model>,
) -> Result<(), BodyFault> {
    let wanted = match mode {
        CacheControl::Off => false,
        CacheControl::LastMessage => true,
        CacheControl::Auto => model.is_some_and(profits),
    };
    match dialect {
        Dialect::Completions | Dialect::Embeddings => Ok(()),
        _ if !wanted => Ok(()),
        Dialect::Responses => mark_top(doc, mode),
        Dialect::Chat | Dialect::Messages => match mode {
            CacheControl::LastMessage => mark_last(doc, dialect),
            _ => mark_profitable(doc, dialect),
        },
    }
}

/// Whether explicit markers pay for this model.
fn profits(model: &Model) -> bool {
    let Some((author, slug)) = model.id.trim_start_matches('~').split_once('/') else { return false };
    let slug = slug.split(':').next().unwrap_or(slug);
    let marked = match author {
        "anthropic" => true,
        // Dated slugs such as `qwen-plus-2025-07-28` are the same models.
        "qwen" => MARKED_QWEN.iter().any(|name| {
            slug.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("-20"))
        }),
        _ => false,
    };
    marked && model.has_cache_price
}

/// What can carry markers in a body.
struct Carriers {
    /// The instructions apart from the messages (`/messages`).
    system: Option<Span>,
    turns: Vec<Turn>,
    /// Everything that may hold a marker: messages, their parts, parts inside them, tools.
    objects: Vec<Object>,
}

impl Carriers {
    fn find(doc: &Document, dialect: Dialect) -> Result<Carriers, BodyFault> {
        let field = dialect.prompt_field();
        let turns = turns(doc, field)?;
        let system = if dialect == Dialect::Messages { doc.span("system") } else { None };
        let mut found = Vec::new();
        if let Some(span) = &system {
            gather_parts(doc, span, "system", DEPTH, &mut found)?;
        }
        for (index, turn) in turns.iter().enumerate() {
            found.push(turn.object.clone());
            if let Some(content) = turn.content() {
                gather_parts(doc, content, &format!("{field}[{index}].content"), DEPTH, &mut found)?;
            }
        }
        if let Some(span) = doc.span("tools") {
            found.extend(objects(doc, &span, "tools")?);
        }
        Ok(Carriers { system, turns, objects: found })
    }

    /// How many markers the client set.
    fn marked(&self, doc: &Document) -> usize {
        self.objects.iter().filter(|object| is_marked(doc, object)).count()
    }
}

fn gather_parts(
    doc: &Document,
    span: &Span,
    path: &str,
    depth: usize,
    found: &mut Vec<Object>,
) -> Result<(), BodyFault> {
    for part in objects(doc, span, path)? {
        if let Some(inner) = part.get("content").filter(|_| depth > 1) {
            gather_parts(doc, &inner.value, path, depth - 1, found)?;
        }
        found.push(part);
    }
    Ok(())
}

fn marker<'d>(doc: &'d Document, object: &Object) -> Option<&'d str> {
    object.get(NAME).map(|member| json::slice(doc.text(), &member.value))
}

fn is_marked(doc: &Document, object: &Object) -> bool {
    marker(doc, object).is_some_and(|raw| json::kind(raw) != Kind::Null)
}

/// Where a marker goes.
enum Spot {
    /// A string that becomes a list of one part.
    Whole(Span),
    /// A part of a list.
    Part(Object),
}

/// The last text of `content` that is not empty.
fn spot(doc: &Document, content: &Span) -> Result<Option<Spot>, BodyFault> {
    let raw = json::slice(doc.text(), content);
    match json::kind(raw) {
        Kind::Text if !is_blank(raw) => Ok(Some(Spot::Whole(content.clone()))),
        Kind::List => {
            let mut parts = objects(doc, content, "content")?;
            parts.retain(|part| text_of(doc, part).is_some_and(|raw| !is_blank(raw)));
            Ok(parts.pop().map(Spot::Part))
        }
        _ => Ok(None),
    }
}

/// Puts the marker on a spot.
fn mark(doc: &mut Document, spot: Spot) {
    match spot {
        Spot::Whole(span) => {
            doc.replace(span.start..span.start, r#"[{"type":"text","text":"#.to_owned());
            doc.replace(span.end..span.end, format!(r#","{NAME}":{EPHEMERAL}}}]"#));
        }
        Spot::Part(part) => {
            let mut edit = ObjectEdit::new(part);
            edit.set(NAME, EPHEMERAL.to_owned());
            doc.edit(&edit);
        }
    }
}

/// `/responses` takes the top-level form only: the provider marks the last block by itself.
fn mark_top(doc: &mut Document, mode: CacheControl) -> Result<(), BodyFault> {
    let carriers = Carriers::find(doc, Dialect::Responses)?;
    if mode == CacheControl::LastMessage {
        unmark(doc, carriers.objects, None);
    } else if carriers.marked(doc) >= MOST {
        return Ok(());
    }
    if doc.given(NAME).is_none() {
        doc.set(NAME, EPHEMERAL);
    }
    Ok(())
}

/// Takes the marker off all objects but the one at `kept`.
fn unmark(doc: &mut Document, objects: Vec<Object>, kept: Option<Span>) {
    for object in objects {
        if Some(&object.span) != kept.as_ref() && object.get(NAME).is_some() {
            let mut edit = ObjectEdit::new(object);
            edit.remove(NAME);
            doc.edit(&edit);
        }
    }
}

/// `last_message`: every marker goes, the last message gets one.
fn mark_last(doc: &mut Document, dialect: Dialect) -> Result<(), BodyFault> {
    let carriers = Carriers::find(doc, dialect)?;
    let last = match carriers.turns.last().and_then(Turn::content) {
        Some(content) => spot(doc, content)?,
        None => None,
    };
    let target = match &last {
        Some(Spot::Part(part)) => Some(part.span.clone()),
        _ => None,
    };
    unmark(doc, carriers.objects, target);
    match last {
        Some(Spot::Part(part)) if marker(doc, &part) == Some(EPHEMERAL) => {}
        Some(spot) => mark(doc, spot),
        None => {}
    }
    Ok(())
}

/// `auto`: the last user text and the last system text get markers, as far as four allow.
fn mark_profitable(doc: &mut Document, dialect: Dialect) -> Result<(), BodyFault> {
    if doc.given(NAME).is_some() {
        // The client chose automatic caching: its marker moves along by itself.
        return Ok(());
    }
    let carriers = Carriers::find(doc, dialect)?;
    let mut left = MOST.saturating_sub(carriers.marked(doc));
    let user = carriers.turns.iter().rev().filter(|turn| turn.role == "user").filter_map(Turn::content);
    let system =
        carriers.turns.iter().rev().filter(|turn| matches!(turn.role.as_str(), "system" | "developer"));
    let system = carriers.system.iter().chain(system.filter_map(Turn::content));
    let spots = [first_spot(doc, user)?, first_spot(doc, system)?];
    for spot in spots.into_iter().flatten() {
        let done = matches!(&spot, Spot::Part(part) if is_marked(doc, part));
        if left > 0 && !done {
            mark(doc, spot);
            left -= 1;
        }
    }
    Ok(())
}

fn first_spot<'s>(
    doc: &Document,
    contents: impl Iterator<Item = &'s Span>,
) -> Result<Option<Spot>, BodyFault> {
    for content in contents {
        if let Some(spot) = spot(doc, content)? {
            return Ok(Some(spot));
        }
    }
    Ok(None)
}

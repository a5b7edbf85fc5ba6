//! Cache control: markers that tell a provider what to keep of a prompt (DESIGN sections 4 and 8,
//! `openrouter-api.md` section 9).
//!
//! `last_message` marks the last message and nothing else; `auto` adds markers for models that profit
//! and keeps the client's. Never marks empty text, never leaves more than four markers by its own
//! doing, never rewrites what a part says.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::edit::ObjectEdit;
use super::turns::{each_object, is_blank, text_of};
use crate::domain::cache_control::CacheControl;
use crate::domain::model::Model;
use crate::json::{self, Kind, Object, Span};
use std::fmt::Arguments;

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

/// One message: who speaks, and where the content stands.
struct Turn {
    role: String,
    content: Option<Span>,
}

/// What markers have to do with in a body.
struct Carriers {
    /// The instructions apart from the messages (`/messages`).
    system: Option<Span>,
    turns: Vec<Turn>,
    /// The messages, parts, parts inside parts, and tools that hold a marker.
    marked: Vec<Object>,
}

impl Carriers {
    fn find(doc: &Document, dialect: Dialect) -> Result<Carriers, BodyFault> {
        let system = if dialect == Dialect::Messages { doc.span("system") } else { None };
        let mut found = Carriers { system: system.clone(), turns: Vec::new(), marked: Vec::new() };
        if let Some(span) = &system {
            found.parts(doc, span, format_args!("system"), DEPTH)?;
        }
        let field = dialect.prompt_field();
        if let Some(span) = doc.span(field) {
            each_object(doc, &span, field, |index, message| {
                found.turn(doc, message, format_args!("{field}[{index}].content"))
            })?;
        }
        if let Some(span) = doc.span("tools") {
            found.parts(doc, &span, format_args!("tools"), 1)?;
        }
        Ok(found)
    }

    fn turn(&mut self, doc: &Document, message: &Object, path: Arguments<'_>) -> Result<(), BodyFault> {
        let role =
            message.get("role").and_then(|member| json::string(json::slice(doc.text(), &member.value)));
        let content = message.get("content").map(|member| member.value.clone());
        self.note(message);
        if let Some(span) = &content {
            self.parts(doc, span, path, DEPTH)?;
        }
        self.turns.push(Turn { role: role.unwrap_or_default().into_owned(), content });
        Ok(())
    }

    fn parts(
        &mut self,
        doc: &Document,
        span: &Span,
        path: Arguments<'_>,
        depth: usize,
    ) -> Result<(), BodyFault> {
        each_object(doc, span, path, |index, part| {
            if let Some(inner) = part.get("content").filter(|_| depth > 1) {
                self.parts(doc, &inner.value, format_args!("{path}[{index}].content"), depth - 1)?;
            }
            self.note(part);
            Ok(())
        })
    }

    fn note(&mut self, object: &Object) {
        if object.get(NAME).is_some() {
            self.marked.push(object.clone());
        }
    }

    /// How many markers the client set.
    fn count(&self, doc: &Document) -> usize {
        self.marked.iter().filter(|object| is_marked(doc, object)).count()
    }

    /// The contents of the messages of these roles, the last first.
    fn contents(&self, roles: &'static [&'static str]) -> impl Iterator<Item = &Span> {
        let turns = self.turns.iter().rev().filter(|turn| roles.contains(&turn.role.as_str()));
        turns.filter_map(|turn| turn.content.as_ref())
    }
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
            let mut last = None;
            each_object(doc, content, "content", |_, part| {
                if text_of(doc, part).is_some_and(|raw| !is_blank(raw)) {
                    last = Some(Spot::Part(part.clone()));
                }
                Ok(())
            })?;
            Ok(last)
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
        unmark(doc, carriers.marked, None);
    } else if carriers.count(doc) >= MOST {
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
        if Some(&object.span) != kept.as_ref() {
            let mut edit = ObjectEdit::new(object);
            edit.remove(NAME);
            doc.edit(&edit);
        }
    }
}

/// `last_message`: every marker goes, the last message gets one.
fn mark_last(doc: &mut Document, dialect: Dialect) -> Result<(), BodyFault> {
    let carriers = Carriers::find(doc, dialect)?;
    let last = match carriers.turns.last().and_then(|turn| turn.content.as_ref()) {
        Some(content) => spot(doc, content)?,
        None => None,
    };
    let target = match &last {
        Some(Spot::Part(part)) => Some(part.span.clone()),
        _ => None,
    };
    unmark(doc, carriers.marked, target);
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
    let mut left = MOST.saturating_sub(carriers.count(doc));
    let user = first_spot(doc, carriers.contents(&["user"]))?;
    let system = carriers.system.iter().chain(carriers.contents(&["system", "developer"]));
    let spots = [user, first_spot(doc, system)?];
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

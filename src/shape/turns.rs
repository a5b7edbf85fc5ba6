//! A conversation as the rules see it: turns, their roles, and the parts of their content.
//!
//! Finds, never changes. What is not of the expected kind is passed over: `check` has refused what
//! must be refused.

use super::body::{BodyFault, Document};
use super::json::{self, Kind, Object, Span};

/// One entry of `messages`.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The entry.
    pub object: Object,
    /// Who speaks; empty if it does not say.
    pub role: String,
}

impl Turn {
    /// Where its content stands.
    pub fn content(&self) -> Option<&Span> {
        self.object.get("content").map(|member| &member.value)
    }
}

/// The entries of a top-level list of messages, in order.
pub(crate) fn turns(doc: &Document, field: &str) -> Result<Vec<Turn>, BodyFault> {
    let Some(span) = doc.span(field) else { return Ok(Vec::new()) };
    let objects = objects(doc, &span, field)?;
    let turn = |object: Object| {
        let role = object.get("role").and_then(|member| json::string(json::slice(doc.text(), &member.value)));
        Turn { role: role.unwrap_or_default(), object }
    };
    Ok(objects.into_iter().map(turn).collect())
}

/// The objects in the list at `span`; none if it is no list.
pub(crate) fn objects(doc: &Document, span: &Span, path: &str) -> Result<Vec<Object>, BodyFault> {
    let text = doc.text();
    let mut found = Vec::new();
    json::each_element(text, span, |index, element| {
        if json::kind(json::slice(text, &element)) == Kind::Object {
            found.push(doc.object(element, &format!("{path}[{index}]"))?);
        }
        Ok::<(), BodyFault>(())
    })?;
    Ok(found)
}

/// The text that a part holds, as it stands: of a part of type `text` with a string.
pub(crate) fn text_of<'d>(doc: &'d Document, part: &Object) -> Option<&'d str> {
    if type_of(doc, part)? != "text" {
        return None;
    }
    let raw = json::slice(doc.text(), &part.get("text")?.value);
    (json::kind(raw) == Kind::Text).then_some(raw)
}

/// The `type` of a part, an item or a tool.
pub(crate) fn type_of(doc: &Document, object: &Object) -> Option<String> {
    json::string(json::slice(doc.text(), &object.get("type")?.value))
}

/// Whether a JSON string holds nothing but white space.
pub(crate) fn is_blank(raw: &str) -> bool {
    let mut inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw).chars();
    while let Some(c) = inside.next() {
        let blank = match c {
            '\\' => matches!(inside.next(), Some('n' | 'r' | 't')),
            c => c.is_whitespace(),
        };
        if !blank {
            return false;
        }
    }
    true
}

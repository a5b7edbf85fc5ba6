//! What lists of messages and parts are made of, as the rules see it.
//!
//! Finds, never changes. What is not of the expected kind is passed over: `check` has refused what
//! must be refused.

use super::body::{BodyFault, Document};
use crate::json::{self, Kind, Object, Span};
use std::borrow::Cow;
use std::fmt::Display;

/// Visits the objects in the list at `span`, in order; there are none if it is no list. `path` names
/// the list.
pub(crate) fn each_object(
    doc: &Document,
    span: &Span,
    path: impl Display,
    mut visit: impl FnMut(usize, &Object) -> Result<(), BodyFault>,
) -> Result<(), BodyFault> {
    doc.each_element(span, |index, element| match element.object(format_args!("{path}[{index}]"))? {
        Some(object) => visit(index, object),
        None => Ok(()),
    })
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
pub(crate) fn type_of<'d>(doc: &'d Document, object: &Object) -> Option<Cow<'d, str>> {
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

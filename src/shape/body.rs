//! A request body: read once, looked at by name, changed only where a rule says so.
//!
//! What is not edited leaves byte for byte as it came: order, digits, escapes and white space. A body
//! without edits leaves as the very bytes that came. Never builds a tree of the whole body.

use super::edit::{ObjectEdit, Patch, cut};
use super::elements::{Element, Elements};
use crate::json::{self, Flaw, Kind, Object, Span};
use bytes::Bytes;
use bytestring::ByteString;
use std::borrow::Cow;
use std::fmt;

/// U+FEFF in UTF-8, which some editors and libraries put in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A request body that is a JSON object, and the edits made to it so far. Cloning is cheap, so one
/// body can be shaped anew for each model that is tried.
#[derive(Debug, Clone)]
pub struct Document {
    body: ByteString,
    top: ObjectEdit,
    inner: Vec<Patch>,
    elements: Elements,
}

/// Why a body cannot be taken: for the client a 400 that names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BodyFault {
    /// The field, as a path such as `messages[3].role`; `None`: the body as a whole.
    pub field: Option<String>,
    /// What is wrong and what to do, a lower-case fragment. Holds nothing of the body's values.
    pub message: String,
    /// The machine-readable word for `error.code`, where one is customary.
    pub code: Option<&'static str>,
}

impl BodyFault {
    /// A fault of one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> BodyFault {
        BodyFault { field: Some(field.into()), message: message.into(), code: None }
    }

    fn whole(message: impl Into<String>) -> BodyFault {
        BodyFault { field: None, message: message.into(), code: None }
    }

    /// The fault of the object at `path` (empty: the body itself).
    pub(super) fn flaw(path: &str, flaw: Flaw) -> BodyFault {
        let object = if path.is_empty() { "the body" } else { path };
        match flaw {
            Flaw::Syntax(what) if path.is_empty() => {
                BodyFault::whole(format!("the body is not well-formed JSON: {what}"))
            }
            Flaw::Syntax(what) => BodyFault::field(path, format!("{path} cannot be read: {what}")),
            Flaw::Duplicate(name) => {
                let field = if path.is_empty() { clip(&name) } else { format!("{path}.{}", clip(&name)) };
                let message = format!("{field} stands twice; send each name once");
                BodyFault::field(field, message)
            }
            Flaw::TooDeep => {
                BodyFault::whole(format!("{object} is nested deeper than {} levels", json::MAX_DEPTH))
            }
            Flaw::TooMany => BodyFault {
                field: (!path.is_empty()).then(|| path.to_owned()),
                message: format!("{object} has too many members"),
                code: None,
            },
        }
    }
}

impl Document {
    /// Reads a body. It must be UTF-8 and one JSON object in which no name stands twice. A byte order
    /// mark in front is dropped: it is no part of the text (RFC 8259, 8.1).
    pub fn parse(bytes: Bytes) -> Result<Document, BodyFault> {
        let read = Document::parse_within(bytes, usize::MAX);
        read.unwrap_or_else(|| Err(BodyFault::whole("the body has too many values")))
    }

    /// As [`Document::parse`]; `None`: that takes more than so many `steps`, of which each value, name and escape
    /// is one.
    pub fn parse_within(bytes: Bytes, steps: usize) -> Option<Result<Document, BodyFault>> {
        Document::read(bytes, steps).transpose()
    }

    fn read(bytes: Bytes, steps: usize) -> Result<Option<Document>, BodyFault> {
        let bytes =
            if bytes.starts_with(BYTE_ORDER_MARK) { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes };
        let Ok(body) = ByteString::try_from(bytes) else {
            return Err(BodyFault::whole("the body is not valid UTF-8; send JSON in UTF-8"));
        };
        let text: &str = &body;
        match text.trim_start_matches([' ', '\n', '\r', '\t']).chars().next() {
            None => return Err(BodyFault::whole("the body is empty; send a JSON object")),
            Some('{') => {}
            Some(_) => return Err(BodyFault::whole("the body must be a JSON object")),
        }
        let Some(object) = Object::check(text, steps) else { return Ok(None) };
        let top = ObjectEdit::new(object.map_err(|flaw| BodyFault::flaw("", flaw))?);
        Ok(Some(Document { top, inner: Vec::new(), elements: Elements::default(), body }))
    }

    /// The JSON value of a top-level member as it will be sent, inner edits aside; `None` if absent.
    pub fn raw(&self, name: &str) -> Option<&str> {
        match self.top.changed(name) {
            Some(changed) => changed,
            None => self.top.object().get(name).map(|member| json::slice(self.text(), &member.value)),
        }
    }

    /// As [`Document::raw`], with `null` read as absent, as OpenAI's API does.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|raw| json::kind(raw) != Kind::Null)
    }

    /// The text of a top-level string; `None` if absent or of another kind.
    pub fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).and_then(json::string)
    }

    /// The value of a top-level `true` or `false`.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.raw(name)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value of a top-level whole number that is not negative; beyond 64 bits it saturates.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.raw(name).and_then(integer)
    }

    /// The members as they came.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.top.object().members.iter();
        members.map(|member| (&*member.name, json::slice(self.text(), &member.value)))
    }

    /// The names of the members that came, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.top.object().members.iter().map(|member| &*member.name)
    }

    /// Gives a top-level member the JSON value `raw`: in place if it is there, else at the end.
    pub fn set(&mut self, name: &str, raw: impl Into<String>) {
        self.top.set(name, raw.into());
    }

    /// Takes a top-level member out.
    pub fn remove(&mut self, name: &str) {
        self.top.remove(name);
    }

    /// Whether anything was edited.
    pub fn is_changed(&self) -> bool {
        !self.inner.is_empty() || !self.top.patches().is_empty()
    }

    /// The body to send: the bytes that came, with the edits in their places.
    pub fn finish(&self) -> Shaped {
        if !self.is_changed() {
            return Shaped { slices: vec![self.body.as_bytes().clone()] };
        }
        // A member that was set or removed as a whole takes the edits inside it along.
        let gone: Vec<&Span> = self.top.changed_values().collect();
        let is_gone = |span: &Span| gone.iter().any(|all| all.start <= span.start && span.end <= all.end);
        let inner = self.inner.iter().filter(|patch| !is_gone(&patch.span)).cloned();
        // Inner ones first: where a value ends, what closes it stands before what follows it.
        let patches: Vec<Patch> = inner.chain(self.top.patches()).collect();
        Shaped { slices: cut(self.body.as_bytes(), patches) }
    }

    /// The whole text that came; spans are ranges of it.
    pub(crate) fn text(&self) -> &str {
        &self.body
    }

    /// Where the value of a top-level member stands, if it came and was neither set nor removed.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        if self.top.changed(name).is_some() {
            return None;
        }
        self.top.object().get(name).map(|member| member.value.clone())
    }

    /// Reads the object at `span`; `path` names it in the fault.
    pub(crate) fn object(&self, span: Span, path: impl fmt::Display) -> Result<Object, BodyFault> {
        Object::read(self.text(), &span).map_err(|flaw| BodyFault::flaw(&path.to_string(), flaw))
    }

    /// Visits the elements of the list at `list` in the original, until `visit` says stop by an error.
    pub(crate) fn each_element<E>(
        &self,
        list: &Span,
        visit: impl FnMut(usize, &Element) -> Result<(), E>,
    ) -> Result<(), E> {
        self.elements.each(self.text(), list, visit)
    }

    /// Takes over edits to an object inside. Each inner object may be edited once.
    pub(crate) fn edit(&mut self, edit: &ObjectEdit) {
        self.inner.extend(edit.patches());
    }

    /// Replaces the bytes at `span` by `text`.
    pub(crate) fn replace(&mut self, span: Span, text: String) {
        self.inner.push(Patch { span, text });
    }
}

/// A body ready to send: slices of what came, and small pieces between them.
#[derive(Clone, PartialEq, Eq)]
pub struct Shaped {
    slices: Vec<Bytes>,
}

impl Shaped {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.slices.iter().map(Bytes::len).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.slices.iter().all(Bytes::is_empty)
    }

    /// Its pieces in order; sharing them copies nothing.
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// The same, to keep.
    pub fn into_slices(self) -> Vec<Bytes> {
        self.slices
    }

    /// It as one piece; copies only if there are several.
    pub fn to_bytes(&self) -> Bytes {
        match self.slices.as_slice() {
            [only] => only.clone(),
            several => Bytes::from(several.concat()),
        }
    }
}

impl fmt::Debug for Shaped {
    /// Only its size: bodies are the clients' own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shaped({} bytes in {} slices)", self.len(), self.slices.len())
    }
}

/// A whole number that is not negative, of a JSON value; beyond 64 bits it saturates.
pub(crate) fn integer(raw: &str) -> Option<u64> {
    let digits = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| raw.parse().unwrap_or(u64::MAX))
}

/// A name or value of the client's, short enough to repeat in a message.
pub(crate) fn clip(text: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

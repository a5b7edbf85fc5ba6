//! Where things stand in a JSON text: spans of members and elements, found without building values.
//!
//! `serde_json` checks the syntax (its raw values are skipped without recursion, so nesting cannot
//! exhaust the stack); what is kept are byte ranges into the one text. Never re-serialises anything.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// The most members an object we look into may have; real requests have a few dozen.
const MAX_MEMBERS: usize = 4096;

/// The deepest nesting that a body may have: what common readers of JSON take, `serde_json` among them.
pub(crate) const MAX_DEPTH: usize = 128;

/// A byte range of the text it was found in.
pub(crate) type Span = Range<usize>;

/// One `"name": value` of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The name with its escapes resolved.
    pub name: Box<str>,
    /// The name as it stands, quotes included.
    pub key: Span,
    /// The value as it stands.
    pub value: Span,
}

/// The members of one object, in order.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// The object itself, braces included.
    pub span: Span,
    /// Its members; no name stands twice.
    pub members: Vec<Member>,
}

impl Object {
    /// Reads the object at `span` of `text`. The error says what is wrong and, for a name that
    /// stands twice, which.
    pub fn read(text: &str, span: Span) -> Result<Object, Flaw> {
        let part = slice(text, &span);
        let mut deserializer = serde_json::Deserializer::from_str(part);
        let seed = Members { base: address(text) };
        let members = seed.deserialize(&mut deserializer).map_err(Flaw::syntax)?;
        deserializer.end().map_err(Flaw::syntax)?;
        let members = members?;
        let start = span.start + leading_space(part);
        Ok(Object { span: start..start + part.trim_matches(SPACE).len(), members }.keyed(text))
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| &*member.name == name)
    }

    /// Finds where each name begins: after the brace, or after the comma that ends its predecessor.
    fn keyed(mut self, text: &str) -> Object {
        let mut after = self.span.start + 1;
        for member in &mut self.members {
            let gap = slice(text, &(after..member.value.start));
            let start = after + gap.find('"').unwrap_or(0);
            let tail =
                slice(text, &(start..member.value.start)).trim_end_matches([' ', '\n', '\r', '\t', ':']);
            member.key = start..start + tail.len();
            after = member.value.end;
        }
        self
    }
}

/// What is wrong with a text that should have been JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not JSON, or not of the kind asked for.
    Syntax(String),
    /// A name that stands twice in one object.
    Duplicate(String),
    /// More members than [`MAX_MEMBERS`].
    TooMany,
}

impl Flaw {
    fn syntax(error: serde_json::Error) -> Flaw {
        Flaw::Syntax(error.to_string())
    }
}

/// Whether well-formed JSON is nested deeper than [`MAX_DEPTH`]. Text is skipped as fast as memory is read.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = text_end(bytes, at),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// Behind the quote that ends the text whose inside begins at `at`.
fn text_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The kind of a JSON value, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    List,
    Text,
    Number,
    Bool,
    Null,
}

/// The kind of the JSON value `raw`, which was read before and so is well-formed.
pub(crate) fn kind(raw: &str) -> Kind {
    match raw.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b'"') => Kind::Text,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// The text of a JSON string, escapes resolved; `None` for another kind or a lone surrogate.
pub(crate) fn string(raw: &str) -> Option<String> {
    if kind(raw) == Kind::Text { serde_json::from_str(raw).ok() } else { None }
}

/// `text` as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Visits the elements of the list at `span` in order, until `visit` says stop by an error.
pub(crate) fn each_element<E>(
    text: &str,
    span: &Span,
    mut visit: impl FnMut(usize, Span) -> Result<(), E>,
) -> Result<(), E> {
    let mut stopped = None;
    let mut keep_on = |index, element| match visit(index, element) {
        Ok(()) => true,
        Err(stop) => {
            stopped = Some(stop);
            false
        }
    };
    let mut deserializer = serde_json::Deserializer::from_str(slice(text, span));
    // The text was checked when the body was read: the only errors left are "not a list", which has
    // no elements, and "more to come", which is how stopping early looks from outside.
    let _ = Elements { base: address(text), visit: &mut keep_on }.deserialize(&mut deserializer);
    stopped.map_or(Ok(()), Err)
}

/// The part of `text` at `span`; empty if the span is not one of its own.
pub(crate) fn slice<'t>(text: &'t str, span: &Span) -> &'t str {
    text.get(span.clone()).unwrap_or("")
}

/// White space as JSON has it (RFC 8259, section 2).
const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

fn leading_space(part: &str) -> usize {
    part.len() - part.trim_start_matches(SPACE).len()
}

fn address(text: &str) -> usize {
    text.as_ptr().addr()
}

/// Where a raw value lies in the text that begins at address `base`.
fn span_of(raw: &RawValue, base: usize) -> Span {
    let start = raw.get().as_ptr().addr().saturating_sub(base);
    start..start + raw.get().len()
}

struct Members {
    base: usize,
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Result<Vec<Member>, Flaw>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Result<Vec<Member>, Flaw>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member> = Vec::new();
        let mut too_many = false;
        while let Some(name) = map.next_key::<Box<str>>()? {
            let value = span_of(map.next_value::<&'de RawValue>()?, self.base);
            too_many |= members.len() >= MAX_MEMBERS;
            if !too_many {
                members.push(Member { name, key: 0..0, value });
            }
        }
        if too_many {
            return Ok(Err(Flaw::TooMany));
        }
        Ok(match duplicate(&members) {
            Some(name) => Err(Flaw::Duplicate(name)),
            None => Ok(members),
        })
    }
}

/// A name that stands twice, if one does.
fn duplicate(members: &[Member]) -> Option<String> {
    let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|pair| pair.first() == pair.last())
        .and_then(|pair| pair.first())
        .map(|n| (*n).into())
}

struct Elements<'v> {
    base: usize,
    visit: &'v mut dyn FnMut(usize, Span) -> bool,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            if !(self.visit)(index, span_of(raw, self.base)) {
                return Ok(());
            }
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_text() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(!is_too_deep(&nested(MAX_DEPTH)) && is_too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&format!("[{0},{0}]", nested(MAX_DEPTH - 1))), "side by side is not deep");
        assert!(is_too_deep(&"{\"a\":".repeat(MAX_DEPTH + 1)));
        for text in ["[".repeat(1000), "\\\"[".repeat(1000), "\\\\".repeat(1000)] {
            assert!(!is_too_deep(&format!("{{\"a\":\"{text}\"}}")), "{text:.9}");
        }
    }
}

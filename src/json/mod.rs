//! Where things stand in a JSON text: spans of members and elements, found without building values.
//!
//! The whole text is checked once (`grammar`); from then on what is kept are byte ranges into the one text
//! (`scan`). Never re-serialises anything; what is new is written member by member (`write`).

pub(crate) mod grammar;
mod plain;
pub(crate) mod scan;
pub(crate) mod write;

use grammar::Refusal;
use scan::{Scanner, is_deeper};
use serde::de::IgnoredAny;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::ops::Range;

/// The most members an object we look into may have; real requests have a few dozen.
const MAX_MEMBERS: usize = 4096;

/// Names of no more members than this are held against each other as they are; more are sorted first.
const FEW_MEMBERS: usize = 16;

/// The deepest nesting that a body may have: what common readers of JSON take, `serde_json` among them.
pub(crate) const MAX_DEPTH: usize = 128;

/// A byte range of the text it was found in.
pub(crate) type Span = Range<usize>;

/// One `"name": value` of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The name with its escapes resolved.
    pub name: SmolStr,
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
    /// Checks that `text` is one JSON object, no deeper than [`MAX_DEPTH`], and nothing else, and reads it.
    ///
    /// `None`: that takes more than so many `steps`, of which each value, name and escape is one.
    pub fn check(text: &str, steps: usize) -> Option<Result<Object, Flaw>> {
        let mut members = Members::default();
        match grammar::object(text.as_bytes(), steps, |key, value| members.push(text, key, value)) {
            Ok(span) => Some(members.object(span)),
            Err(Refusal::Wrong) => Some(Err(Flaw::of(text))),
            Err(Refusal::Steps) => None,
        }
    }

    /// Reads the object at `span` of `text`, which was checked before. The error says what is wrong and,
    /// for a name that stands twice, which.
    pub fn read(text: &str, span: &Span) -> Result<Object, Flaw> {
        Object::next(text, &mut Scanner::new(text, span))
    }

    /// Reads the object that is next, and goes past it, if it is well.
    fn next(text: &str, scanner: &mut Scanner<'_>) -> Result<Object, Flaw> {
        let broken = || Flaw::Syntax("a JSON object was expected".to_owned());
        if !scanner.take(b'{') {
            return Err(broken());
        }
        let start = scanner.at() - 1;
        let mut members = Members::default();
        while !scanner.take(b'}') {
            let key = scanner.value().ok_or_else(broken)?;
            let value = if scanner.take(b':') { scanner.value() } else { None };
            members.push(text, key, value.ok_or_else(broken)?);
            if members.flaw.is_some() {
                break;
            }
            scanner.take(b',');
        }
        members.object(start..scanner.at())
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| &*member.name == name)
    }
}

/// The members of an object that is being read, or what was wrong with one.
struct Members {
    found: Vec<Member>,
    flaw: Option<Flaw>,
}

impl Default for Members {
    fn default() -> Members {
        Members { found: Vec::with_capacity(FEW_MEMBERS / 2), flaw: None }
    }
}

impl Members {
    fn push(&mut self, text: &str, key: Span, value: Span) {
        if self.flaw.is_some() {
            return;
        }
        match name(slice(text, &key)) {
            _ if self.found.len() >= MAX_MEMBERS => self.flaw = Some(Flaw::TooMany),
            Ok(name) => self.found.push(Member { name, key, value }),
            Err(flaw) => self.flaw = Some(flaw),
        }
    }

    fn object(self, span: Span) -> Result<Object, Flaw> {
        let Members { found: members, flaw } = self;
        match flaw.or_else(|| duplicate(&members).map(Flaw::Duplicate)) {
            Some(flaw) => Err(flaw),
            None => Ok(Object { span, members }),
        }
    }
}

/// The name that a member's key says.
fn name(key: &str) -> Result<SmolStr, Flaw> {
    match key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(plain.into()),
        _ => serde_json::from_str::<String>(key).map(SmolStr::from).map_err(Flaw::syntax),
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
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl Flaw {
    /// Why `text` is not one JSON object.
    fn of(text: &str) -> Flaw {
        match serde_json::from_str::<IgnoredAny>(text) {
            Err(error) => Flaw::syntax(error),
            Ok(_) if is_deeper(text, MAX_DEPTH) => Flaw::TooDeep,
            Ok(_) => Flaw::Syntax("a JSON object was expected".to_owned()),
        }
    }

    fn syntax(error: serde_json::Error) -> Flaw {
        Flaw::Syntax(error.to_string())
    }
}

/// Whether `text` is a JSON object that is nested deeper than [`MAX_DEPTH`], of which nothing else is known.
pub(crate) fn is_deep_object(text: &[u8]) -> bool {
    std::str::from_utf8(text)
        .is_ok_and(|text| text.trim_ascii_start().starts_with('{') && matches!(Flaw::of(text), Flaw::TooDeep))
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
pub(crate) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?;
    match inside.strip_suffix('"') {
        Some(plain) if memchr::memchr2(b'\\', b'"', plain.as_bytes()).is_none() => Some(plain.into()),
        _ => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

/// `text` as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    if plain::is_plain(text) {
        return ["\"", text, "\""].concat();
    }
    serde_json::Value::from(text).to_string()
}

/// Visits the elements of the list at `span` in order, until `visit` says stop by an error. What is not a
/// list has none.
pub(crate) fn each_element<E>(
    text: &str,
    span: &Span,
    visit: impl FnMut(usize, Span) -> Result<(), E>,
) -> Result<(), E> {
    each(text, span, Scanner::value, visit)
}

/// As [`each_element`], with each element read in passing; `None`: it is no object.
pub(crate) fn each_object<E>(
    text: &str,
    span: &Span,
    visit: impl FnMut(usize, Option<Result<Object, Flaw>>) -> Result<(), E>,
) -> Result<(), E> {
    let next = |scanner: &mut Scanner<'_>| {
        let before = scanner.clone();
        let object = scanner.is_at(b'{').then(|| Object::next(text, scanner));
        if !matches!(object, Some(Ok(_))) {
            // It may have ended anywhere.
            *scanner = before;
            scanner.value()?;
        }
        Some(object)
    };
    each(text, span, next, visit)
}

fn each<'t, T, E>(
    text: &'t str,
    span: &Span,
    mut next: impl FnMut(&mut Scanner<'t>) -> Option<T>,
    mut visit: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut scanner = Scanner::new(text, span);
    if !scanner.take(b'[') {
        return Ok(());
    }
    let mut index = 0;
    while let Some(element) = next(&mut scanner) {
        visit(index, element)?;
        index += 1;
        scanner.take(b',');
    }
    Ok(())
}

/// The part of `text` at `span`; empty if the span is not one of its own.
pub(crate) fn slice<'t>(text: &'t str, span: &Span) -> &'t str {
    text.get(span.clone()).unwrap_or("")
}

/// A name that stands twice, if one does.
fn duplicate(members: &[Member]) -> Option<String> {
    if members.len() <= FEW_MEMBERS {
        let mut rest = members.iter();
        while let Some(member) = rest.next() {
            if rest.as_slice().iter().any(|later| later.name == member.name) {
                return Some(member.name.to_string());
            }
        }
        return None;
    }
    let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|pair| pair.first() == pair.last())
        .and_then(|pair| pair.first())
        .map(|n| (*n).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn check(text: &str) -> Result<Object, Flaw> {
        Object::check(text, usize::MAX).expect("steps enough")
    }

    /// Any JSON, as a tree.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\[\\]{}\",:\\\\]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        /// What is found is what a reader that builds values finds.
        #[test]
        fn members_and_elements_are_those_of_the_tree(
            members in prop::collection::btree_map(any::<String>(), value(), 0..5),
            pretty in any::<bool>(),
        ) {
            let tree = Value::from(serde_json::Map::from_iter(members));
            let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
            let text = format!(" {} ", text.expect("JSON"));
            let object = check(&text).expect("an object");
            prop_assert_eq!(slice(&text, &object.span), text.trim());
            let found: serde_json::Map<String, Value> = object
                .members
                .iter()
                .map(|member| {
                    let key: String = serde_json::from_str(slice(&text, &member.key)).expect("a key");
                    assert_eq!(&*key, &*member.name);
                    (key, serde_json::from_str(slice(&text, &member.value)).expect("a value"))
                })
                .collect();
            prop_assert_eq!(&Value::from(found), &tree);
            for member in &object.members {
                let mut elements = Vec::new();
                let visit = |_, span| {
                    elements.push(serde_json::from_str::<Value>(slice(&text, &span)).expect("an element"));
                    Ok::<(), ()>(())
                };
                each_element(&text, &member.value, visit).expect("nobody stops");
                let known = tree[&*member.name].as_array().cloned().unwrap_or_default();
                prop_assert_eq!(elements, known);
            }
        }

        #[test]
        fn what_is_no_object_is_refused(text in "[\\[\\]{}\",:\\\\ a1é]{0,30}") {
            let good = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object());
            let found = check(&text);
            let twice = matches!(found, Err(Flaw::Duplicate(_)));
            prop_assert!(twice || found.is_ok() == good, "{text}: {found:?}");
        }
    }
}

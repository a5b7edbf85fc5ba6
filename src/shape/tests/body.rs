//! The document: spans, edits, faults, and that nothing else changes.

use super::samples::{doc, json, members, object, sent};
use crate::shape::body::Document;
use crate::shape::check::check;
use crate::shape::dialect::Dialect;
use crate::shape::free_rule::{self, FreeRule};
use bytes::Bytes;
use proptest::prelude::*;

type Case = (&'static str, fn(&mut Document), &'static str);

#[test]
fn edits_change_their_own_bytes_only() {
    let edits: &[Case] = &[
        (r#"{"a":1}"#, |d| d.set("a", "2"), r#"{"a":2}"#),
        (r#"{ "a" : 1.0 , "b":2 }"#, |d| d.set("b", "3"), r#"{ "a" : 1.0 , "b":3 }"#),
        (r#"{}"#, |d| d.set("a", "1"), r#"{"a":1}"#),
        ("{\n}", |d| d.set("a", "1"), "{\"a\":1\n}"),
        ("{\n \"a\":1\n}", |d| d.set("b", "2"), "{\n \"a\":1,\"b\":2\n}"),
        (r#"{"a":1,"b":2,"c":3}"#, |d| d.remove("b"), r#"{"a":1,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, |d| d.remove("a"), r#"{"b":2,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, |d| d.remove("c"), r#"{"a":1,"b":2}"#),
        (r#"{ "a":1 }"#, |d| d.remove("a"), r#"{  }"#),
        (r#"{"a":1}"#, |d| d.remove("z"), r#"{"a":1}"#),
    ];
    for (before, edit, after) in edits {
        let mut document = doc(before);
        edit(&mut document);
        assert_eq!(sent(&document), *after, "{before}");
    }
}

#[test]
fn several_edits_at_once() {
    let mut document = doc(r#" {"a":1, "b":2, "c":3, "d":4} "#);
    document.remove("d");
    document.remove("c");
    document.set("a", "[1]");
    document.set("e", "5");
    document.set("f", "6");
    document.set("e", "7");
    assert_eq!(sent(&document), r#" {"a":[1], "b":2,"e":7,"f":6} "#);
    document.remove("a");
    document.remove("b");
    assert_eq!(sent(&document), r#" {"e":7,"f":6} "#);
    document.remove("e");
    document.remove("f");
    assert_eq!(sent(&document), r#" {} "#);
}

#[test]
fn accessors_see_edits() {
    let mut document = doc(r#"{"a":"x","b":true,"n":18446744073709551616,"f":1.0,"z":null}"#);
    assert_eq!(document.string("a").as_deref(), Some("x"));
    assert_eq!(document.boolean("b"), Some(true));
    assert_eq!(document.integer("n"), Some(u64::MAX));
    assert_eq!(document.integer("f"), None);
    assert_eq!((document.raw("z"), document.given("z")), (Some("null"), None));
    document.set("a", r#""y""#);
    document.remove("b");
    assert_eq!(document.string("a").as_deref(), Some("y"));
    assert_eq!(document.raw("b"), None);
}

#[test]
fn a_body_without_edits_is_the_same_bytes() {
    let bytes = Bytes::from_static(b" {\"a\" : [1,2 ]}\n");
    let shaped = Document::parse(bytes.clone()).unwrap().finish();
    assert_eq!(shaped.slices().len(), 1);
    assert_eq!(shaped.to_bytes().as_ptr(), bytes.as_ptr());
}

#[test]
fn faults_of_the_whole() {
    for (body, part) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"[]", "object"),
        (b"\"secret\"", "object"),
        (b"{\"a\":\xff}", "UTF-8"),
        (b"{\"a\":1", "well-formed"),
        (b"{\"a\":NaN}", "well-formed"),
        (b"{\"a\":1,}", "well-formed"),
        (b"{'a':1}", "well-formed"),
        (b"{\"a\":01}", "well-formed"),
        (b"{\"a\":1} x", "well-formed"),
        (b"{\"a\":\"\n\"}", "well-formed"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "object"),
    ] {
        let fault = Document::parse(Bytes::copy_from_slice(body)).unwrap_err();
        assert_eq!(fault.field, None, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
        assert!(!fault.message.contains("secret"));
    }
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    for body in [r#"{"model":"a","model":"b"}"#, r#"{"model":"a","mod\u0065l":"b"}"#] {
        let fault = Document::parse(Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(fault.field.as_deref(), Some("model"));
    }
}

#[test]
fn bombs_are_no_harm() {
    let deep = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(1_000_000));
    assert!(Document::parse(Bytes::from(deep)).is_err());
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(sent(&doc(&nested(100))), nested(100));
    let fault = Document::parse(Bytes::from(nested(200_000))).unwrap_err();
    assert!(fault.message.contains("deeper"));
    let wide: String = (0..5_000).map(|n| format!("\"k{n}\":0,")).collect();
    let fault = Document::parse(Bytes::from(format!("{{{wide}\"z\":0}}"))).unwrap_err();
    assert!(fault.message.contains("too many"));
}

proptest! {
    #[test]
    fn any_object_passes_byte_equal(list in members(json())) {
        let text = object(&list);
        prop_assert_eq!(sent(&doc(&text)), text);
    }

    #[test]
    fn an_edit_leaves_the_rest_as_it_was(list in members(json()), value in json()) {
        let mut document = doc(&object(&list));
        document.set("a_new_name", value.clone());
        let after = doc(&sent(&document));
        prop_assert_eq!(after.raw("a_new_name"), Some(value.as_str()));
        for (name, raw) in &list {
            prop_assert_eq!(after.raw(name), Some(raw.as_str()));
        }
        document.remove("a_new_name");
        prop_assert_eq!(sent(&document), object(&list));
    }

    #[test]
    fn removing_any_members_leaves_the_others(list in members(json()), gone in any::<u8>()) {
        let mut document = doc(&object(&list));
        let is_gone = |index: usize| gone >> index & 1 == 1;
        for (index, (name, _)) in list.iter().enumerate() {
            if is_gone(index) {
                document.remove(name);
            }
        }
        let text = sent(&document);
        let after = doc(&text);
        let left: Vec<&str> = after.names().collect();
        let kept: Vec<&str> =
            list.iter().enumerate().filter(|(i, _)| !is_gone(*i)).map(|(_, (n, _))| n.as_str()).collect();
        prop_assert_eq!(left, kept);
        for (index, (name, raw)) in list.iter().enumerate() {
            prop_assert_eq!(after.raw(name), (!is_gone(index)).then_some(raw.as_str()));
        }
    }

    #[test]
    fn no_bytes_can_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(Bytes::from(bytes));
    }

    #[test]
    fn no_object_can_cause_a_panic(list in members(json()), named in json(), field in field()) {
        let mut list = list;
        list.push((field.to_owned(), named));
        let Ok(document) = Document::parse(Bytes::from(object(&list))) else { return Ok(()) };
        let rule = FreeRule { suffix: ":free".to_owned() };
        for dialect in Dialect::ALL {
            let _ = check(&document, dialect);
            let _ = free_rule::check(&document, dialect, &super::samples::catalog(), &rule);
        }
    }
}

/// Fields that a rule looks into.
fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "model",
        "models",
        "messages",
        "tools",
        "plugins",
        "fallbacks",
        "provider",
        "input",
        "prompt",
        "system",
    ])
}

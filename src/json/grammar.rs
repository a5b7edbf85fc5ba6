//! Whether a text is a JSON object (RFC 8259), and where its members stand, found in one pass about as fast as
//! memory is read.
//!
//! Says yes or no: `serde_json` tells what is wrong with what is refused here. Without recursion, so nesting cannot
//! exhaust the stack.

use super::plain::plain;
use super::{MAX_DEPTH, Span};

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not one JSON object, or nested deeper than [`MAX_DEPTH`].
    Wrong,
    /// It would take more steps than it may.
    Steps,
}

/// Where the object stands, if `text` is one JSON object, nested no deeper than [`MAX_DEPTH`], and nothing else.
/// `member` is told where each name (quotes included) and its value stand, in order, also when what comes behind
/// them is refused. Other bytes than UTF-8 are taken within texts. Each value, name and escape is one of `steps`.
pub(crate) fn object(text: &[u8], steps: usize, member: impl FnMut(Span, Span)) -> Result<Span, Refusal> {
    let mut reader = Reader { bytes: text, at: 0, steps };
    let span = reader.whole(member);
    span.ok_or(if reader.steps == 0 { Refusal::Steps } else { Refusal::Wrong })
}

/// A place in a text. Each step goes past what it names, or is `None` where something else stands.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    /// How many more may be taken; none are left once one more would have been.
    steps: usize,
}

impl Reader<'_> {
    /// The object that is all there is.
    fn whole(&mut self, mut member: impl FnMut(Span, Span)) -> Option<Span> {
        self.skip_space();
        let start = self.at;
        self.require(b'{')?;
        if !self.take(b'}') {
            loop {
                let name = self.name()?;
                let value = self.value()?;
                member(name, value);
                if !self.take(b',') {
                    self.require(b'}')?;
                    break;
                }
            }
        }
        let end = self.at;
        self.skip_space();
        (self.at == self.bytes.len()).then_some(start..end)
    }

    fn step(&mut self) -> Option<()> {
        self.steps = self.steps.saturating_sub(1);
        (self.steps > 0).then_some(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Goes past `byte`, if that is the very next one.
    fn take_next(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Goes past `byte`, if that is the next one that is no white space.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.take_next(byte)
    }

    fn require(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// The name of a member, and the colon behind it.
    fn name(&mut self) -> Option<Span> {
        self.step()?;
        self.skip_space();
        let start = self.at;
        self.require(b'"')?;
        self.text()?;
        let end = self.at;
        self.require(b':')?;
        Some(start..end)
    }

    /// The value of a member of the outermost object.
    fn value(&mut self) -> Option<Span> {
        // Of the levels around the place, fewer than there are bits, the innermost last: 1 for an object, 0 for a list.
        let (mut levels, mut depth) = (0_u128, 0);
        self.skip_space();
        let start = self.at;
        loop {
            let first = *self.bytes.get(self.at)?;
            match first {
                b'"' => {
                    self.at += 1;
                    self.text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    if depth >= MAX_DEPTH {
                        return None;
                    }
                    let is_object = first == b'{';
                    levels = levels << 1 | u128::from(is_object);
                    self.at += 1;
                    if !self.take(if is_object { b'}' } else { b']' }) {
                        if is_object {
                            self.name()?;
                        }
                        self.skip_space();
                        continue;
                    }
                    (levels, depth) = (levels >> 1, depth - 1);
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            self.step()?;
            // Behind a value: another one, or the end of what it stands in.
            loop {
                if depth == 0 {
                    return Some(start..self.at);
                }
                let is_object = levels & 1 == 1;
                if self.take(b',') {
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                self.require(if is_object { b'}' } else { b']' })?;
                (levels, depth) = (levels >> 1, depth - 1);
            }
            self.skip_space();
        }
    }

    /// The rest of a text, and the quote that ends it.
    fn text(&mut self) -> Option<()> {
        loop {
            self.at += plain(self.bytes.get(self.at..)?);
            if self.take_next(b'"') {
                return Some(());
            }
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.step()?;
        let rest = self.bytes.get(self.at..)?;
        self.at += match rest {
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        Some(())
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.at += word.len();
        self.bytes.get(..self.at)?.ends_with(word).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take_next(b'-');
        if !self.take_next(b'0') {
            self.digits()?;
        }
        if self.take_next(b'.') {
            self.digits()?;
        }
        if self.take_next(b'e') || self.take_next(b'E') {
            let _ = self.take_next(b'+') || self.take_next(b'-');
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn is_object(text: &str) -> bool {
        object(text.as_bytes(), usize::MAX, |_, _| {}).is_ok()
    }

    /// What a reader of the whole grammar says.
    fn expected(text: &str) -> bool {
        let begins = text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{');
        begins && serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn the_grammar_is_kept() {
        let good_values = [
            "0",
            "-0",
            "10",
            "-1.50e+3",
            "1E9",
            "2e-7",
            "0.0",
            "true",
            "false",
            "null",
            r#""""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u00e9\uD800""#,
            "\"\u{7f}é😀\"",
            "[]",
            "[ ]",
            "[1 , [ ] ,{} ]",
            "{}",
            r#"{"a":{"b":[{}]},"c":[1,2]}"#,
        ];
        let bad_values = [
            "-",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "tru",
            "True",
            "nul",
            "nulll",
            "'a'",
            "\"",
            "\"a",
            "\"\\\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            "\"\n\"",
            "\"\u{1f}\"",
            "[",
            "]",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            "{1:2}",
            r#"{"a":1]"#,
            "{,}",
            "1 2",
            "1,",
            "\u{a0}1",
        ];
        for (values, good) in [(good_values.as_slice(), true), (bad_values.as_slice(), false)] {
            for value in values {
                for (before, after) in
                    [("", ""), (" \n", "\r\t"), ("[", "]"), (r#"{"y":"#, "}"), ("[0,", ",0]")]
                {
                    let text = format!(r#" {{ "x" :{before}{value}{after}, "z":0}} "#);
                    assert_eq!(is_object(&text), good, "{text}");
                    assert_eq!(expected(&text), good, "{text}");
                }
            }
        }
        for text in
            ["", " ", "1", "[]", "null", "{} {}", "{}x", "x{}", "\u{feff}{}", "{", r#"{"a":1"#, r#"{"a""#]
        {
            assert!(!is_object(text), "{text}");
        }
        assert_eq!(object(b" {} ", usize::MAX, |_, _| panic!("it has none")), Ok(1..3));
    }

    #[test]
    fn steps_are_counted() {
        for (text, steps) in [
            ("{}", 1),
            (r#"{"a":1}"#, 3),
            (r#"{"a":"b"}"#, 3),
            (r#"{"a":"\n\u0000,,[]"}"#, 5),
            (r#"{"a":[1,2]}"#, 4),
            (r#"{"a":{"b":null}}"#, 4),
        ] {
            let read = |steps| object(text.as_bytes(), steps, |_, _| {});
            assert_eq!(read(steps), Ok(0..text.len()), "{text}");
            assert!(steps == 1 || read(steps - 1) == Err(Refusal::Steps), "{text}");
        }
        assert_eq!(object(br#"{"a":1"#, 3, |_, _| {}), Err(Refusal::Wrong));
    }

    #[test]
    fn a_text_may_have_any_length_and_its_end_anywhere() {
        for length in (0..200).chain([255, 256, 300, 351, 352, 700]) {
            let plain = "x".repeat(length);
            for (inside, good) in [("", true), (r"\n", true), ("\n", false), ("\\", false), ("\"", false)] {
                assert_eq!(is_object(&format!(r#"{{"a":"{plain}{inside}"}}"#)), good, "{length} {inside:?}");
                assert_eq!(is_object(&format!(r#"{{"a":"{inside}{plain}é"}}"#)), good, "{inside:?} {length}");
            }
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |open: &str, close: &str, depth: usize| {
            format!(r#"{{"a":{}1{}}}"#, open.repeat(depth), close.repeat(depth))
        };
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            assert!(is_object(&nested(open, close, MAX_DEPTH - 1)));
            assert!(!is_object(&nested(open, close, MAX_DEPTH)));
            assert!(!is_object(&nested(open, close, 100_000)));
        }
        assert!(is_object(&format!(r#"{{"a":[{}]}}"#, ["[[]]"; 500].join(","))), "side by side is not deep");
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_another_reader_reads(text in r#"[\[\]{}",:\\ \n\t01a.e+\-éu]{0,24}"#) {
            prop_assert_eq!(is_object(&text), expected(&text));
            let inside = format!("{{\"a\":{text}}}");
            prop_assert_eq!(is_object(&inside), expected(&inside), "{}", inside);
        }

        #[test]
        fn a_broken_byte_is_found(at in 0usize..80, byte in any::<u8>()) {
            let mut bytes = br#"{"a":[1,-2.5e3,"b\u00e9\n",true,{"c":null,"d":{}}],"e":"0123456789012345678"}"#.to_vec();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Ok(text) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(is_object(text), expected(text), "{}", text);
            }
        }
    }
}

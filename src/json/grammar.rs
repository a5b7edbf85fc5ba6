//! Whether a text is a JSON object (RFC 8259), and where its members stand, found in one pass about as fast as
//! memory is read.
//!
//! Says yes or no: `serde_json` tells what is wrong with what is refused here. Without recursion, so nesting cannot
//! exhaust the stack.

use super::{MAX_DEPTH, Span};

/// Where the object stands, if `text` is one JSON object, nested no deeper than [`MAX_DEPTH`], and nothing else.
/// `member` is told where each name (quotes included) and its value stand, in order, also when what comes behind
/// them is refused. Other bytes than UTF-8 are taken within texts.
pub(crate) fn object(text: &[u8], mut member: impl FnMut(Span, Span)) -> Option<Span> {
    let mut reader = Reader { bytes: text, at: 0 };
    reader.skip_space();
    let start = reader.at;
    reader.require(b'{')?;
    if !reader.take(b'}') {
        loop {
            let name = reader.name()?;
            let value = reader.value()?;
            member(name, value);
            if !reader.take(b',') {
                reader.require(b'}')?;
                break;
            }
        }
    }
    let end = reader.at;
    reader.skip_space();
    (reader.at == text.len()).then_some(start..end)
}

/// Whether `text` needs no escapes to stand between the quotes of a JSON string.
pub(crate) fn is_plain(text: &str) -> bool {
    // All bytes are looked at, wherever the first special one stands: so several are at once.
    !text.bytes().fold(false, |found, byte| found | is_special(byte))
}

/// A place in a text. Each step goes past what it names, or is `None` where something else stands.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
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

/// How many bytes of a text stand for themselves (RFC 8259, section 7) before one that does not.
fn plain(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    /// Most texts, of names and roles, end before here: longer ones are looked at by the block.
    const SHORT: usize = 32;
    // Without a branch for each byte, so that many are looked at in one instruction.
    let is_plain = |block: &&[u8; BLOCK]| !block.iter().fold(false, |found, byte| found | is_special(*byte));
    let mut at = 0;
    while let Some((word, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk()) {
        if let Some(found) = first_special(*word) {
            return at + found;
        }
        at += word.len();
        if at == SHORT {
            let (blocks, _) = rest.as_chunks::<BLOCK>();
            at += BLOCK * blocks.iter().take_while(is_plain).count();
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// Whether a byte does not stand for itself.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Where the first byte stands that does not stand for itself, found without a branch for each: what is subtracted
/// from a byte borrows from its highest bit where the byte was smaller, and from those of later ones at most.
fn first_special(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let is_below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| is_below(word ^ (ONES * u64::from(byte)), 1);
    let found = (is_below(word, b' ') | is(b'"') | is(b'\\')) & HIGHEST;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn is_object(text: &str) -> bool {
        object(text.as_bytes(), |_, _| {}).is_some()
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
        assert_eq!(object(b" {} ", |_, _| panic!("it has none")), Some(1..3));
    }

    #[test]
    fn a_text_may_have_any_length_and_its_end_anywhere() {
        for length in 0..200 {
            let plain = "x".repeat(length);
            for (inside, good) in [("", true), (r"\n", true), ("\n", false), ("\\", false), ("\"", false)] {
                assert_eq!(is_object(&format!(r#"{{"a":"{plain}{inside}"}}"#)), good, "{length} {inside:?}");
                assert_eq!(is_object(&format!(r#"{{"a":"{inside}{plain}é"}}"#)), good, "{inside:?} {length}");
            }
            assert_eq!(super::plain(plain.as_bytes()), length);
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
        fn the_first_special_byte_is_found(word in prop::array::uniform8(any::<u8>())) {
            let is_special = |byte: &u8| *byte < b' ' || b"\"\\".contains(byte);
            prop_assert_eq!(first_special(word), word.iter().position(is_special));
        }

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

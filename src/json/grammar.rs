//! Whether a text is a JSON object (RFC 8259), and where its members stand, found in one pass about as fast as
//! memory is read.
//!
//! Says yes or no: `serde_json` tells what is wrong with what is refused here. Without recursion, so nesting cannot
//! exhaust the stack.

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
pub(crate) fn object(
    text: &[u8],
    steps: usize,
    member: impl FnMut(Span, Span),
) -> Result<Span, Refusal> {
    let mut reader = Reader { bytes: text, at: 0, steps };
    let span = reader.whole(member);
    span.ok_or(if reader.steps == 0 { Refusal::Steps } else { Refusal::Wrong })
}

/// Whether `text` needs no escapes to stand between the quotes of a JSON string.
pub(crate) fn is_plain(text: &str) -> bool {
    is_plain_block(text.as_bytes())
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

/// How many bytes of a text stand for themselves (RFC 8259, section 7) before one that does not.
fn plain(bytes: &[u8]) -> usize {
    /// Most texts, of names and roles, end before here: longer ones are looked at by the block.
    const SHORT: usize = 32;
    let mut at = 0;
    while let Some((word, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk()) {
        if let Some(found) = first_special(*word) {
            return at + found;
        }
        at += word.len();
        if at == SHORT {
            at += plain_blocks::<256>(rest);
            at += plain_blocks::<64>(bytes.get(at..).unwrap_or_default());
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// How many bytes stand in those blocks at the beginning that have none but such as stand for themselves.
fn plain_blocks<const BLOCK: usize>(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    BLOCK * blocks.iter().take_while(|block| is_plain_block(*block)).count()
}

/// Whether all bytes of a block stand for themselves: found by their least, with no branch and no comparison for
/// each, so that many are looked at in one instruction.
fn is_plain_block(block: &[u8]) -> bool {
    // Puts the quote among those below the space, with the space itself above, and the backslash on their highest.
    const HIGHEST: u8 = b' ';
    let folded = |byte: u8| (byte ^ 2).min((byte ^ b'\\').saturating_add(HIGHEST));
    block.iter().fold(u8::MAX, |least, byte| least.min(folded(*byte))) > HIGHEST
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
    fn every_byte_is_special_in_a_block_or_alone() {
        for byte in 0..=u8::MAX {
            for place in [0, 31, 63] {
                let mut block = [b'x'; 64];
                block[place] = byte;
                assert_eq!(is_plain_block(&block), !is_special(byte), "{byte}");
            }
        }
    }

    #[test]
    fn a_text_may_have_any_length_and_its_end_anywhere() {
        for length in (0..200).chain([255, 256, 300, 351, 352, 700]) {
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

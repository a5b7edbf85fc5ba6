//! Counting tokens with `o200k_base`: an estimate for every model, for each has a tokenizer of its own
//! (`openrouter-api.md` section 4); the margin in `max_tokens` covers the difference.
//!
//! Text is counted in bounded pieces, cut where the tokenizer would part them anyway, because it fails
//! on very long runs of white space and is slow on long words (stack facts, section 0). Never panics,
//! whatever the text. Counting a megabyte takes tens of milliseconds: not for a worker thread.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::prompt::walk;
use super::remembered::{Reading, Remembered};
use std::borrow::Cow;
use std::collections::HashSet;

/// What one image counts as; models range from about 250 to 1,600.
pub const IMAGE_TOKENS: u64 = 1_024;

/// What one file, sound or video counts as: their size says little of their tokens.
pub const FILE_TOKENS: u64 = 2_048;

/// The longest piece of text the tokenizer is given, in bytes.
const PIECE: usize = 16 * 1024;

/// Loads the tokenizer (about 150 ms and 46 MB), so that the first count need not.
pub fn warm_up() {
    tiktoken_rs::o200k_base_singleton();
}

/// The tokens of a request's prompt; texts that were `seen` before are not counted again. Stops early
/// once `limit` is passed: then the figure is a lower bound, and above `limit`.
pub fn count(doc: &Document, dialect: Dialect, limit: u64, seen: &Remembered) -> Result<u64, BodyFault> {
    let mut meter = Exact { total: 0, limit, seen };
    walk(doc, dialect, &mut meter)?;
    Ok(meter.total)
}

/// A figure that [`count`] cannot exceed, found without the tokenizer: no token is shorter than a byte.
pub fn at_most(doc: &Document, dialect: Dialect) -> Result<u64, BodyFault> {
    let mut meter = Longest { total: 0 };
    walk(doc, dialect, &mut meter)?;
    Ok(meter.total)
}

/// What takes the measure of a prompt, part by part.
pub(crate) trait Meter {
    /// A JSON string whose text the model reads.
    fn text(&mut self, raw: &str);
    /// A JSON value that the model reads as it stands, data URLs aside.
    fn json(&mut self, raw: &str);
    /// A fixed figure, in tokens.
    fn add(&mut self, tokens: u64);
}

/// Counts bytes.
struct Longest {
    total: u64,
}

impl Meter for Longest {
    fn text(&mut self, raw: &str) {
        self.add(raw.len() as u64);
    }

    fn json(&mut self, raw: &str) {
        self.add(raw.len() as u64);
    }

    fn add(&mut self, tokens: u64) {
        self.total = self.total.saturating_add(tokens);
    }
}

/// Counts tokens.
struct Exact<'a> {
    total: u64,
    limit: u64,
    seen: &'a Remembered,
}

impl Meter for Exact<'_> {
    fn text(&mut self, raw: &str) {
        self.measured(Reading::Text, raw, |meter| meter.plain(&unescape(raw)));
    }

    fn json(&mut self, raw: &str) {
        self.measured(Reading::Verbatim, raw, |meter| meter.value(raw));
    }

    fn add(&mut self, tokens: u64) {
        self.total = self.total.saturating_add(tokens);
    }
}

impl Exact<'_> {
    /// Adds what `measure` adds for `raw`, from memory where it was measured before.
    fn measured(&mut self, reading: Reading, raw: &str, measure: impl FnOnce(&mut Self)) {
        let (before, seen) = (self.total, self.seen);
        let known = seen.tokens(reading, raw, || {
            measure(self);
            // Above the limit it may not have been measured to its end.
            (self.total <= self.limit).then(|| self.total - before)
        });
        if let Some(tokens) = known {
            self.total = before.saturating_add(tokens);
        }
    }

    /// A JSON value as it stands, data URLs aside.
    fn value(&mut self, raw: &str) {
        const MARK: &str = ";base64,";
        let mut rest = raw;
        while let Some(at) = memchr::memmem::find(rest.as_bytes(), MARK.as_bytes()) {
            let (before, after) = rest.split_at(at + MARK.len());
            self.plain(before);
            let end = memchr::memchr(b'"', after.as_bytes()).unwrap_or(after.len());
            self.add(FILE_TOKENS.min(end as u64));
            rest = after.get(end..).unwrap_or("");
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() && self.total <= self.limit {
            let (piece, tail) = rest.split_at(piece_end(rest));
            self.add(count_piece(piece));
            rest = tail;
        }
    }
}

fn count_piece(piece: &str) -> u64 {
    let counted = tiktoken_rs::o200k_base_singleton().count(piece, &HashSet::new());
    // It fails only on text it cannot part; then every byte may be a token.
    counted.unwrap_or(piece.len()) as u64
}

/// Where the first piece of `text` ends: at the last place within [`PIECE`] bytes where the
/// tokenizer's pattern always parts, else at the last character that fits.
fn piece_end(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let longest = text.floor_char_boundary(PIECE);
    let mut next = text.get(longest..).and_then(|tail| tail.chars().next()).unwrap_or(' ');
    for (at, before) in text.get(..longest).unwrap_or("").char_indices().rev() {
        if always_parts(before, next) {
            return at + before.len_utf8();
        }
        next = before;
    }
    longest
}

/// Whether the pattern of `o200k_base` ends a piece between these two whatever stands around them: a
/// run of letters or of digits ends at the first character of another kind, but for the apostrophe
/// of `it's`.
fn always_parts(before: char, next: char) -> bool {
    let kind = |c: char| (c.is_alphabetic(), c.is_numeric());
    before.is_alphanumeric() && kind(before) != kind(next) && next != '\''
}

/// The text of a JSON string; a lone surrogate becomes U+FFFD, which counts much the same.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let (c, length) = escaped(escape);
        text.push(c);
        rest = escape.get(length..).unwrap_or("");
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of an escape and the bytes it takes after the backslash.
fn escaped(escape: &str) -> (char, usize) {
    match escape.as_bytes().first() {
        Some(b'n') => ('\n', 1),
        Some(b't') => ('\t', 1),
        Some(b'r') => ('\r', 1),
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'u') => unicode(escape),
        Some(&other) if other.is_ascii() => (char::from(other), 1),
        _ => ('\u{fffd}', 0),
    }
}

/// The character of `uXXXX`, or of a pair of surrogates.
fn unicode(escape: &str) -> (char, usize) {
    let unit = |at: usize| escape.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(1) else { return ('\u{fffd}', 1) };
    if let (0xd800..=0xdbff, Some("\\u"), Some(second @ 0xdc00..=0xdfff)) = (first, escape.get(5..7), unit(7))
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 11);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> u64 {
        let seen = Remembered::default();
        let mut meter = Exact { total: 0, limit: u64::MAX, seen: &seen };
        meter.plain(text);
        meter.total
    }

    fn whole(text: &str) -> u64 {
        tiktoken_rs::o200k_base_singleton().count(text, &HashSet::new()).unwrap() as u64
    }

    #[test]
    fn pieces_count_like_the_whole() {
        let english = "It's the owner's 1234567 words, isn't it?\n\n  Next line: x=1; ".repeat(2_000);
        let chinese = "他们说，今天的天气很好。我们去公园吧！".repeat(3_000);
        let code =
            "fn main() {\n    let x1 = foo_bar(\"a\", 0x7f)?;\n\tprintln!(\"{x1}\");\n}\n".repeat(2_000);
        for text in [english, chinese, code] {
            assert_eq!(pieces(&text), whole(&text));
        }
    }

    #[test]
    fn texts_that_break_a_tokenizer_are_counted() {
        for text in [" ".repeat(3_000_000), "a".repeat(300_000), "\n".repeat(200_000), "é".repeat(100_000)] {
            let counted = pieces(&text);
            assert!(counted > 0 && counted <= text.len() as u64);
        }
    }

    #[test]
    fn counting_stops_once_it_is_too_much() {
        let seen = Remembered::default();
        let mut meter = Exact { total: 0, limit: 1_000, seen: &seen };
        meter.plain(&"word ".repeat(1_000_000));
        assert!(meter.total > 1_000 && meter.total < 20_000);
    }

    #[test]
    fn what_was_seen_counts_the_same() {
        let seen = Remembered::default();
        let turn = |number: u64| {
            format!("{{\"role\":\"user\",\"content\":\"turn {number}: {}\"}}", "some words\\n".repeat(50))
        };
        let mut turns = Vec::new();
        for number in 0..20 {
            turns.push(turn(number));
            let body = format!(
                "{{\"model\":\"m\",\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"look_up_the_weather_of_a_place\"}}}}],\"messages\":[{}]}}",
                turns.join(",")
            );
            let doc = Document::parse(bytes::Bytes::from(body)).unwrap();
            let fresh = count(&doc, Dialect::Chat, u64::MAX, &Remembered::default()).unwrap();
            assert_eq!(count(&doc, Dialect::Chat, u64::MAX, &seen).unwrap(), fresh);
            assert!(count(&doc, Dialect::Chat, fresh / 2, &seen).unwrap() > fresh / 2);
        }
    }

    #[test]
    fn data_urls_are_not_text() {
        let seen = Remembered::default();
        let mut meter = Exact { total: 0, limit: u64::MAX, seen: &seen };
        meter.json(&format!(r#"{{"a":"data:image/png;base64,{}","b":1}}"#, "QUJD".repeat(100_000)));
        assert!(meter.total >= FILE_TOKENS && meter.total < FILE_TOKENS + 50);
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescape(r#""a\n\t\"\\\/\u00e9\ud83d\ude00\ud83d""#), "a\n\t\"\\/é😀\u{fffd}");
        assert!(matches!(unescape(r#""plain""#), Cow::Borrowed("plain")));
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text in any::<String>()) {
            let raw = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&raw), text);
        }

        #[test]
        fn unescaping_never_panics(text in "(\\\\|u|d8|dc|00|[a-f0-9é😀\"]){0,30}") {
            let _ = unescape(&text);
        }
    }
}

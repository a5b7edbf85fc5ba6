//! Finds its way in JSON that was checked before: where values begin and end, without looking into them.
//!
//! A long text is passed over as fast as memory is read, which a reader that checks cannot do; the bodies of
//! requests are looked through several times. What is not JSON gives odd spans, never a panic.

use super::Span;

/// A place in a text.
#[derive(Clone)]
pub(crate) struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    /// At the beginning of `span`, and not beyond its end.
    pub fn new(text: &'t str, span: &Span) -> Scanner<'t> {
        Scanner { bytes: text.as_bytes().get(..span.end).unwrap_or_default(), at: span.start }
    }

    /// At the beginning of `bytes`.
    pub fn of(bytes: &'t [u8]) -> Scanner<'t> {
        Scanner { bytes, at: 0 }
    }

    /// Where it is.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether `byte` is the next one that is no white space (RFC 8259, section 2).
    pub fn is_at(&mut self, byte: u8) -> bool {
        self.next() == Some(byte)
    }

    /// Goes past `byte`, if that is the next one that is no white space.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.is_at(byte);
        self.at += usize::from(found);
        found
    }

    /// Goes past the next value; where it stands.
    pub fn value(&mut self) -> Option<Span> {
        let first = self.next()?;
        let start = self.at;
        self.at = match first {
            b'"' => text_end(self.bytes, start + 1),
            b'{' | b'[' => self.nested_end(),
            _ => {
                let rest = self.bytes.get(start..).unwrap_or_default();
                let end = rest.iter().position(|byte| b",:]} \n\r\t".contains(byte));
                start + end.unwrap_or(rest.len())
            }
        };
        (self.at > start).then_some(start..self.at)
    }

    /// Goes past the object that is next, if one is; `visit` is told the names of its members as they stand between
    /// the quotes, and may go past the value itself.
    pub fn object(&mut self, mut visit: impl FnMut(&mut Scanner<'t>, &'t [u8])) -> bool {
        self.nested(b'{', b'}', |scanner| {
            let Some(name) = scanner.raw() else { return false };
            scanner.take(b':');
            scanner.step(|scanner| visit(scanner, inside(name)))
        })
    }

    /// Goes past the list that is next, if one is; `visit` is called for each of its elements, and may go past it
    /// itself.
    pub fn list(&mut self, mut visit: impl FnMut(&mut Scanner<'t>)) -> bool {
        self.nested(b'[', b']', |scanner| scanner.step(&mut visit))
    }

    /// Goes past a value, of which `visit` may go past itself; whether there is one.
    fn step(&mut self, visit: impl FnOnce(&mut Scanner<'t>)) -> bool {
        // Whoever looks what the value is goes past the white space before it at least.
        self.next();
        let start = self.at;
        visit(self);
        self.at > start || self.value().is_some()
    }

    fn nested(&mut self, open: u8, close: u8, mut step: impl FnMut(&mut Scanner<'t>) -> bool) -> bool {
        let is_there = self.take(open);
        while is_there && !self.take(close) && step(self) {
            self.take(b',');
        }
        is_there
    }

    /// Goes past the next value, and says how it stands there.
    pub fn raw(&mut self) -> Option<&'t [u8]> {
        let span = self.value()?;
        self.bytes.get(span)
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !b" \n\r\t".contains(&byte) {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn nested_end(&self) -> usize {
        let (mut at, mut depth) = (self.at, 0_usize);
        while let Some(byte) = self.bytes.get(at) {
            at += 1;
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                b'"' => at = text_end(self.bytes, at),
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.bytes.len()
    }
}

/// What stands between the quotes of a JSON string.
fn inside(raw: &[u8]) -> &[u8] {
    match raw {
        [b'"', inside @ .., b'"'] => inside,
        _ => raw,
    }
}

/// Whether JSON is nested deeper than `most`.
pub(crate) fn is_deeper(text: &str, most: usize) -> bool {
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
        if depth > most {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nesting_is_counted_outside_of_text() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(!is_deeper(&nested(9), 9) && is_deeper(&nested(10), 9));
        assert!(!is_deeper(&format!("[{0},{0}]", nested(8)), 9), "side by side is not deep");
        assert!(is_deeper(&"{\"a\":".repeat(10), 9));
        for text in ["[".repeat(1000), "\\\"[".repeat(1000), "\\\\".repeat(1000)] {
            assert!(!is_deeper(&format!("{{\"a\":\"{text}\"}}"), 9), "{text:.9}");
        }
    }

    #[test]
    fn values_end_where_they_end() {
        for value in
            ["1", "-1.5e+3", "true", "null", r#""""#, r#""a\"b\\""#, "[]", r#"{"a":[1,"]"],"b":{"c":"}"}}"#]
        {
            for (before, after) in [("", ""), (" \n", " "), ("", ","), ("\t", "]"), ("", " }")] {
                let text = format!("{before}{value}{after}");
                let span = Scanner::new(&text, &(0..text.len())).value().expect("a value");
                assert_eq!(&text[span], value, "{text}");
            }
        }
    }

    #[test]
    fn members_and_elements_are_walked_whether_they_are_gone_past_or_not() {
        let text = br#"{"a" : [1, {"b":"]"}, [ ]] ,"c":{},"d\n":"e"} "#;
        for goes_past in [true, false] {
            let (mut scanner, mut names, mut found) = (Scanner::of(text), Vec::new(), Vec::new());
            let is_object = scanner.object(|scanner, name| {
                names.push(name);
                if name == b"a" {
                    let is_list = scanner.list(|scanner| {
                        if goes_past {
                            found.extend(scanner.raw());
                        }
                    });
                    assert!(is_list && !scanner.list(|_| panic!("there is one list")));
                } else if goes_past {
                    found.extend(scanner.raw());
                }
            });
            assert!(is_object && text.len() - scanner.at() == 1);
            assert_eq!(names, [b"a".as_slice(), b"c", br"d\n"]);
            let all = [b"1".as_slice(), br#"{"b":"]"}"#, b"[ ]", b"{}", br#""e""#];
            assert_eq!(found, if goes_past { all.as_slice() } else { &[] });
        }
        // To look is not to go past.
        let (mut scanner, mut seen) = (Scanner::of(br#"{"a": 1,"b": [ 2, "x" ]}"#), 0);
        scanner.object(|scanner, name| {
            assert!(!scanner.object(|_, _| {}));
            let is_list = scanner.list(|scanner| seen += 1 + usize::from(scanner.list(|_| {})));
            assert_eq!(is_list, name == b"b");
        });
        assert_eq!((seen, scanner.next()), (2, None));
        for other in [b"[1]".as_slice(), b"1", b"", b"null"] {
            assert!(!Scanner::of(other).object(|_, _| panic!("it has no members")));
        }
    }

    #[test]
    fn what_is_cut_off_or_no_json_ends_somewhere() {
        for text in ["", " ", "\"", "\"\\", "[", "{\"a", "]", ",", "[\"]"] {
            let mut scanner = Scanner::new(text, &(0..text.len()));
            let _ = scanner.value();
            assert!(scanner.at() <= text.len(), "{text}");
        }
        assert_eq!(Scanner::new("ab", &(5..9)).value(), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_or_goes_beyond_the_end(text in "[\\[\\]{}\",:\\\\ a1é]{0,40}", start in 0usize..50) {
            let mut scanner = Scanner::new(&text, &(start..text.len()));
            while scanner.take(b',') || scanner.value().is_some() {}
            prop_assert!(scanner.at() <= text.len().max(start));
            let mut scanner = Scanner::new(&text, &(start..text.len()));
            scanner.list(|_| {});
            scanner.object(|scanner, _| {
                scanner.list(|_| {});
            });
            prop_assert!(scanner.at() <= text.len().max(start));
        }
    }
}

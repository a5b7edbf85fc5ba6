//! Splits a stream of server-sent events at its blank lines, wherever the network cut it
//! (WHATWG HTML, "Server-sent events": lines end in LF, CRLF or CR; a blank line ends an event).
//!
//! Pure. Bytes pass through unchanged and, unless an event spans two chunks, uncopied. An event is
//! released only when it is whole, so that half an event never reaches a client.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::borrow::Cow;

/// The most bytes one event may have: a whole image as base64 still fits.
pub const MAX_EVENT: usize = 32 * 1024 * 1024;

/// Cuts chunks into whole events.
#[derive(Debug, Default)]
pub struct Splitter {
    held: BytesMut,
    line_has_text: bool,
    after_cr: bool,
    event_has_text: bool,
}

/// An event grew beyond [`MAX_EVENT`].
#[derive(Debug, PartialEq, Eq)]
pub struct EventTooLarge;

impl Splitter {
    /// Takes the next chunk and appends to `events` every event that is now whole, in order, each
    /// with the blank line that ends it. The rest is held until more comes.
    pub fn feed(&mut self, chunk: Bytes, events: &mut Vec<Bytes>) -> Result<(), EventTooLarge> {
        let mut start = 0;
        let mut position = 0;
        while let Some(end) = self.next_boundary(&chunk, &mut position) {
            let part = chunk.slice(start..end);
            start = end;
            if self.held.is_empty() {
                events.push(part);
            } else {
                self.held.extend_from_slice(&part);
                events.push(self.held.split().freeze());
            }
        }
        if self.held.len() + chunk.len() - start > MAX_EVENT {
            return Err(EventTooLarge);
        }
        self.held.extend_from_slice(&chunk[start..]);
        Ok(())
    }

    /// What was held back when the stream ended: the beginning of an event that never ended.
    pub fn into_rest(self) -> Bytes {
        self.held.freeze()
    }

    /// Scans `chunk` from `position`; the index behind the next blank line that ends an event.
    fn next_boundary(&mut self, chunk: &[u8], position: &mut usize) -> Option<usize> {
        while *position < chunk.len() {
            if self.after_cr {
                self.after_cr = false;
                if chunk[*position] == b'\n' {
                    *position += 1;
                    // The second half of a CRLF whose blank line has already ended the event
                    // belongs to that event's bytes only if it came in the same chunk.
                    continue;
                }
            }
            let Some(offset) = memchr2(b'\n', b'\r', &chunk[*position..]) else {
                self.line_has_text = true;
                self.event_has_text = true;
                *position = chunk.len();
                return None;
            };
            let line_has_text = self.line_has_text || offset > 0;
            self.event_has_text |= line_has_text;
            self.line_has_text = false;
            *position += offset;
            let cr = chunk[*position] == b'\r';
            *position += 1;
            if cr && chunk.get(*position) == Some(&b'\n') {
                *position += 1;
            } else {
                self.after_cr = cr;
            }
            if !line_has_text && self.event_has_text {
                self.event_has_text = false;
                return Some(*position);
            }
        }
        None
    }
}

/// The `data` of an event: its data lines joined by LF, or `None` when it has none (comments).
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found: Option<Cow<'_, [u8]>> = None;
    let mut rest = event;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()));
        rest = behind.get(1..).unwrap_or_default();
        let Some(value) = field(line, b"data") else { continue };
        found = Some(match found {
            None => Cow::Borrowed(value),
            Some(first) => {
                let mut joined = first.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
    found
}

/// The value of `line` if it is the field `name`; one space after the colon is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for chunk in chunks {
            splitter.feed(Bytes::copy_from_slice(chunk), &mut events).expect("small events");
        }
        (events, splitter.into_rest())
    }

    #[test]
    fn every_kind_of_line_end_ends_an_event() {
        for text in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            let (events, rest) = split(&[text.as_bytes()]);
            assert_eq!(events.len(), 2, "{text:?}");
            assert_eq!(data(&events[1]).as_deref(), Some(&b"b"[..]), "{text:?}");
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn the_unfinished_rest_is_held() {
        let (events, rest) = split(&[b": hi\n\ndata: {\"a\"", b":1}\n"]);
        assert_eq!(events, [Bytes::from_static(b": hi\n\n")]);
        assert_eq!(&rest[..], b"data: {\"a\":1}\n");
    }

    #[test]
    fn data_lines_are_joined_and_comments_have_none() {
        assert_eq!(data(b": comment\n\n"), None);
        assert_eq!(data(b"event: x\ndata: 1\ndata:2\n\n").as_deref(), Some(&b"1\n2"[..]));
        assert_eq!(data(b"database: 1\n\n"), None);
        assert_eq!(data(b"data\n\n").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut splitter = Splitter::default();
        let big = Bytes::from(vec![b'x'; MAX_EVENT]);
        let mut events = Vec::new();
        assert_eq!(splitter.feed(big, &mut events), Ok(()));
        assert_eq!(splitter.feed(Bytes::from_static(b"x"), &mut events), Err(EventTooLarge));
    }

    proptest! {
        #[test]
        fn any_chunking_keeps_bytes_and_data(
            lines in proptest::collection::vec("(data: ?[a-zäö]{0,5}|: c|event: x|)", 0..20),
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
            cuts in proptest::collection::vec(1usize..7, 0..60),
        ) {
            let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            let whole = split(&[text.as_bytes()]);
            let mut chunks: Vec<&[u8]> = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            let parts = split(&chunks);
            let datas = |events: &[Bytes]| {
                events.iter().map(|event| data(event).map(Cow::into_owned)).collect::<Vec<_>>()
            };
            prop_assert_eq!(datas(&whole.0), datas(&parts.0));
            let joined: Vec<u8> = parts.0.iter().chain([&parts.1]).flat_map(|part| part.to_vec()).collect();
            prop_assert_eq!(joined, text.into_bytes());
        }
    }
}

//! Builds a stream of server-sent events and cuts it into network pieces, through characters and
//! through `data:` too, as a real network does. Knows nothing of what the events say.
//!
//! Never loses or adds a byte when it cuts.

use super::reply::Step;
use super::steer::Steer;
use bytes::Bytes;
use serde::Serialize;

/// The comment with which OpenRouter keeps connections alive.
pub(super) const COMMENT: &[u8] = b": OPENROUTER PROCESSING\n\n";

/// A stream under construction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Stream {
    /// A processing comment.
    pub(super) fn comment(&mut self) {
        self.bytes.extend_from_slice(COMMENT);
    }

    /// The comments before the first event.
    pub(super) fn open(&mut self, steer: &Steer) {
        for _ in 0..steer.comments.unwrap_or(2) {
            self.comment();
        }
    }

    /// A `data:` event.
    pub(super) fn data(&mut self, event: &impl Serialize) {
        self.bytes.extend_from_slice(b"data: ");
        // Serialising into memory cannot fail; a broken event would be seen by every test.
        let _ = serde_json::to_writer(&mut self.bytes, event);
        self.end();
    }

    /// An `event:` with its `data:`, Anthropic's way.
    pub(super) fn named(&mut self, name: &str, event: &impl Serialize) {
        self.bytes.extend_from_slice(b"event: ");
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'\n');
        self.data(event);
    }

    /// `data: [DONE]`.
    pub(super) fn done(&mut self) {
        self.bytes.extend_from_slice(b"data: [DONE]");
        self.end();
    }

    fn end(&mut self) {
        self.bytes.extend_from_slice(b"\n\n");
        self.ends.push(self.bytes.len());
    }

    /// The steps that send it.
    pub(super) fn steps(self, steer: &Steer) -> Vec<Step> {
        let cuts = match steer.split {
            Some(size) => (size..self.bytes.len()).step_by(size).collect(),
            None => self.natural_cuts(),
        };
        let whole = Bytes::from(self.bytes);
        let mut steps = Vec::with_capacity(cuts.len() * 2 + 2);
        let mut ends = self.ends.iter().peekable();
        let mut from = 0;
        for to in cuts.into_iter().chain([whole.len()]) {
            steps.push(Step::Send(whole.slice(from..to)));
            let mut ended = false;
            while ends.next_if(|end| **end <= to).is_some() {
                ended = true;
            }
            if ended && !steer.delay.is_zero() {
                steps.push(Step::Wait(steer.delay));
            } else if !steer.burst {
                steps.push(Step::Flush);
            }
            from = to;
        }
        steps
    }

    /// One piece an event; but every second event that can is cut inside a character, and every
    /// third one takes the first letters of the next `data:` along.
    fn natural_cuts(&self) -> Vec<usize> {
        let mut cuts = Vec::with_capacity(self.ends.len() * 2);
        let mut start = 0;
        for (at, &end) in self.ends.iter().enumerate() {
            let event = self.bytes.get(start..end).unwrap_or_default();
            if at % 2 == 0
                && let Some(lead) = event.iter().position(|byte| *byte >= 0xC0)
            {
                cuts.push(start + lead + 1);
            }
            let cut = if at % 3 == 2 { end + 3 } else { end };
            if cut < self.bytes.len() {
                cuts.push(cut);
            }
            start = end;
        }
        cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        let mut stream = Stream::default();
        stream.open(&Steer::default());
        for text in ["Grüße", "東京", "plain", "👋", "ok"] {
            stream.data(&text);
        }
        stream.done();
        stream
    }

    #[test]
    fn pieces_cut_through_characters_and_words_and_lose_nothing() {
        let whole = stream().bytes;
        let steers = [None, Some(1), Some(7), Some(100_000)].map(|split| Steer { split, ..Steer::default() });
        for steer in steers {
            let sent: Vec<Bytes> = stream()
                .steps(&steer)
                .into_iter()
                .filter_map(|step| if let Step::Send(bytes) = step { Some(bytes) } else { None })
                .collect();
            assert_eq!(sent.concat(), whole);
            assert!(sent.iter().all(|piece| !piece.is_empty()));
            if steer.split.is_none() {
                assert!(sent.iter().any(|piece| std::str::from_utf8(piece).is_err()), "inside a character");
                assert!(sent.iter().any(|piece| piece.ends_with(b"dat")), "inside data:");
            }
        }
    }
}

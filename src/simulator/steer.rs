//! Directives: a request can steer its own answer by `[[…]]` in its last user message.
//!
//! `[[chunks=100 delay_ms=5 size=20 split=7 usage=1|2|3 comments=3 fault=cut1234 cut=1234 tool
//! reasoning burst]]`, any of them, in any order; what is not known is ignored, figures are bounded.

use super::faults::{Fault, Misbehaviour};
use std::time::Duration;

/// What the directives ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Steer {
    /// `chunks=N`: the content comes in exactly N pieces.
    pub chunks: Option<usize>,
    /// `delay_ms=N`: a pause of N ms after every event (for JSON: all of them before the body).
    pub delay: Duration,
    /// `size=N`: each piece of content after the first has about N bytes.
    pub size: Option<usize>,
    /// `split=N`: the body reaches the network in pieces of N bytes, whatever they cut through.
    pub split: Option<usize>,
    /// `usage=1|2|3`: which of its three historical shapes the usage chunk has.
    pub usage: Option<u64>,
    /// `comments=N`: how many processing comments come first.
    pub comments: Option<usize>,
    /// `fault=NAME` or `cut=N`: this request fails so.
    pub fault: Option<Misbehaviour>,
    /// `tool`: the first tool is called.
    pub tool: bool,
    /// `reasoning`: the answer reasons first.
    pub reasoning: bool,
    /// `burst`: everything leaves in one write.
    pub burst: bool,
}

impl Steer {
    /// Reads the directives in `text`, and gives the text without them.
    pub(super) fn read(text: &str) -> (Steer, String) {
        let mut steer = Steer::default();
        let Some((before, rest)) = text.split_once("[[") else { return (steer, text.to_owned()) };
        let Some((inside, after)) = rest.split_once("]]") else { return (steer, text.to_owned()) };
        for word in inside.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            steer.set(name, value);
        }
        (steer, format!("{before}{after}").trim().to_owned())
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = || value.parse::<usize>().ok();
        match name {
            "chunks" => self.chunks = number().map(|n| n.clamp(1, 100_000)),
            "delay_ms" => {
                let millis = value.parse::<u64>().unwrap_or(0).min(600_000);
                self.delay = Duration::from_millis(millis);
            }
            "size" => self.size = number().map(|n| n.clamp(1, 1 << 20)),
            "split" => self.split = number().map(|n| n.max(1)),
            "usage" => self.usage = value.parse().ok().filter(|shape| (1..=3).contains(shape)),
            "comments" => self.comments = number().map(|n| n.min(10_000)),
            "cut" => self.fault = value.parse().ok().map(|at| Fault::Cut.with(at)),
            "fault" => self.fault = Misbehaviour::parse(value),
            "tool" => self.tool = true,
            "reasoning" => self.reasoning = true,
            "burst" => self.burst = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_taken_out() {
        let (steer, text) = Steer::read("hi [[chunks=3 delay_ms=5 usage=2 what=ever tool cut=12]] there");
        assert_eq!(text, "hi  there");
        assert_eq!((steer.chunks, steer.usage, steer.tool), (Some(3), Some(2), true));
        assert_eq!((steer.delay, steer.fault), (Duration::from_millis(5), Some(Fault::Cut.with(12))));
        for plain in ["", "[[", "]] [[", "[1]", "[[chunks=2"] {
            assert_eq!(Steer::read(plain), (Steer::default(), plain.to_owned()));
        }
        assert_eq!(Steer::read("[[chunks=0 usage=9 cut=x]]").0.chunks, Some(1));
    }
}

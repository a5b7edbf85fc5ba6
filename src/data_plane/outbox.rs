//! What of a stream is ready for the client: whole events, handed on in portions, and fairly to the
//! other streams of this thread.
//!
//! A portion is as large as the buffer that each connection has anyway, so that a client that hardly
//! reads costs no more than that. Changes no byte.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// The most bytes that leave at once. With what the server has gathered before, they fit its buffer.
const PORTION: usize = 4000;
/// After so many bytes on end, other connections have their turn.
const TURN: usize = 32 * 1024;

/// Events that wait to be taken.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Bytes>,
    /// Bytes handed out since others last had their turn.
    given: usize,
}

impl Outbox {
    /// With these, in order.
    pub fn new(events: Vec<Bytes>) -> Outbox {
        Outbox { waiting: events.into(), given: 0 }
    }

    /// One more.
    pub fn put(&mut self, event: Bytes) {
        self.waiting.push_back(event);
    }

    /// As much as may leave at once: of small events several, of a large one a part.
    pub fn take(&mut self) -> Option<Bytes> {
        let portion = self.portion()?;
        self.given += portion.len();
        Some(portion)
    }

    fn portion(&mut self) -> Option<Bytes> {
        let mut first = self.waiting.pop_front()?;
        if first.len() > PORTION {
            let part = first.split_to(PORTION);
            self.waiting.push_front(first);
            return Some(part);
        }
        let mut length = first.len();
        let fitting = self.waiting.iter().take_while(|next| {
            length += next.len();
            length <= PORTION
        });
        let more = fitting.count();
        if more == 0 {
            return Some(first);
        }
        let mut portion = BytesMut::with_capacity(PORTION);
        portion.extend_from_slice(&first);
        self.waiting.drain(..more).for_each(|next| portion.extend_from_slice(&next));
        Some(portion.freeze())
    }

    /// Whether it is the turn of others, who have it then.
    pub fn yields(&mut self) -> bool {
        let over = self.given >= TURN;
        if over {
            self.rested();
        }
        over
    }

    /// Others had their turn.
    pub fn rested(&mut self) {
        self.given = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(lengths: &[usize]) -> Outbox {
        let bytes = |(at, &length): (usize, &usize)| Bytes::from(vec![b'a' + at as u8; length]);
        Outbox::new(lengths.iter().enumerate().map(bytes).collect())
    }

    #[test]
    fn portions_gather_the_small_and_part_the_large_in_order() {
        for lengths in
            [&[][..], &[1, 2, 3], &[PORTION], &[3000, 1000, 1], &[PORTION + 1, 1], &[9000, 4000, 5]]
        {
            let whole: Vec<u8> = outbox(lengths).waiting.iter().flatten().copied().collect();
            let mut outbox = outbox(lengths);
            let mut portions = Vec::new();
            while let Some(portion) = outbox.take() {
                portions.push(portion);
            }
            assert!(portions.iter().all(|portion| (1..=PORTION).contains(&portion.len())), "{lengths:?}");
            assert_eq!(portions.concat(), whole, "{lengths:?}");
            let least = whole.len().div_ceil(PORTION);
            assert!(portions.len() <= least + 1, "{lengths:?} took {} portions", portions.len());
        }
    }

    #[test]
    fn others_have_their_turn() {
        let mut outbox = outbox(&[TURN, PORTION]);
        while !outbox.yields() {
            assert!(outbox.take().is_some(), "all was taken without a pause");
        }
        assert!(!outbox.yields(), "they have had it");
        assert!(outbox.take().is_some());
    }
}

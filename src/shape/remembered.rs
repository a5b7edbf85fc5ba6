//! Counts of texts that were counted before: in a growing conversation only what is new is counted.
//!
//! Texts themselves are not kept, only their hashes under a key that changes with every start, so that
//! nobody can make two texts meet. Bounded: the oldest counts are forgotten first. Never changes a count.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most counts that are kept: about 1.5 MB.
const MOST: usize = 32 * 1024;
/// A shorter text, in bytes, is counted sooner than it is looked up.
const SHORTEST: usize = 48;

/// How a piece of JSON is read when its tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// As the text of a string.
    Text,
    /// As it stands, quotes and escapes included.
    Verbatim,
}

/// Tokens of texts seen. One serves the whole program.
#[derive(Debug, Default)]
pub struct Remembered {
    keys: RandomState,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    known: HashMap<u64, u64>,
    /// The keys of `known`, the oldest first.
    order: VecDeque<u64>,
}

impl Remembered {
    /// The tokens of `raw` in this `reading`: as remembered, else as `count` finds them. `None` from
    /// `count` says that it did not come to the end: nothing is remembered then.
    pub fn tokens(&self, reading: Reading, raw: &str, count: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if raw.len() < SHORTEST {
            return count();
        }
        let key = self.keys.hash_one((reading, raw));
        if let Some(known) = self.counts().known.get(&key) {
            return Some(*known);
        }
        // Not under the lock: others look up meanwhile.
        let found = count()?;
        self.counts().put(key, found);
        Some(found)
    }

    /// A panic elsewhere cannot leave the counts in disorder that matters: at worst one is missing.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn put(&mut self, key: u64, tokens: u64) {
        if self.known.insert(key, tokens).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reading::{Text, Verbatim};
    use super::*;

    fn text(number: usize) -> String {
        format!("{number}{}", " words of a turn".repeat(4))
    }

    #[test]
    fn a_text_is_counted_once_in_each_reading() {
        let remembered = Remembered::default();
        assert_eq!(remembered.tokens(Text, &text(1), || Some(17)), Some(17));
        assert_eq!(remembered.tokens(Text, &text(1), || panic!("it is known")), Some(17));
        assert_eq!(remembered.tokens(Verbatim, &text(1), || Some(19)), Some(19));
        assert_eq!(remembered.tokens(Text, &text(2), || Some(18)), Some(18));
        assert_eq!(remembered.tokens(Text, "short", || Some(1)), Some(1));
        assert_eq!(remembered.tokens(Text, "short", || Some(2)), Some(2), "not worth remembering");
    }

    #[test]
    fn what_was_not_counted_to_its_end_is_not_remembered() {
        let remembered = Remembered::default();
        assert_eq!(remembered.tokens(Text, &text(1), || None), None);
        assert_eq!(remembered.tokens(Text, &text(1), || Some(17)), Some(17));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let remembered = Remembered::default();
        for number in 0..=MOST {
            remembered.tokens(Text, &text(number), || Some(1));
        }
        assert_eq!(remembered.counts().known.len(), MOST);
        assert_eq!(remembered.counts().order.len(), MOST);
        assert_eq!(remembered.tokens(Text, &text(MOST), || panic!("it is known")), Some(1));
        assert_eq!(remembered.tokens(Text, &text(0), || Some(2)), Some(2), "forgotten, so counted anew");
    }
}

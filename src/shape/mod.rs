//! Shaping: pure, lossless changes to a request body on its way (DESIGN section 4).
//!
//! A body is read once into a [`body::Document`]; the rules look at it, record edits, and
//! [`body::Document::finish`] gives the bytes to send. Whatever a rule does not act on survives byte
//! for byte and in order. This room never does I/O, never reads a clock, and knows only `domain`.

pub mod body;
pub mod check;
use crate::domain::dialect;
mod edit;
pub mod free_rule;
mod json;
mod near;
#[cfg(test)]
mod tests;

//! Shaping: pure, lossless changes to a request body on its way (DESIGN section 4).
//!
//! A body is read once into a [`body::Document`]; the rules look at it, record edits, and
//! [`body::Document::finish`] gives the bytes to send. Whatever a rule does not act on survives byte
//! for byte and in order. This room never does I/O, never reads a clock, and knows only `domain` and `json`.
//!
//! The order: [`check::check`], [`alias::Aliases::resolve`], and then for each model tried, on a
//! clone: [`alias::set_model`], [`free_rule::check`], [`rules::Rules::apply`],
//! [`max_tokens::Facts::of`] with [`tokens::count`] where it is needed, [`max_tokens::Plan::apply`],
//! which holds a [`budget`] below the limit.

pub mod alias;
pub mod allowed;
pub mod body;
pub mod budget;
pub mod cache_control;
pub mod check;
pub mod conversation;
use crate::domain::dialect;
mod edit;
mod elements;
pub mod free_rule;
pub mod margin;
pub mod max_tokens;
mod near;
pub mod overflow;
mod pattern;
mod prompt;
pub mod provider;
pub mod remembered;
pub mod room;
pub mod rules;
pub mod tokens;
mod turns;

#[cfg(test)]
mod tests;

//! The one integration test binary: one file per capability.
//!
//! `floors` and `papers` read the sources and the documents and need no running program.

mod floors;
mod https;
mod papers;
mod rules;
mod scan;

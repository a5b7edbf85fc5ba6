//! The simulator over raw TCP, and against the recorded examples.
//!
//! One file per question; `raw` is the client they share.
//! Never through an HTTP library: it would hide what is to be seen.

mod behaviour;
mod misbehaviour;
mod raw;
mod recorded;

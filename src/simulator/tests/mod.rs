//! The simulator over raw TCP, and against the recorded examples.

mod behaviour;
mod misbehaviour;
mod raw;
mod recorded;

//! The upstream: OpenRouter, or whatever `openrouter.base_url` names.
//!
//! The only room that knows awc. It sends one attempt and hands back what came, cut off by its own
//! deadlines; it says what a refusal means ([`verdict`], pure) and reads streams as they pass
//! ([`sse`], [`watch`], pure). It never decides which key is used and never retries with another.

pub mod account;
pub mod answer;
pub mod client;
mod connect;
mod exchange;
pub mod fault;
pub mod generation;
mod head;
mod links;
pub mod look;
pub mod sse;
pub mod usage;
pub mod verdict;
pub mod watch;

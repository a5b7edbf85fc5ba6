//! The house. Each room is one module; an arrow between rooms only goes down.
//!
//! `main → cli, commands, app → data_plane | admin_plane → keypool, catalog, usage, ledger,
//! credentials → config, store, shape, upstream, listener → json, domain`. The simulator stands apart and knows only `domain`.
//! `docs/ARCHITECTURE.md` walks one request through them; `tests/suite/floors.rs` keeps the arrows.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin_plane;
pub mod allowance;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod data_plane;
pub mod domain;
mod json;
pub mod keypool;
pub mod ledger;
pub mod listener;
mod mail;
pub mod metrics;
pub mod replicas;
pub mod shape;
pub mod simulator;
pub mod store;
pub mod tokens;
pub mod upstream;
pub mod usage;

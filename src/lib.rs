//! The house. Each room is one module; an arrow between rooms only goes down.
//!
//! `main → cli, app → data_plane | admin_plane → keypool, catalog, usage → config, store, shape,
//! upstream → domain`. The simulator stands apart and knows only `domain`.
//! `docs/ARCHITECTURE.md` walks one request through them; `tests/suite/floors.rs` keeps the arrows.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod domain;
pub mod simulator;

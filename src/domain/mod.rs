//! The words every other room speaks: records, ids, time, secrets, published snapshots.
//!
//! Knows nobody: no framework, no database, no network. The only room that reads the system clock.

pub mod account;
pub mod attempt;
pub mod buckets;
pub mod cache_control;
pub mod cooldown;
pub mod dialect;
pub mod forecast;
pub mod ids;
pub mod instance;
pub mod key;
pub mod key_list;
pub mod map;
pub mod model;
pub mod model_facts;
pub mod published;
pub mod quota;
pub mod replicas;
pub mod secret;
pub mod session;
pub mod strategy;
pub mod time;
pub mod token;
pub mod usage;
pub mod usage_export;
pub mod usage_query;
pub mod usage_stats;

//! The one integration test binary: one file per capability.
//!
//! `floors` and `papers` read the sources and the documents and need no running program; the others
//! follow whole journeys through the proxy and the simulator, with what is in `support`.

mod accounts;
mod admin;
mod admin_keys;
mod admin_live;
mod admin_session;
mod admin_views;
mod attempts;
mod blame;
mod canary;
mod cancels;
mod capacity;
mod commands;
mod completion;
mod cors;
mod cuts;
mod database;
mod database_tls;
mod drain;
mod earlier;
mod early;
mod edges;
mod endings;
mod failover;
mod floors;
mod golden;
mod https;
mod journal;
mod limits;
mod live_settings;
mod models;
mod odd_answers;
mod papers;
mod relay;
mod replicas;
mod restart;
mod rules;
mod scan;
mod secrets;
mod shared_limits;
mod support;
mod ten_keys;
mod tokens;

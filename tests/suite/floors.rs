//! The floors of the house: which room may name which. An arrow only goes down.
//!
//! `docs/ARCHITECTURE.md` draws the same arrows for people. A new room enters this table or the test
//! fails; a new arrow is a decision, not an accident.

use crate::rules::{Rule, fault};
use crate::scan::{self, Source};

const WORDS: &[&str] = &["domain"];
const TEXTS: &[&str] = &["domain", "json"];
const TOOLS: &[&str] = &["config", "domain", "json", "metrics", "shape", "store", "upstream"];
/// And for those who count requests against limits that processes share.
const COUNTERS: &[&str] = &["allowance", "config", "domain", "mail", "metrics", "shape", "store", "upstream"];
/// The planes never name the store: no client waits for the database.
const PLANES: &[&str] = &[
    "catalog",
    "config",
    "credentials",
    "domain",
    "keypool",
    "listener",
    "shape",
    "tokens",
    "upstream",
    "usage",
];

/// Each room with the rooms it may name. Test code is free.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("json", &[]),
    ("simulator", WORDS),
    ("allowance", WORDS),
    ("config", WORDS),
    ("mail", &[]),
    ("listener", WORDS),
    ("shape", TEXTS),
    ("store", TEXTS),
    ("upstream", TEXTS),
    ("credentials", &["domain", "store"]),
    ("keypool", COUNTERS),
    ("catalog", TOOLS),
    ("tokens", COUNTERS),
    ("usage", &["config", "domain", "json", "mail", "metrics", "store", "upstream"]),
    ("metrics", WORDS),
    ("ledger", &["domain", "metrics", "store"]),
    ("replicas", &["domain", "store"]),
    ("data_plane", PLANES),
    (
        "admin_plane",
        &[
            "catalog",
            "config",
            "credentials",
            "domain",
            "keypool",
            "ledger",
            "listener",
            "metrics",
            "replicas",
            "tokens",
            "upstream",
            "usage",
        ],
    ),
    (
        "app",
        &[
            "admin_plane",
            "catalog",
            "config",
            "credentials",
            "data_plane",
            "domain",
            "keypool",
            "ledger",
            "listener",
            "metrics",
            "replicas",
            "shape",
            "store",
            "tokens",
            "upstream",
            "usage",
        ],
    ),
    ("cli", &["config", "domain"]),
    ("commands", &["app", "cli", "config", "domain", "simulator", "store", "upstream"]),
    ("main", &["cli", "commands"]),
    ("lib", &[]),
];

/// Every path that leaves its room must lead to a room that the table allows.
fn arrows(source: &Source) -> Vec<String> {
    let room = source.room();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: `{room}` is no room of the house", source.path)];
    };
    let depth = source.module().len();
    let mut faults = Vec::new();
    for path in source.paths() {
        let ups = path.parts.iter().take_while(|part| *part == "super").count();
        let named = match path.parts.first().map(String::as_str) {
            Some("crate" | "openrouter_proxy") => path.parts.get(1),
            Some("super") if ups >= depth => path.parts.get(ups),
            _ => None,
        };
        let at_root = ups == path.parts.len() || path.parts == ["crate"];
        if path.alias.is_some() && at_root {
            faults.push(fault(source, path.line, "the crate's root gets another name"));
        }
        let Some(named) = named.map(String::as_str) else { continue };
        let is_room = ARROWS.iter().any(|(name, _)| *name == named);
        if named == "*" || (is_room && named != room && !allowed.contains(&named)) {
            faults.push(fault(source, path.line, &format!("`{room}` names `{named}`")));
        }
    }
    faults
}

/// Runs one rule over every source and fails with all its faults.
fn holds(rule: Rule) {
    let sources = scan::sources();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "no sources were found");
    let faults: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn arrows_only_go_down() {
    holds(arrows);
}

#[test]
fn libraries_stay_in_their_rooms() {
    holds(crate::rules::libraries);
}

#[test]
fn only_domain_reads_the_clock() {
    holds(crate::rules::clocks);
}

#[test]
fn only_config_reads_variables() {
    holds(crate::rules::variables);
}

#[test]
fn only_upstream_and_store_read_secrets() {
    holds(crate::rules::secrets);
}

#[test]
fn brains_are_pure() {
    holds(crate::rules::brains);
}

#[test]
fn nothing_panics_on_purpose() {
    holds(crate::rules::panics);
}

#[test]
fn only_the_porch_prints() {
    holds(crate::rules::prints);
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    holds(crate::rules::form);
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    for (room, allowed) in ARROWS {
        for below in *allowed {
            let back = ARROWS.iter().any(|(name, list)| name == below && list.contains(room));
            assert!(!back, "{room} and {below} name each other");
        }
    }
    for plane in ["data_plane", "admin_plane"] {
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == plane).expect("both planes");
        assert!(!allowed.iter().any(|room| ["data_plane", "admin_plane", "store"].contains(room)));
    }
}

#[test]
fn forbidden_arrows_are_found() {
    for (path, text) in [
        ("src/data_plane/relay.rs", "use crate::store::Store;"),
        ("src/data_plane/relay.rs", "use crate::{domain::ids, admin_plane};"),
        ("src/data_plane/relay.rs", "fn f() { let s: super::super::store::Store; }"),
        ("src/data_plane/mod.rs", "use super::store;"),
        ("src/domain/key.rs", "use crate::config::Config;"),
        ("src/simulator/mod.rs", "use crate::upstream::Verdict;"),
        ("src/shape/tokens.rs", "use crate::*;"),
        ("src/shape/tokens.rs", "use crate as house;"),
        ("src/main.rs", "use openrouter_proxy::store::Store;"),
        ("src/attic/mod.rs", ""),
    ] {
        assert!(!arrows(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
}

#[test]
fn permitted_arrows_pass() {
    for (path, text) in [
        ("src/data_plane/relay.rs", "use crate::{domain::ids, upstream}; use super::access;"),
        ("src/keypool/actor.rs", "use crate::store::Store; use super::pool::Pool;"),
        ("src/usage/mod.rs", "mod batch; use self::batch::Batch; use crate::usage::journal;"),
        ("src/main.rs", "fn main() { openrouter_proxy::commands::run() }"),
        ("src/data_plane/relay.rs", "#[cfg(test)] mod tests { use crate::store::Store; }"),
    ] {
        assert_eq!(arrows(&Source::new(path, text)), Vec::<String>::new(), "{path}: {text}");
    }
}

//! The house rules that one source file can break, each a function from a file to its faults.
//!
//! Test code is exempt: it may turn clocks, unwrap and print. Pure, so that small bad snippets test them.

use crate::scan::{Kind, Source};

/// A rule: the faults of one file, each with its place.
pub type Rule = fn(&Source) -> Vec<String>;

/// The longest a source file may be, in lines, its tests included.
const MOST_LINES: usize = 400;

/// Modules that decide and do nothing else, with all that is below them; `domain`, `json` and `shape` whole.
const BRAINS: &[&[&str]] = &[
    &["admin_plane", "door", "hosts"],
    &["admin_plane", "door", "sessions"],
    &["admin_plane", "door", "throttle"],
    &["catalog", "listing"],
    &["domain"],
    &["json"],
    &["keypool", "cooldown"],
    &["keypool", "pool"],
    &["keypool", "quota"],
    &["keypool", "strategy"],
    &["shape"],
    &["tokens", "tally"],
    &["upstream", "sse"],
    &["upstream", "usage"],
    &["upstream", "verdict"],
    &["upstream", "watch"],
    &["usage", "batch"],
    &["usage", "journal", "frame"],
    &["usage", "journal", "line"],
    &["usage", "retention"],
];

/// One fault, told with its place.
pub fn fault(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path)
}

fn is_crate(part: &str, family: &str) -> bool {
    part == family || part.strip_prefix(family).is_some_and(|rest| rest.starts_with('_'))
}

/// Each of these libraries is known to one room alone.
pub fn libraries(source: &Source) -> Vec<String> {
    let homes =
        [("diesel", "store"), ("r2d2", "store"), ("awc", "upstream"), ("dotenvy", "config"), ("clap", "cli")];
    let mut faults = Vec::new();
    for path in source.paths() {
        for (library, home) in homes {
            let named = path.parts.first().is_some_and(|part| is_crate(part, library));
            if named && source.room() != home {
                faults.push(fault(source, path.line, &format!("{library} is known to {home} alone")));
            }
        }
    }
    faults
}

/// The system's clocks are read in `domain` alone. Deadlines of timers, on tokio's own `Instant`, are
/// free: they only say how long to wait.
pub fn clocks(source: &Source) -> Vec<String> {
    if source.room() == "domain" {
        return Vec::new();
    }
    let paths = source.paths();
    let timers = paths.iter().any(|path| path.parts == ["tokio", "time", "Instant"]);
    let clock = |part: &str| {
        ["SystemTime", "OffsetDateTime", "UtcDateTime", "Utc", "Local", "Instant"].contains(&part)
    };
    let mut faults = Vec::new();
    for path in paths {
        let parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
        let of_timers =
            parts.starts_with(&["tokio", "time"]) || (timers && parts.first() == Some(&"Instant"));
        let read = parts.windows(2).any(|pair| clock(pair[0]) && pair[1].starts_with("now"));
        let renamed = path.alias.is_some() && parts.last().is_some_and(|part| clock(part));
        if (read || renamed) && !of_timers {
            faults.push(fault(source, path.line, "reads the system clock; ask `domain::time::Clock`"));
        }
    }
    faults
}

/// Environment variables are read in `config` alone.
pub fn variables(source: &Source) -> Vec<String> {
    if source.room() == "config" {
        return Vec::new();
    }
    let verbs = ["var", "vars", "var_os", "vars_os", "set_var", "remove_var", "*"];
    let mut faults = Vec::new();
    for path in source.paths() {
        let used = path.parts.windows(2).any(|pair| pair[0] == "env" && verbs.contains(&pair[1].as_str()));
        let renamed = path.alias.is_some() && path.parts.last().is_some_and(|part| part == "env");
        if used || renamed {
            faults.push(fault(source, path.line, "touches environment variables; that is config's"));
        }
    }
    faults
}

/// A secret is readable in `upstream` and `store` alone; `domain` defines it.
pub fn secrets(source: &Source) -> Vec<String> {
    if ["domain", "store", "upstream"].contains(&source.room()) {
        return Vec::new();
    }
    let exposed = source.tokens.iter().filter(|token| token.kind == Kind::Word && token.text == "expose");
    exposed.map(|token| fault(source, token.line, "reads a secret")).collect()
}

/// Brains name no framework and do no input or output.
pub fn brains(source: &Source) -> Vec<String> {
    let module = source.module();
    if !BRAINS.iter().any(|brain| module.starts_with(brain)) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for path in source.paths() {
        let first = path.parts.first().map_or("", String::as_str);
        let framework = ["actix", "awc", "diesel", "tokio", "r2d2"].iter().any(|name| is_crate(first, name));
        let outside = path
            .parts
            .windows(2)
            .any(|pair| pair[0] == "std" && ["fs", "net", "process", "thread"].contains(&pair[1].as_str()))
            // An address is a word, not a connection.
            && !path.parts.iter().any(|part| ["IpAddr", "Ipv4Addr", "Ipv6Addr"].contains(&part.as_str()));
        if framework || outside {
            faults.push(fault(source, path.line, &format!("a brain names `{}`", path.parts.join("::"))));
        }
    }
    faults
}

/// Nothing outside tests panics on purpose.
pub fn panics(source: &Source) -> Vec<String> {
    let calls = ["unwrap", "expect", "unwrap_err", "expect_err", "unwrap_unchecked"];
    let macros = ["panic", "todo", "unimplemented", "unreachable", "dbg"];
    let called = calls.iter().flat_map(|name| {
        source.calls(name).into_iter().map(move |line| fault(source, line, &format!("`.{name}()`")))
    });
    let expanded = macros.iter().flat_map(|name| {
        source.macros(name).into_iter().map(move |line| fault(source, line, &format!("`{name}!`")))
    });
    called.chain(expanded).collect()
}

/// Only the porch and the command line write to the terminal; everyone else logs.
pub fn prints(source: &Source) -> Vec<String> {
    if ["app", "cli", "commands", "main"].contains(&source.room()) {
        return Vec::new();
    }
    let macros = ["print", "println", "eprint", "eprintln"];
    let found = macros.iter().flat_map(|name| {
        source.macros(name).into_iter().map(move |line| fault(source, line, &format!("`{name}!`")))
    });
    found.collect()
}

/// Files open with what they are for, stay small, and hold no leftovers.
pub fn form(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        faults.push(fault(source, lines, &format!("longer than {MOST_LINES} lines: split it")));
    }
    if !source.text.starts_with("//!") {
        faults.push(fault(source, 1, "does not open with `//!`: what it is for, what it must never do"));
    }
    for (index, line) in source.text.lines().enumerate() {
        if ["TODO", "FIXME"].iter().any(|mark| line.contains(mark)) {
            faults.push(fault(source, index + 1, "a leftover mark"));
        }
    }
    if source.path == "src/lib.rs" {
        if !source.text.contains("#![forbid(unsafe_code)]") {
            faults.push(fault(source, 1, "unsafe code must be forbidden"));
        }
        for pair in source.tokens.windows(2).filter(|pair| pair[0].is("pub") && pair[1].is("use")) {
            faults.push(fault(source, pair[0].line, "the map of the house re-exports nothing"));
        }
    }
    faults
}

#[test]
fn every_rule_finds_its_breach() {
    let cases: &[(Rule, &str, &str)] = &[
        (libraries, "src/usage/sink.rs", "use diesel::prelude::*;"),
        (libraries, "src/app.rs", "fn f() { diesel_migrations::run() }"),
        (libraries, "src/data_plane/relay.rs", "use {awc::Client, std::fmt};"),
        (clocks, "src/usage/batch.rs", "fn f() { std::time::SystemTime::now(); }"),
        (clocks, "src/simulator/mod.rs", "use std::time::Instant; fn f() { Instant::now(); }"),
        (clocks, "src/app.rs", "fn f() { time::OffsetDateTime::now_utc(); }"),
        (clocks, "src/app.rs", "use std::time::Instant as Watch;"),
        (clocks, "src/app.rs", "use tokio::time::{Instant, sleep}; fn f() { std::time::Instant::now(); }"),
        (variables, "src/app.rs", "fn f() { std::env::var(\"PORT\"); }"),
        (variables, "src/app.rs", "use std::{env, fs}; fn f() { env::var_os(\"PORT\"); }"),
        (variables, "src/cli/keys.rs", "use std::env::{self as e};"),
        (secrets, "src/app.rs", "fn f(s: Secret) { log(s.expose()) }"),
        (secrets, "src/app.rs", "fn f(s: Option<Secret>) { s.as_ref().map(Secret::expose) }"),
        (brains, "src/keypool/pool.rs", "use actix::prelude::*;"),
        (brains, "src/shape/tokens.rs", "async fn f() { tokio::time::sleep(d).await }"),
        (brains, "src/upstream/sse.rs", "use std::{fmt, fs};"),
        (brains, "src/upstream/verdict/table.rs", "use awc::Client;"),
        (panics, "src/app.rs", "fn f() { x.unwrap(); }"),
        (panics, "src/app.rs", "fn f() { x\n .expect(\"never\") }"),
        (panics, "src/app.rs", "fn f() { todo!() }"),
        (panics, "src/app.rs", "#[cfg(not(test))] fn f() { panic!(\"no\") }"),
        (prints, "src/usage/sink.rs", "fn f() { eprintln!(\"x\") }"),
        (form, "src/app.rs", "fn f() {}"),
        (form, "src/lib.rs", "//! x\n#![forbid(unsafe_code)]\npub use a::b;"),
    ];
    for (index, (rule, path, text)) in cases.iter().enumerate() {
        assert!(!rule(&Source::new(path, text)).is_empty(), "case {index} passed: {path}: {text}");
    }
    let long = format!("//! x\n{}", "\n".repeat(MOST_LINES + 1));
    assert_eq!(form(&Source::new("src/app.rs", &long)).len(), 1);
}

#[test]
fn what_is_allowed_passes() {
    let cases: &[(Rule, &str, &str)] = &[
        (libraries, "src/store/keys.rs", "use diesel::prelude::*;"),
        (libraries, "src/upstream/client.rs", "use awc::Client;"),
        (clocks, "src/domain/time.rs", "fn f() { Instant::now(); SystemTime::now(); }"),
        (clocks, "src/app.rs", "fn f(c: &Clock) { c.now(); tokio::time::sleep(d); }"),
        (clocks, "src/app.rs", "use tokio::time::{Instant, sleep_until}; fn f() { Instant::now(); }"),
        (variables, "src/config/env.rs", "fn f() { std::env::var(\"PORT\"); }"),
        (variables, "src/cli.rs", "fn f() { std::env::args(); env!(\"CARGO_PKG_VERSION\"); }"),
        (secrets, "src/upstream/client.rs", "fn f(s: Secret) { s.expose(); }"),
        (brains, "src/keypool/actor.rs", "use actix::prelude::*;"),
        (panics, "src/app.rs", "fn f() { x.unwrap_or_default(); y.expected(); // .unwrap()\n }"),
        (panics, "src/app.rs", "#[cfg(test)]\nmod tests {\n#[test]\nfn f() { x.unwrap(); } }"),
        (prints, "src/main.rs", "fn main() { println!(\"x\") }"),
        (form, "src/app.rs", "//! What it is for.\n"),
    ];
    for (rule, path, text) in cases {
        assert_eq!(rule(&Source::new(path, text)), Vec::<String>::new(), "{path}: {text}");
    }
}

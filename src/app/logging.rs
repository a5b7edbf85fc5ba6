//! The log: one line for each record, on standard error, as text or as JSON. No field can make a
//! second line. What the libraries would say at the level trace is left out: it may hold what passes
//! through them, heads of requests with their credentials among it.

use crate::config::log::{Log, LogFormat};
use crate::domain::published::Published;
use crate::domain::time::Clock;
use env_logger::{Builder, Logger, Target};
use log::{Level, LevelFilter, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;

/// The log as it is now, once it has been started.
static LOG: OnceLock<Published<Logger>> = OnceLock::new();

/// Hands every record to the log as it is now.
struct Current;

impl log::Log for Current {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LOG.get().is_some_and(|log| log.get().enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(log) = LOG.get() {
            log.get().log(record);
        }
    }

    fn flush(&self) {}
}

/// Starts the log; a second call changes nothing.
pub fn start(settings: &Log) {
    let logger = logger(settings);
    let most = logger.filter();
    if LOG.set(Published::new(logger)).is_ok() && log::set_logger(&Current).is_ok() {
        log::set_max_level(most);
    }
}

/// Logs by these settings from now on; before the start it changes nothing.
pub fn change(settings: &Log) {
    if let Some(log) = LOG.get() {
        let logger = logger(settings);
        log::set_max_level(logger.filter());
        log.publish(logger);
    }
}

fn logger(settings: &Log) -> Logger {
    let (json, clock) = (settings.format == LogFormat::Json, Clock::system());
    Builder::new()
        // What the server crates say of their start, we say in our own words.
        .filter_module("actix_server", LevelFilter::Warn)
        .parse_filters(settings.level.as_str())
        .target(Target::Stderr)
        .format(move |out, record| {
            if !may_be_told(record.metadata()) {
                return Ok(());
            }
            let (time, level) = (clock.now().rfc3339(), record.level());
            let (target, message) = (record.target(), record.args().to_string());
            if json {
                let line = serde_json::json!({
                    "time": time, "level": level.as_str(), "target": target, "message": message,
                });
                writeln!(out, "{line}")
            } else {
                writeln!(out, "{time} {level:5} {target}: {}", one_line(&message))
            }
        })
        .build()
}

/// Whether a record is one of ours, or not as chatty as to tell everything.
fn may_be_told(record: &Metadata<'_>) -> bool {
    let ours = record.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    ours || record.level() < Level::Trace
}

/// Control characters, and those that turn the direction of text, are written as escapes.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            let _ = write!(line, "{}", c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::config::sources::Sources;

    #[test]
    fn how_much_is_logged_changes_while_the_program_runs() {
        let settings = |level: &str| {
            let mut sources = Sources::default();
            sources.environment.insert("RUST_LOG".to_owned(), level.to_owned());
            load(&sources).unwrap_or_else(|faults| panic!("{faults}")).log
        };
        start(&settings("error"));
        assert!(!log::log_enabled!(target: "awc", log::Level::Warn));
        change(&settings("error,awc=debug"));
        assert_eq!(log::max_level(), LevelFilter::Debug);
        assert!(log::log_enabled!(target: "awc", log::Level::Debug));
        assert!(!log::log_enabled!(target: "actix", log::Level::Info));
        change(&settings("off"));
        assert!(!log::log_enabled!(target: "awc", log::Level::Error));
    }

    #[test]
    fn libraries_do_not_trace() {
        let told =
            |target: &str, level| may_be_told(&Metadata::builder().target(target).level(level).build());
        assert!(told("openrouter_proxy::upstream", Level::Trace) && told("awc::client", Level::Debug));
        assert!(!told("awc::client", Level::Trace) && !told("openrouter_proxy_x", Level::Trace));
    }

    #[test]
    fn no_text_makes_a_second_line_or_turns_direction() {
        assert_eq!(one_line("a\nb\r\u{1b}[31m\u{202e}c 日本"), "a\\u{a}b\\u{d}\\u{1b}[31m\\u{202e}c 日本");
    }
}

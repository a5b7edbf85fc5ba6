//! `log`: how much is logged, and in which form.

use super::given::{Given, Value, choice, misfit, quote};
use super::near::near;
use super::reader::Reader;
use super::table::{Kind, Row};

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

const LEVEL: Row = Row::new(
    "log.level",
    Kind::Text("a level (off, error, warn, info, debug, trace), or filters such as info,awc=debug"),
    "info",
    "How much is logged: a level, or filters by module as env_logger reads them.",
)
.env(&["RUST_LOG"])
.bare_flag("verbose", "debug")
.live();

const FORMAT: Row = Row::new(
    "log.format",
    Kind::Choice(&["text", "json"]),
    "text",
    "Form of the log: text or json, one line an entry.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[LEVEL, FORMAT];

/// How much is logged, and in which form.
#[derive(Debug, Clone)]
pub struct Log {
    /// What is logged.
    pub level: LogFilter,
    /// In which form.
    pub format: LogFormat,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Log {
        Log { level: reader.get(&LEVEL), format: reader.get(&FORMAT) }
    }
}

/// Filters as `env_logger` reads them: `level`, `module` or `module=level`, by comma, and at the
/// end perhaps `/regex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The text for `env_logger`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> LogFilter {
        LogFilter("info".to_owned())
    }
}

impl Value for LogFilter {
    // env_logger itself only warns about a filter it cannot read, and then logs too little.
    fn read(given: &Given, kind: &Kind) -> Result<LogFilter, String> {
        let text = given.one_text(kind)?.trim();
        // The names of Python's logging, which earlier proxies took.
        match text.to_ascii_lowercase().as_str() {
            "warning" => return Ok(LogFilter("warn".to_owned())),
            "critical" => return Ok(LogFilter("error".to_owned())),
            _ => {}
        }
        let filters = text.split_once('/').map_or(text, |(filters, _)| filters);
        for filter in filters.split(',').map(str::trim).filter(|filter| !filter.is_empty()) {
            let (module, level) = match filter.split_once('=') {
                Some((module, level)) => (module.trim(), Some(level.trim())),
                None => (filter, None),
            };
            if let Some(level) = level.filter(|level| !level.is_empty() && !is_level(level)) {
                return Err(misfit(kind, &quote(level)));
            }
            let path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
            if module.is_empty() || !module.chars().all(path) {
                return Err(misfit(kind, &quote(filter)));
            }
            let slip = module.to_ascii_lowercase();
            if level.is_none()
                && !is_level(module)
                && (slip == "warning" || near(&slip, LEVELS.iter().copied()).is_some())
            {
                return Err(misfit(kind, &quote(filter)));
            }
        }
        Ok(LogFilter(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Value for LogFormat {
    fn read(given: &Given, kind: &Kind) -> Result<LogFormat, String> {
        Ok(if choice(given, kind)? == "json" { LogFormat::Json } else { LogFormat::Text })
    }

    fn show(&self) -> String {
        match self {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_modules() {
        let read = |text: &str| LogFilter::read(&Given::text(text), &LEVEL.kind);
        for text in [
            "info",
            "WARN",
            "openrouter_proxy=debug",
            "info,awc=off",
            "actix_web",
            "debug/key.*",
            "a::b=",
            "WARNING",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["inf", "debg", "awc=loud", "=info", "a b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

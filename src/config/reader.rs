//! Reads one setting after another, and keeps what is wrong instead of stopping at it.
//!
//! A setting at fault takes its default for the rest of the run, so that its neighbours can still
//! be checked; the caller must not use the result when there are faults.

use super::exposed;
use super::fault::Fault;
use super::given::{Given, Value};
use super::sources::{DOTENV_FILE, Source, Sources};
use super::table::{Kind, Preset, Row};
use std::path::Path;

/// One effective value, as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The setting.
    pub key: &'static str,
    /// Its value as it may be shown; what happens without one, in parentheses, if it has none.
    pub value: String,
    /// Who gave it.
    pub source: Source,
    /// Whether the true value is hidden.
    pub secret: bool,
}

/// A pass over the settings.
pub struct Reader<'a> {
    sources: &'a Sources,
    faults: Vec<Fault>,
    origins: Vec<Origin>,
    warnings: Vec<String>,
}

/// What a pass found.
pub struct Found {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// Every effective value, in the order read.
    pub origins: Vec<Origin>,
    /// What is allowed but should be known, one sentence each.
    pub warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A pass over what `sources` give, beginning with what is already wrong with them.
    pub fn new(sources: &'a Sources) -> Reader<'a> {
        Reader { sources, faults: sources.faults.clone(), origins: Vec::new(), warnings: Vec::new() }
    }

    /// The value of `row`: the strongest given, else its default, else `T`'s own.
    pub fn get<T: Value + Default>(&mut self, row: &'static Row) -> T {
        self.optional(row).unwrap_or_default()
    }

    /// The value of `row`, or `None` when nobody gave one and it has no default.
    pub fn optional<T: Value>(&mut self, row: &'static Row) -> Option<T> {
        let mut chosen = None;
        // The weaker sources are read too: a bad value is a fault even where it is overruled.
        for (source, given) in self.sources.offers(row, &mut self.faults) {
            match T::read_all(&given, &row.kind) {
                Ok(value) => {
                    // Of a URL, the password is what is hidden.
                    let hides = row.kind == Kind::DatabaseUrl && value.show().contains('…');
                    if row.kind.is_secret() || hides {
                        self.look_at_the_file_of(&source);
                    }
                    chosen.get_or_insert((value, source));
                }
                Err(messages) => {
                    let faults = messages.into_iter().map(|message| Fault::new(row.key, &source, message));
                    self.faults.extend(faults);
                }
            }
        }
        let chosen = chosen.or_else(|| match row.preset {
            Preset::Value(text) => {
                T::read(&Given::text(text), &row.kind).ok().map(|value| (value, Source::Preset))
            }
            Preset::Unset(_) => None,
        });
        self.note(row, chosen.as_ref());
        chosen.map(|(value, _)| value)
    }

    /// Warns, once, when the file that a secret came from can be read by others.
    fn look_at_the_file_of(&mut self, source: &Source) {
        let file = match source {
            Source::File(path) => Some(path.as_str()),
            Source::DotEnv(name) if !name.ends_with("_FILE") => Some(DOTENV_FILE),
            Source::DotEnv(name) => self.sources.dotenv.get(name).map(String::as_str),
            Source::Environment(name) if name.ends_with("_FILE") => {
                self.sources.environment.get(name).map(String::as_str)
            }
            Source::Environment(_) | Source::Flag(_) | Source::Operator | Source::Preset => None,
        };
        let warning = file.and_then(|file| exposed::warning(Path::new(file), "secrets"));
        if let Some(warning) = warning.filter(|warning| !self.warnings.contains(warning)) {
            self.warnings.push(warning);
        }
    }

    fn note<T: Value>(&mut self, row: &'static Row, chosen: Option<&(T, Source)>) {
        let (value, source) = match (chosen, row.preset) {
            (Some((value, source)), _) => (value.show(), source.clone()),
            (None, Preset::Unset(otherwise) | Preset::Value(otherwise)) => {
                (format!("({otherwise})"), Source::Preset)
            }
        };
        let secret = row.kind.is_secret() || row.kind == Kind::DatabaseUrl;
        self.origins.push(Origin { key: row.key, value, source, secret });
    }

    /// Who gave the value of `row`, which must have been read before.
    pub fn source(&self, row: &Row) -> Source {
        let origin = self.origins.iter().find(|origin| origin.key == row.key);
        origin.map_or(Source::Preset, |origin| origin.source.clone())
    }

    /// Notes that the value of `row` does not fit with others.
    pub fn fault(&mut self, row: &Row, message: impl Into<String>) {
        let source = self.source(row);
        self.faults.push(Fault::new(row.key, source, message));
    }

    /// Whether a value of `row` was refused.
    pub fn is_at_fault(&self, row: &Row) -> bool {
        self.faults.iter().any(|fault| fault.key == row.key)
    }

    /// Notes what is allowed but should be known.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// What was found.
    pub fn finish(self) -> Found {
        Found { faults: self.faults, origins: self.origins, warnings: self.warnings }
    }
}

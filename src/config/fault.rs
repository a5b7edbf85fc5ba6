//! Faults: what is wrong with the configuration, one entry for each thing to mend.
//!
//! A fault names the key and the place it came from. It never holds the value of a secret.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting, e.g. `server.port`; empty when a whole source is at fault.
    pub key: String,
    /// Where it was given, e.g. `environment variable PORT`.
    pub source: String,
    /// What is wrong and what to do, without a secret's value.
    pub message: String,
}

impl Fault {
    /// A fault of `key` as given in `source`.
    pub fn new(key: &str, source: impl fmt::Display, message: impl Into<String>) -> Fault {
        Fault { key: key.to_owned(), source: source.to_string(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.source, self.message)
        } else {
            write!(f, "{} ({}): {}", self.key, self.source, self.message)
        }
    }
}

/// Everything that is wrong, one line each when displayed. Never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

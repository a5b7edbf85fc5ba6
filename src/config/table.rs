//! The table of settings: one row for each, and everything that is said about it anywhere.
//!
//! Reading, `--help`, `config schema`, the README's table, `.env.example` and
//! `config.example.json` all come from these rows; none of them repeats a name or a default.

use super::{access, admin, database, log, openrouter, proxy, server, usage};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `section.name`, as in the configuration file.
    pub key: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// What holds when nobody gives a value.
    pub preset: Preset,
    /// One sentence for people: what it does, with the unit.
    pub doc: &'static str,
    /// Shorter or older environment variables that work beside `SECTION_NAME`.
    pub env: &'static [&'static str],
    /// Other names in the configuration file, without the section.
    pub also: &'static [&'static str],
    /// The command-line flag, if it has one.
    pub flag: Option<Flag>,
    /// Whether it can change while the program runs.
    pub live: bool,
}

/// A command-line flag of a setting.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its long name without dashes.
    pub name: &'static str,
    /// The value it stands for when written bare, e.g. `true`; `None`: it needs a value.
    pub implies: Option<&'static str>,
    /// A one-letter form.
    pub short: Option<char>,
    /// An older long name that works too.
    pub also: Option<&'static str>,
}

/// What holds when nobody gives a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This value, read as if it stood in an environment variable.
    Value(&'static str),
    /// No value; the text says what happens then.
    Unset(&'static str),
}

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A text of some form; the text says which.
    Text(&'static str),
    /// A text that fits in an HTTP header; an empty one counts as not given.
    Header,
    /// A path on this machine.
    Path,
    /// A path or URL of a database; it may hold a password.
    DatabaseUrl,
    /// A whole number within these limits, both included.
    Whole {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A whole number of requests, or -1 for no limit.
    Limit,
    /// A time in seconds, fractions allowed, within these limits, both included.
    Seconds {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A size in bytes, or with a unit such as `32 MiB`, within these limits in bytes.
    Bytes {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// On or off.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A secret text.
    Secret,
    /// Several secret texts.
    Secrets,
    /// Rules of provider mapping.
    ProviderRules,
    /// Names that stand for models.
    ModelAliases,
}

impl Kind {
    /// What a value must be, to follow "expected".
    pub fn expects(&self) -> String {
        match self {
            Kind::Text(what) => (*what).to_owned(),
            Kind::Header => "printable ASCII text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::DatabaseUrl => "a path, sqlite://… or postgres://…".to_owned(),
            Kind::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Limit => "a whole number, or -1 for no limit".to_owned(),
            Kind::Seconds { min, max } => format!("a number of seconds from {min} to {max}"),
            Kind::Bytes { min, max } => {
                format!("a size from {min} to {max} bytes, such as 1048576 or \"32 MiB\"")
            }
            Kind::Switch => "true or false".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Secret => "a text".to_owned(),
            Kind::Secrets => "a text, or a list of texts".to_owned(),
            Kind::ProviderRules => {
                "PATTERN=PROVIDER,PROVIDER, or in JSON an object of patterns and lists of providers"
                    .to_owned()
            }
            Kind::ModelAliases => "a JSON object of names and lists of models".to_owned(),
        }
    }

    /// Whether a value is never shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Kind::Secret | Kind::Secrets)
    }

    /// Whether `NAME_FILE` may point to a file that holds it.
    pub fn may_come_from_file(&self) -> bool {
        self.is_secret() || *self == Kind::DatabaseUrl
    }
}

impl Row {
    /// A row that holds `preset` when nobody says otherwise.
    pub const fn new(key: &'static str, kind: Kind, preset: &'static str, doc: &'static str) -> Row {
        Row { key, kind, preset: Preset::Value(preset), doc, env: &[], also: &[], flag: None, live: false }
    }

    /// A row without a value of its own; `otherwise` says what happens then.
    pub const fn unset(key: &'static str, kind: Kind, otherwise: &'static str, doc: &'static str) -> Row {
        let preset = Preset::Unset(otherwise);
        Row { key, kind, preset, doc, env: &[], also: &[], flag: None, live: false }
    }

    /// The same row with further environment variables.
    pub const fn env(self, env: &'static [&'static str]) -> Row {
        Row { env, ..self }
    }

    /// The same row with a flag that takes a value.
    pub const fn flag(self, name: &'static str) -> Row {
        Row { flag: Some(Flag { name, implies: None, short: None, also: None }), ..self }
    }

    /// The same row with a flag that stands for `implies` when written bare.
    pub const fn bare_flag(self, name: &'static str, implies: &'static str) -> Row {
        Row { flag: Some(Flag { name, implies: Some(implies), short: None, also: None }), ..self }
    }

    /// The same row of a setting that can change while the program runs.
    pub const fn live(self) -> Row {
        Row { live: true, ..self }
    }

    /// The same row with other names in the configuration file.
    pub const fn also(self, also: &'static [&'static str]) -> Row {
        Row { also, ..self }
    }

    /// The same row whose flag also has a one-letter form.
    pub const fn short(self, short: char) -> Row {
        match self.flag {
            Some(flag) => Row { flag: Some(Flag { short: Some(short), ..flag }), ..self },
            None => self,
        }
    }

    /// The same row whose flag also has an older long name.
    pub const fn also_flag(self, also: &'static str) -> Row {
        match self.flag {
            Some(flag) => Row { flag: Some(Flag { also: Some(also), ..flag }), ..self },
            None => self,
        }
    }

    /// The part of the key before the dot.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    /// The part of the key after the dot.
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// Every environment variable that sets it, the one to recommend first.
    pub fn variables(&self) -> Vec<String> {
        let standard = self.key.replace('.', "_").to_uppercase();
        let mut names: Vec<String> = self.env.iter().map(|&name| name.to_owned()).collect();
        if !names.contains(&standard) {
            names.push(standard);
        }
        names
    }
}

/// Every setting, in the order in which people read them.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        server::ROWS,
        admin::ROWS,
        database::ROWS,
        openrouter::ROWS,
        proxy::ROWS,
        access::ROWS,
        usage::ROWS,
        log::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The sections with what each is about, in the order of [`rows`].
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Data plane: the public port"),
    ("admin", "Admin plane: the operator's port"),
    ("database", "Database and data on disk"),
    ("openrouter", "OpenRouter: the upstream"),
    ("proxy", "What is done with a request"),
    ("access", "Who may use the data plane"),
    ("usage", "What is recorded of each request"),
    ("log", "Log"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_is_used_twice() {
        let mut seen = BTreeSet::new();
        for row in rows() {
            assert!(seen.insert(row.key.to_owned()), "{}", row.key);
            for variable in row.variables() {
                assert!(seen.insert(variable.clone()), "{variable}");
            }
            if let Some(flag) = row.flag {
                assert!(seen.insert(format!("--{}", flag.name)), "{}", flag.name);
            }
        }
    }

    #[test]
    fn sections_follow_the_rows() {
        let mut sections: Vec<&str> = rows().map(Row::section).collect();
        sections.dedup();
        assert_eq!(sections, SECTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn every_row_is_described() {
        for row in rows() {
            assert!(row.doc.ends_with('.') && !row.doc.contains('\n'), "{}", row.key);
        }
    }
}

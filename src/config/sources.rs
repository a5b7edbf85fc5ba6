//! Where values come from: flags, environment, `.env`, configuration file.
//!
//! [`Sources::gather`] is the only place in the program that reads the process environment, and
//! nothing ever writes it. Tests fill [`Sources`] by hand.

use super::fault::Fault;
use super::file::{self, ConfigFile};
use super::given::Given;
use super::json::Json;
use super::table::{Kind, Preset, Row, rows};
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// The configuration file that is read when no `--config` names one.
pub const CONFIG_FILE: &str = "config.json";
/// The file of variables that is read when it exists.
pub const DOTENV_FILE: &str = ".env";

/// The folder of the running program: what it brings along may lie beside it.
pub fn program_folder() -> Option<std::path::PathBuf> {
    std::env::current_exe().ok()?.parent().map(Path::to_owned)
}

/// The place a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A command-line flag, named without dashes.
    Flag(&'static str),
    /// A variable of the process environment.
    Environment(String),
    /// A variable of the `.env` file.
    DotEnv(String),
    /// The configuration file at this path.
    File(String),
    /// Nobody gave one.
    Preset,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "flag --{name}"),
            Source::Environment(name) => write!(f, "environment variable {name}"),
            Source::DotEnv(name) => write!(f, "{name} in {DOTENV_FILE}"),
            Source::File(path) => f.write_str(path),
            Source::Preset => f.write_str("default"),
        }
    }
}

/// Every value that anyone gave, in the order of precedence. Named files of secrets are read when
/// the value is asked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// By flag, without dashes; one entry for each time it was written.
    pub flags: BTreeMap<String, Vec<String>>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
    /// The variables of `.env`.
    pub dotenv: BTreeMap<String, String>,
    /// The configuration file.
    pub file: Option<ConfigFile>,
    /// What went wrong while these were gathered.
    pub faults: Vec<Fault>,
}

impl Sources {
    /// Gathers from the process and the working directory. `config` is the value of `--config`.
    pub fn gather(flags: BTreeMap<String, Vec<String>>, config: Option<&Path>) -> Sources {
        let mut sources = Sources { flags, ..Sources::default() };
        sources.add_environment(std::env::vars_os());
        match std::fs::read_to_string(DOTENV_FILE) {
            Ok(text) => sources.add_dotenv(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => sources.unreadable(DOTENV_FILE, &error),
        }
        let path = config.unwrap_or(Path::new(CONFIG_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => sources.add_file(&path.display().to_string(), &text),
            Err(error) if error.kind() == ErrorKind::NotFound && config.is_none() => {}
            Err(error) => sources.unreadable(&path.display().to_string(), &error),
        }
        sources
    }

    /// Takes in environment variables; one that is ours must be text.
    fn add_environment(&mut self, variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) {
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    self.environment.insert(name, value);
                }
                Err(_) => {
                    if let Some(row) = rows().find(|row| row.variables().contains(&name)) {
                        let source = Source::Environment(name);
                        self.faults.push(Fault::new(row.key, source, "is not valid UTF-8"));
                    }
                }
            }
        }
    }

    /// Takes in the text of a `.env` file.
    pub fn add_dotenv(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for item in dotenvy::Iter::new(text.as_bytes()) {
            match item {
                Ok((name, value)) => match self.dotenv.insert(name.clone(), value.clone()) {
                    Some(earlier) if earlier != value => {
                        let message = format!("{name} is given twice with different values; keep one");
                        self.faults.push(Fault::new("", DOTENV_FILE, message));
                    }
                    _ => {}
                },
                Err(error) => {
                    let place = broken_line(text, &error).map(|line| format!("line {line} "));
                    let message = format!("{}is not NAME=value", place.unwrap_or_default());
                    self.faults.push(Fault::new("", DOTENV_FILE, message));
                }
            }
        }
    }

    /// Takes in the text of the configuration file at `path`.
    pub fn add_file(&mut self, path: &str, text: &str) {
        let (file, faults) = file::parse(path, text);
        self.file = Some(file);
        self.faults.extend(faults);
    }

    fn unreadable(&mut self, path: &str, error: &std::io::Error) {
        self.faults.push(Fault::new("", path, format!("cannot be read: {error}")));
    }

    /// What each source gives for `row`, the strongest first.
    pub fn offers(&self, row: &'static Row, faults: &mut Vec<Fault>) -> Vec<(Source, Given)> {
        let mut offers = Vec::new();
        if let Some(flag) = row.flag
            && let Some(texts) = self.flags.get(flag.name)
        {
            let source = Source::Flag(flag.name);
            if texts.iter().any(|text| text.trim().is_empty()) && row.kind != Kind::Header {
                faults.push(empty(row, &source));
            } else {
                offers.push((source, Given::Texts(texts.clone())));
            }
        }
        offers.extend(from_variables(row, &self.environment, Source::Environment, faults));
        offers.extend(from_variables(row, &self.dotenv, Source::DotEnv, faults));
        if let Some(file) = &self.file
            && let Some(json) = file.entries.get(row.key)
        {
            let source = Source::File(file.path.clone());
            let unset = *json == Json::Null && matches!(row.preset, Preset::Unset(_));
            match json {
                _ if unset => {}
                Json::Text(text) if text.trim().is_empty() => {
                    if row.kind != Kind::Header {
                        faults.push(empty(row, &source));
                    }
                }
                json => offers.push((source, Given::Json(json.clone()))),
            }
        }
        offers
    }
}

/// The value that `variables` hold for `row`, under whichever of its names.
fn from_variables(
    row: &'static Row,
    variables: &BTreeMap<String, String>,
    source: fn(String) -> Source,
    faults: &mut Vec<Fault>,
) -> Option<(Source, Given)> {
    let mut found: Option<(Source, String)> = None;
    for name in row.variables() {
        let by_file = format!("{name}_FILE");
        for (name, is_file) in [(name, false), (by_file, true)] {
            let Some(value) = variables.get(&name).filter(|_| !is_file || row.kind.may_come_from_file())
            else {
                continue;
            };
            let source = source(name);
            match value_of(row, &source, value, is_file) {
                Ok(None) => {}
                Ok(Some(text)) => match &found {
                    Some((_, same)) if *same == text && !is_file => {}
                    Some((earlier, _)) => {
                        let message = format!("{earlier} sets it too; keep one of the two");
                        faults.push(Fault::new(row.key, source, message));
                    }
                    None => found = Some((source, text)),
                },
                Err(fault) => faults.push(fault),
            }
        }
    }
    found.map(|(source, text)| (source, Given::text(text)))
}

/// The text a variable stands for: its own, or that of the file it names.
fn value_of(row: &Row, source: &Source, value: &str, is_file: bool) -> Result<Option<String>, Fault> {
    if value.trim().is_empty() {
        return if row.kind == Kind::Header { Ok(None) } else { Err(empty(row, source)) };
    }
    if !is_file {
        return Ok(Some(value.to_owned()));
    }
    let content = std::fs::read_to_string(value)
        .map_err(|error| Fault::new(row.key, source, format!("cannot read {value}: {error}")))?;
    let text =
        content.strip_suffix('\n').map_or(content.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(Fault::new(row.key, source, format!("the file {value} is empty")));
    }
    Ok(Some(text.to_owned()))
}

fn empty(row: &Row, source: &Source) -> Fault {
    Fault::new(row.key, source, "is set but empty; give it a value or leave it out")
}

/// The number of the line that dotenvy could not read. Its own message would repeat the line,
/// which may hold a secret.
fn broken_line(text: &str, error: &dotenvy::Error) -> Option<usize> {
    let dotenvy::Error::LineParse(broken, _) = error else { return None };
    let start = broken.lines().next()?.trim();
    text.lines().position(|line| line.contains(start)).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_must_exist() {
        let sources = Sources::gather(BTreeMap::new(), Some(Path::new("no/such/file.json")));
        let faults: Vec<String> = sources.faults.iter().map(ToString::to_string).collect();
        assert!(
            faults.iter().any(|fault| fault.starts_with("no/such/file.json: cannot be read: ")),
            "{faults:?}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_of_ours_must_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let broken = || std::ffi::OsString::from_vec(vec![0xff]);
        let mut sources = Sources::default();
        sources.add_environment([("PORT".into(), broken()), ("THEIRS".into(), broken())].into_iter());
        let faults: Vec<String> = sources.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["server.port (environment variable PORT): is not valid UTF-8"]);
    }

    #[test]
    fn broken_lines_are_counted_and_not_repeated() {
        let mut sources = Sources::default();
        sources.add_dotenv("A=1\n\n# fine\nhunter2 hunter2\nB=\"hunter2\nC=3\n");
        let faults: Vec<String> = sources.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [".env: line 4 is not NAME=value", ".env: line 5 is not NAME=value"]);
        assert_eq!(sources.dotenv.get("A").map(String::as_str), Some("1"));
    }
}

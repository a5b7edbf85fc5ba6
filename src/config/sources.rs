//! Where values come from: flags, environment, `.env`, configuration file.
//!
//! [`Sources::gather`] is the only place in the program that reads the process environment, and
//! nothing ever writes it. Tests fill [`Sources`] by hand.

use super::dotenv;
use super::fault::Fault;
use super::file::{self, ConfigFile};
use super::given::Given;
use super::json::Json;
use super::table::{Kind, Preset, Row, rows};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

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
    /// The operator, while the program runs.
    Operator,
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
            Source::Operator => f.write_str("changed here"),
            Source::Preset => f.write_str("default"),
        }
    }
}

/// Every value that anyone gave, in the order of precedence. Named files of secrets are read when
/// the value is asked for.
#[derive(Clone, Default)]
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

/// Never shows what was given: it may be a secret.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(…)")
    }
}

impl Sources {
    /// Wipes every text that was gathered, once the settings are read: each secret among them lives on
    /// as a [`crate::domain::secret::Secret`]. The process environment itself stays, as it is the
    /// system's.
    pub fn wipe(mut self) {
        for texts in self.flags.values_mut() {
            texts.zeroize();
        }
        self.environment.values_mut().chain(self.dotenv.values_mut()).for_each(Zeroize::zeroize);
    }

    /// Gathers from the process and the working directory. `config` is the value of `--config`.
    pub fn gather(flags: BTreeMap<String, Vec<String>>, config: Option<&Path>) -> Sources {
        let mut sources = Sources { flags, ..Sources::default() };
        sources.add_environment(std::env::vars_os());
        if let Some(text) = sources.text(Path::new(DOTENV_FILE), true) {
            sources.add_dotenv(&text);
        }
        let path = config.unwrap_or(Path::new(CONFIG_FILE));
        if let Some(text) = sources.text(path, config.is_none()) {
            sources.add_file(&path.display().to_string(), &text);
        }
        sources
    }

    /// The text of a file; `None` if it cannot be read, which is a fault unless it `may_miss`. What is
    /// not UTF-8 in it is a fault, but the rest is looked at all the same.
    fn text(&mut self, path: &Path, may_miss: bool) -> Option<Zeroizing<String>> {
        let shown = path.display();
        match std::fs::read(path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let text = String::from_utf8_lossy(&bytes);
                if matches!(text, Cow::Owned(_)) {
                    self.faults.push(Fault::new("", shown, "is not valid UTF-8; save it as UTF-8"));
                }
                Some(Zeroizing::new(text.into_owned()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound && may_miss => None,
            Err(error) => {
                self.faults.push(Fault::new("", shown, format!("cannot be read: {error}")));
                None
            }
        }
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
        let (variables, faults) = dotenv::parse(text);
        self.dotenv = variables;
        self.faults.extend(faults);
    }

    /// Takes in the text of the configuration file at `path`.
    pub fn add_file(&mut self, path: &str, text: &str) {
        let (file, faults) = file::parse(path, text);
        self.file = Some(file);
        self.faults.extend(faults);
    }

    /// What each source gives for `row`, the strongest first.
    pub fn offers(&self, row: &'static Row, faults: &mut Vec<Fault>) -> Vec<(Source, Given)> {
        let mut offers = Vec::new();
        if let Some(flag) = row.flag
            && let Some(texts) = self.flags.get(flag.name)
        {
            let source = Source::Flag(flag.name);
            let is_empty = |text: &&String| text.trim().is_empty() && row.kind != Kind::Header;
            let given: Vec<String> = texts.iter().filter(|text| !is_empty(text)).cloned().collect();
            if given.len() < texts.len() {
                faults.push(empty(row, &source));
            }
            if !given.is_empty() {
                offers.push((source, Given::Texts(given)));
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
        .map(Zeroizing::new)
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
}

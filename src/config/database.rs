//! `database`: which database, and where the data on disk lies.

use super::given::{Given, Value};
use super::reader::Reader;
use super::table::{Kind, Row};
use crate::domain::secret::Secret;
use std::fmt;
use std::path::{Path, PathBuf};

const URL: Row = Row::new(
    "database.url",
    Kind::DatabaseUrl,
    "openrouter_proxy.db",
    "Database: a path or sqlite://… is SQLite, postgres://… is Postgres.",
)
.flag("database-url")
.also(&["path"]);

const SECRET_KEY: Row = Row::unset(
    "database.secret_key",
    Kind::Secret,
    "file `secret.key` in the data folder, created if missing",
    "What upstream keys are encrypted with: the text that secret.key would hold.",
)
.env(&["SECRET_KEY"]);

const DATA_DIR: Row = Row::unset(
    "database.data_dir",
    Kind::Path,
    "the folder of the SQLite file; with Postgres the working directory",
    "Folder of secret.key and the journal.",
)
.env(&["OPENROUTER_PROXY_DATA_DIR"]);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[URL, SECRET_KEY, DATA_DIR];

/// Which database, and where the data on disk lies.
#[derive(Debug, Clone)]
pub struct Database {
    /// The database.
    pub url: DatabaseUrl,
    /// What the file `secret.key` would hold; `None`: use that file.
    pub secret_key: Option<Secret>,
    /// The folder of `secret.key` and the journal.
    pub data_dir: PathBuf,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Database {
        let url: DatabaseUrl = reader.get(&URL);
        let secret_key = reader.optional(&SECRET_KEY);
        let data_dir = reader.optional(&DATA_DIR).unwrap_or_else(|| url.folder());
        Database { url, secret_key, data_dir }
    }
}

/// A database by its URL.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// SQLite, in the file at this path.
    Sqlite(PathBuf),
    /// Postgres, by a libpq connection URL that may hold a password.
    Postgres(PostgresUrl),
}

/// A libpq connection URL, shown without its password.
#[derive(Debug, Clone)]
pub struct PostgresUrl {
    secret: Secret,
    shown: String,
}

impl PostgresUrl {
    /// The whole URL.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl DatabaseUrl {
    /// The database that `text` names: a path, `sqlite://…` or `postgres://…`.
    ///
    /// # Errors
    /// What is wrong with it, without anything of it that may be secret.
    pub fn parse(text: &str) -> Result<DatabaseUrl, String> {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => return sqlite(text),
        };
        match scheme.as_str() {
            "sqlite" => sqlite(rest.strip_prefix("//").unwrap_or(rest)),
            "postgres" | "postgresql" if rest.starts_with("//") => Ok(DatabaseUrl::Postgres(PostgresUrl {
                secret: Secret::new(text),
                shown: masked(&scheme, rest),
            })),
            _ => Err(format!(
                "the scheme {scheme:?} is not supported; give a path, sqlite://path, postgres://… or postgresql://…"
            )),
        }
    }

    /// The folder of the data that lies beside the database: that of an SQLite file, else `.`.
    fn folder(&self) -> PathBuf {
        match self {
            DatabaseUrl::Sqlite(path) => match path.parent() {
                Some(parent) if parent != Path::new("") => parent.to_owned(),
                _ => PathBuf::from("."),
            },
            DatabaseUrl::Postgres(_) => PathBuf::from("."),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> DatabaseUrl {
        DatabaseUrl::Sqlite(PathBuf::from("openrouter_proxy.db"))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => path.display().fmt(f),
            DatabaseUrl::Postgres(url) => f.write_str(&url.shown),
        }
    }
}

impl Value for DatabaseUrl {
    fn read(given: &Given, kind: &Kind) -> Result<DatabaseUrl, String> {
        DatabaseUrl::parse(given.one_text(kind)?.trim())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The form of a URL scheme (RFC 3986, 3.1), but never a drive letter.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// An SQLite database at `path`; what can only be another kind of address is refused without
/// being repeated, for it may hold a password.
fn sqlite(path: &str) -> Result<DatabaseUrl, String> {
    if path.is_empty() || path.contains('\0') || path.ends_with('/') {
        return Err("expected the path of a file".to_owned());
    }
    if path == ":memory:" {
        return Err("a database in memory would forget every key; give the path of a file".to_owned());
    }
    if path.contains('?') {
        return Err("parameters after \"?\" are not supported for SQLite; give the path alone".to_owned());
    }
    if ["host=", "dbname=", "user="].iter().any(|word| path.contains(word)) {
        return Err("write a Postgres connection as a URL: postgres://user@host/name".to_owned());
    }
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

/// The URL without the password, wherever it stands: before the host or among the parameters.
fn masked(scheme: &str, rest: &str) -> String {
    let rest = rest.trim_start_matches('/');
    let (place, parameters) =
        rest.split_once('?').map_or((rest, ""), |(place, parameters)| (place, parameters));
    // A password may hold a raw "@": the host begins after the last one.
    let place = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:…@{host}"),
            None => format!("{user}@{host}"),
        },
        None => place.to_owned(),
    };
    let shown =
        parameters.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.contains("pass") => format!("{name}=…"),
            _ => pair.to_owned(),
        });
    let shown: Vec<String> = shown.collect();
    let question = if shown.is_empty() { "" } else { "?" };
    format!("{scheme}://{place}{question}{}", shown.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DatabaseUrl, String> {
        DatabaseUrl::read(&Given::text(text), &Kind::DatabaseUrl)
    }

    #[test]
    fn paths_are_sqlite() {
        for (text, path, folder) in [
            ("openrouter_proxy.db", "openrouter_proxy.db", "."),
            ("/data/x.db", "/data/x.db", "/data"),
            ("sqlite:///data/x.db", "/data/x.db", "/data"),
            ("sqlite://x.db", "x.db", "."),
            ("SQLite:sub/x.db", "sub/x.db", "sub"),
            ("./a:b.db", "./a:b.db", "."),
        ] {
            let url = read(text).expect(text);
            assert!(matches!(&url, DatabaseUrl::Sqlite(found) if found == Path::new(path)), "{text}");
            assert_eq!(url.folder(), Path::new(folder), "{text}");
        }
    }

    #[test]
    fn a_postgres_password_is_never_shown() {
        for (text, shown) in [
            ("postgres://u:p@ss@db:5432/x", "postgres://u:…@db:5432/x"),
            (
                "postgresql://db/x?user=u&password=hunter2&sslmode=require",
                "postgresql://db/x?user=u&password=…&sslmode=require",
            ),
            ("postgres://u@db/x", "postgres://u@db/x"),
        ] {
            let url = read(text).expect(text);
            assert_eq!(url.to_string(), shown);
            assert!(
                !format!("{url:?}").contains("hunter2") && !format!("{url:?}").contains("p@ss"),
                "{url:?}"
            );
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_list() {
        for text in ["mysql://u:hunter2@h/x", "file:x.db", "http://x", "postgres:x"] {
            let error = read(text).expect_err(text);
            assert!(
                error.contains("sqlite://") && error.contains("postgres://") && !error.contains("hunter2"),
                "{error}"
            );
        }
        for text in
            [":memory:", "sqlite::memory:", "sqlite://", "x.db?mode=ro", "host=db password=hunter2", "dir/"]
        {
            let error = read(text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

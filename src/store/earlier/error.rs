//! What can go wrong with the earlier proxy's database, each with its remedy.
//!
//! A text here names rows by their number; it never holds a key.

use std::path::PathBuf;

/// Why the earlier proxy's database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    /// There is no such file.
    #[error(
        "{path} does not exist: give the path of the earlier proxy's database, mostly openrouter_proxy.db in its folder"
    )]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// The file cannot be opened by this user.
    #[error("{path} cannot be opened: {reason}; give this user read permission on it, or a copy of it")]
    CannotOpen {
        /// The path given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is no SQLite database, or is encrypted as a whole.
    #[error("{path} is not a SQLite database, or it is encrypted: give the earlier proxy's own file")]
    NotADatabase {
        /// The path given.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{path} is damaged: restore it from a backup, or try `sqlite3 {path} .recover`")]
    Damaged {
        /// The path given.
        path: PathBuf,
    },
    /// Another process writes to it and does not stop.
    #[error("{path} is locked by another process: stop the earlier proxy and try again")]
    Locked {
        /// The path given.
        path: PathBuf,
    },
    /// Its last writer was killed; only a writer may mend it, and this program never writes to it.
    #[error(
        "{path} was not closed cleanly, and it is only read here: start and stop the earlier proxy once, then try again"
    )]
    NotClosed {
        /// The path given.
        path: PathBuf,
    },
    /// It belongs to this program.
    #[error("{path} is a database of this program already: give the earlier proxy's")]
    Ours {
        /// The path given.
        path: PathBuf,
    },
    /// Its tables are not those of the earlier proxy.
    #[error("{path} is not the earlier proxy's database: looked for {wanted}; found {found}")]
    UnknownTables {
        /// The path given.
        path: PathBuf,
        /// What should be there.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// Rows of it hold no usable key.
    #[error("nothing was imported\n{}", .rows.join("\n"))]
    UnusableKeys {
        /// One sentence for each of these rows.
        rows: Vec<String>,
    },
    /// Any other answer of SQLite.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
}

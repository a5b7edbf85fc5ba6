//! What is peculiar to SQLite: the file and its rights, the PRAGMAs, its words for trouble.
//!
//! Must never open the file by other means than SQLite once SQLite has it open: closing such a
//! handle drops all POSIX locks of the process on that file (sqlite.org/howtocorrupt.html, 2.2).

use crate::store::error::StoreError;
use diesel::connection::{Connection, SimpleConnection};
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, SqliteConnection};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The waiting time comes first: SQLite's own is zero, and every later line may meet a lock.
/// FULL, because with NORMAL the last commits may be lost with the power (stack facts 1.4).
/// Pages are twice as large as SQLite's own: it asks the system twice for each that it writes, and a row of usage takes
/// more than half a kilobyte. A file that is not empty keeps its size (sqlite.org/pragma.html, "page_size").
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA page_size = 8192; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;";

/// The application id in the file's header (sqlite.org/fileformat2.html, 1.3.19): "ORPX".
const MARK: &str = "PRAGMA application_id = 1330794584";

/// Creates the file, readable by this user alone, if it does not exist. SQLite gives the files that
/// it puts beside it the same rights.
pub(super) fn ensure_file(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(StoreError::FolderMissing { folder: folder.to_owned() });
    }
    if path.is_dir() {
        return Err(cannot_open(path, "it is a folder"));
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(cannot_open(path, &error.to_string())),
    }
}

/// Opens the file that is there; a vanished one is not replaced by an empty one.
pub(super) fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish(path, "rw")?;
    connection.batch_execute(PRAGMAS).map_err(|error| explained(path, error))?;
    Ok(connection)
}

/// Opens another program's file, which is never written to; what its schema says is not trusted.
pub(super) fn connect_to_read(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish(path, "ro")?;
    let pragmas = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;";
    connection.batch_execute(pragmas).map_err(|error| explained(path, error))?;
    Ok(connection)
}

fn establish(path: &Path, mode: &str) -> Result<SqliteConnection, StoreError> {
    let Some(text) = path.to_str() else {
        return Err(cannot_open(path, "its name is not UTF-8"));
    };
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    SqliteConnection::establish(&format!("file:{escaped}?mode={mode}"))
        .map_err(|error| cannot_open(path, &error.to_string()))
}

/// Marks the file as ours, which also shows whether it can be written, and lets readers and a
/// writer work at the same time. Both stay with the file.
pub(super) fn prepare(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // Beginning a transaction on a read-only file is no error, so something has to be written.
    connection.batch_execute(MARK).map_err(|error| explained(path, error))?;
    // SQLite does not wait for this lock by itself; two programs may start at the same moment.
    let mut tries_left = 50;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL").map_err(|error| explained(path, error)) {
            Err(StoreError::Busy { .. }) if tries_left > 0 => {
                tries_left -= 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            answer => return answer,
        }
    }
}

/// Copies the database into the new file `to`, for this user alone; a server may go on writing.
pub(super) fn back_up(connection: &mut SqliteConnection, to: &Path) -> Result<u64, StoreError> {
    let failed = |reason: String| StoreError::BackupFile { path: to.to_owned(), reason };
    let text = to.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    // SQLite takes an empty file for none, so what is there already stays and the rights are right.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| failed(error.to_string()))?;
    // As a name, not as a URI: it may hold any character.
    let written = diesel::sql_query("VACUUM INTO $1").bind::<Text, _>(text).execute(connection);
    if let Err(error) = written {
        // Half a backup is none.
        let _ = std::fs::remove_file(to);
        return Err(failed(error.to_string()));
    }
    std::fs::metadata(to).map(|file| file.len()).map_err(|error| failed(error.to_string()))
}

/// Whether the tables are those of the earlier Python proxy, whose file has the same name by default.
pub(super) fn is_earlier_proxy(connection: &mut SqliteConnection) -> Result<bool, DieselError> {
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = BigInt)]
        known: i64,
    }
    let tables: Tables = diesel::sql_query(
        "SELECT COUNT(*) AS known FROM sqlite_master \
         WHERE type = 'table' AND name IN ('api_keys', 'usage_logs', 'free_models')",
    )
    .get_result(connection)?;
    Ok(tables.known > 1)
}

/// Whether there are tables, but none that a migration of ours made.
pub(super) fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, DieselError> {
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = BigInt)]
        ours: i64,
        #[diesel(sql_type = BigInt)]
        others: i64,
    }
    let tables: Tables = diesel::sql_query(
        "SELECT COUNT(CASE WHEN name = '__diesel_schema_migrations' THEN 1 END) AS ours, \
         COUNT(CASE WHEN name <> '__diesel_schema_migrations' THEN 1 END) AS others \
         FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .get_result(connection)?;
    Ok(tables.ours == 0 && tables.others > 0)
}

/// The error behind SQLite's words (sqlite.org/rescode.html), if we know them.
pub(super) fn explain(database: &str, text: &str) -> Option<StoreError> {
    let database = database.to_owned();
    let known = if text.contains("file is not a database") {
        StoreError::NotADatabase { database }
    } else if text.contains("malformed") {
        StoreError::Damaged { database }
    } else if text.contains("readonly database") {
        StoreError::ReadOnly { database }
    } else if text.contains("unable to open database") {
        StoreError::CannotOpen { database, reason: text.to_owned() }
    } else if text.contains("locked") {
        StoreError::Busy { database }
    } else if text.contains("disk is full") {
        StoreError::Full { database }
    } else {
        return None;
    };
    Some(known)
}

fn explained(path: &Path, error: DieselError) -> StoreError {
    explain(&path.display().to_string(), &error.to_string()).unwrap_or(StoreError::Query(error))
}

fn cannot_open(path: &Path, reason: &str) -> StoreError {
    StoreError::CannotOpen { database: path.display().to_string(), reason: reason.to_owned() }
}

//! What can go wrong with the store, each with its remedy.
//!
//! A text here never holds a secret, a password or a database URL: it ends up in logs and on pages.

use super::earlier::EarlierError;
use crate::domain::ids::{AccountId, KeyId, TokenId};
use crate::domain::token::TokenFault;
use std::io;
use std::path::PathBuf;

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder that should hold the database file is not there.
    #[error(
        "folder {folder} for the database does not exist: create it, or set database.url to another path"
    )]
    FolderMissing {
        /// The folder.
        folder: PathBuf,
    },
    /// The database file, or a file beside it, cannot be opened by this user.
    #[error(
        "database {database} cannot be opened: {reason}; give this user read and write permission on it and on its folder"
    )]
    CannotOpen {
        /// Which database.
        database: String,
        /// What the system said.
        reason: String,
    },
    /// The database can be read but not written.
    #[error(
        "database {database} is read-only: give this user write permission on it and on its folder, or mount it writable"
    )]
    ReadOnly {
        /// Which database.
        database: String,
    },
    /// The file is something else than a SQLite database.
    #[error("{database} is not a SQLite database: set database.url to another path, or move that file away")]
    NotADatabase {
        /// Which file.
        database: String,
    },
    /// The database holds another program's tables.
    #[error("database {database} belongs to another program: set database.url to a path of its own")]
    Foreign {
        /// Which database.
        database: String,
    },
    /// The database is the earlier Python proxy's, whose file has the name of ours by default.
    #[error(
        "database {database} is the earlier Python proxy's: rename that file, say to old.db, run `openrouter-proxy keys import --from-sqlite old.db` and start again"
    )]
    EarlierProxy {
        /// Which database.
        database: String,
    },
    /// The earlier proxy's database, given for an import, is not to be read.
    #[error(transparent)]
    Earlier(#[from] EarlierError),
    /// The database file is damaged.
    #[error("database {database} is damaged: restore it from a backup")]
    Damaged {
        /// Which database.
        database: String,
    },
    /// A newer version of this program has changed the schema.
    #[error(
        "database {database} was written by a newer version (schema {schema}): run that version, or restore the backup made before the upgrade"
    )]
    Newer {
        /// Which database.
        database: String,
        /// The schema version that this program does not know.
        schema: String,
    },
    /// The database lacks changes of the schema that this version needs.
    #[error(
        "database {database} was written by an older version: run `openrouter-proxy db migrate` on it first"
    )]
    Older {
        /// Which database.
        database: String,
    },
    /// There is no database to look at.
    #[error(
        "database {database} does not exist yet: the first start creates it, or `openrouter-proxy db migrate`"
    )]
    NoDatabase {
        /// Which database.
        database: String,
    },
    /// A copy would mix with what is there.
    #[error("database {database} is not empty (table {table} has rows): name one that does not exist yet")]
    NotEmpty {
        /// Which database.
        database: String,
        /// The first table with rows.
        table: &'static str,
    },
    /// A copy does not hold what its source holds.
    #[error(
        "table {table} has not the same rows in the copy: nothing was kept of it; try again, and report it if it stays"
    )]
    CopyDiffers {
        /// The table.
        table: &'static str,
    },
    /// The file for a backup is there already, or cannot be written.
    #[error(
        "{path} cannot be written ({reason}): name a file that does not exist yet, in a folder with space and write permission"
    )]
    BackupFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Postgres is backed up by its own tool.
    #[error(
        "a Postgres database is backed up with pg_dump: run `pg_dump --format=custom --file=FILE` with the same connection; the secret key file belongs to the backup too"
    )]
    BackUpElsewhere,
    /// The database server turned us down, or its URL makes no sense.
    #[error("the database server refused: {reason}; check database.url, its user and its password")]
    Refused {
        /// What it said, without anything quoted from the URL.
        reason: String,
    },
    /// The database server does not answer.
    #[error(
        "the database server cannot be reached: {reason}; check that it runs and that database.url names it"
    )]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// No connection could be had in time.
    #[error("database {database} is not available: {reason}")]
    Unavailable {
        /// Which database.
        database: String,
        /// What stood in the way.
        reason: String,
    },
    /// Another process holds the database for too long.
    #[error("database {database} is locked by another process: try again, or end that process")]
    Busy {
        /// Which database.
        database: String,
    },
    /// There is no room left for the database.
    #[error("no space left for database {database}: free some on its disk")]
    Full {
        /// Which database.
        database: String,
    },
    /// The database holds sealed keys, and the file of the secret key is not there.
    #[error(
        "secret key file {path} is missing, and the database is sealed with it: restore that file, or set SECRET_KEY to what it held"
    )]
    MissingSecretKey {
        /// Where the file should be.
        path: PathBuf,
    },
    /// The secret key is not the one that the database is sealed with.
    #[error(
        "the secret key from {origin} is not the one this database was sealed with: restore the right one"
    )]
    WrongSecretKey {
        /// The file or the setting that it came from.
        origin: String,
    },
    /// The text is no secret key.
    #[error(
        "the secret key from {origin} is malformed: it must be 32 bytes as base64 (44 characters) or hex (64 digits)"
    )]
    MalformedSecretKey {
        /// The file or the setting that it came from.
        origin: String,
    },
    /// Others can read the secret key.
    #[error("secret key file {path} can be read by other users: run `chmod 600` on it")]
    ExposedSecretKey {
        /// The file.
        path: PathBuf,
    },
    /// The secret key's file cannot be read or written.
    #[error(
        "secret key file {path} cannot be used ({source}): give this user read and write permission on it and on its folder"
    )]
    SecretKeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process changes the secret key just now.
    #[error("the secret key is being rotated by another process: wait until it has ended")]
    RotationUnderWay,
    /// Secret key and data key cannot both be new: running servers could not follow.
    #[error(
        "the secret key comes from {origin}, so running servers cannot take over a new secret key and a new data key at once: rotate the secret key with `--to FILE`, restart every server with it, then rotate the data key"
    )]
    RotateInTwoSteps {
        /// The setting that it comes from.
        origin: String,
    },
    /// A new secret key was to go elsewhere than into the file that is in use.
    #[error(
        "the secret key lies in {path} and is replaced there: `--to` is for one that a setting gives, leave it out"
    )]
    RotatesInPlace {
        /// The file.
        path: PathBuf,
    },
    /// The new secret key could not be shown to whoever asked for it, so the old one stays.
    #[error("the new secret key could not be written out ({0}): nothing was changed")]
    NotHandedOver(io::Error),
    /// Sealed keys are there, the data key that opens them is gone from the settings.
    #[error(
        "the database has lost the data key that its upstream keys are sealed with: restore it from a backup"
    )]
    LostDataKey,
    /// A sealed key was changed outside this program, or moved to another row.
    #[error(
        "upstream key {id} does not unseal, so its row was changed from outside: remove it with `keys remove {id}` and add it again"
    )]
    DamagedKey {
        /// The key.
        id: KeyId,
    },
    /// The upstream key is in the pool already.
    #[error("this upstream key is already there, as key {id}")]
    DuplicateKey {
        /// The key that it equals.
        id: KeyId,
    },
    /// There is no upstream key with this id.
    #[error("there is no upstream key {id}: `keys list` shows those there are")]
    UnknownKey {
        /// The id asked for.
        id: KeyId,
    },
    /// There is no client token with this id.
    #[error("there is no client token {id}: `tokens list` shows those there are")]
    UnknownToken {
        /// The id asked for.
        id: TokenId,
    },
    /// A client token cannot have these terms.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    TokenTerms {
        /// Everything that is wrong with them.
        faults: Vec<TokenFault>,
    },
    /// There is no account with this id.
    #[error("there is no account {id}")]
    UnknownAccount {
        /// The id asked for.
        id: AccountId,
    },
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to {0}: restart, and report it if it stays")]
    Crypto(&'static str),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be updated ({0}): nothing was changed; report it with this text")]
    Migration(String),
    /// Any other answer of the database.
    #[error("the database failed: {0}")]
    Query(#[from] diesel::result::Error),
}

impl StoreError {
    /// Whether only the operator can mend it (exit code 78, DESIGN section 3), so that trying again
    /// is of no use. The others may pass by themselves.
    pub fn is_configuration(&self) -> bool {
        !matches!(
            self,
            StoreError::Unreachable { .. }
                | StoreError::Unavailable { .. }
                | StoreError::Busy { .. }
                | StoreError::Full { .. }
                | StoreError::DuplicateKey { .. }
                | StoreError::UnknownKey { .. }
                | StoreError::UnknownToken { .. }
                | StoreError::TokenTerms { .. }
                | StoreError::UnknownAccount { .. }
                | StoreError::RotationUnderWay
                | StoreError::RotateInTwoSteps { .. }
                | StoreError::RotatesInPlace { .. }
                | StoreError::NotHandedOver(_)
                | StoreError::Crypto(_)
                | StoreError::Query(_)
                | StoreError::Earlier(_)
                | StoreError::NoDatabase { .. }
                | StoreError::NotEmpty { .. }
                | StoreError::CopyDiffers { .. }
                | StoreError::BackupFile { .. }
                | StoreError::BackUpElsewhere
        )
    }
}

//! `db migrate|status|backup|copy`: on the database given, whether or not a server is running.

use super::CommandError;
use crate::app::place;
use crate::cli::Db;
use crate::config::Settings;
use crate::config::database::{Database, DatabaseUrl};
use crate::domain::time::Timestamp;
use crate::store::{self, Place, Status};
use serde_json::{Map, Value, json};
use std::io::{Write, stderr, stdout};
use std::path::Path;

/// Does what was asked.
pub fn run(db: Db, settings: &Settings) -> Result<(), CommandError> {
    let database = &settings.database;
    let there = place(&database.url);
    match db {
        Db::Migrate => migrate(database, &there),
        Db::Status { json } => status(database, &store::status(&there)?, json),
        Db::Backup { to } => backup(database, &there, &to),
        Db::Copy { to } => copy(database, &there, &to),
    }
}

fn migrate(database: &Database, there: &Place) -> Result<(), CommandError> {
    let done = store::migrate(there)?;
    let to = done.to.unwrap_or_default();
    let mut out = stdout().lock();
    match done.from {
        Some(from) if from == to => {
            writeln!(out, "database {} is up to date, schema {to}", database.url)?;
        }
        Some(from) => writeln!(out, "database {}: schema {from} became {to}", database.url)?,
        None => writeln!(out, "database {}: schema {to} was made", database.url)?,
    }
    Ok(())
}

fn status(database: &Database, status: &Status, as_json: bool) -> Result<(), CommandError> {
    let kind = match database.url {
        DatabaseUrl::Sqlite(_) => "sqlite",
        DatabaseUrl::Postgres(_) => "postgres",
    };
    let mut out = stdout().lock();
    if as_json {
        let rows: Map<String, Value> =
            status.rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
        let (oldest, newest) = status.usage.unzip();
        let time = |time: Option<Timestamp>| time.map(Timestamp::rfc3339);
        let shown = json!({
            "database": database.url.to_string(), "kind": kind, "schema": status.schema,
            "pending": status.pending, "bytes": status.bytes, "rows": rows,
            "oldest_usage": time(oldest), "newest_usage": time(newest),
        });
        writeln!(out, "{shown}")?;
        return Ok(());
    }
    writeln!(out, "database  {} ({kind})", database.url)?;
    writeln!(out, "schema    {}", status.schema.as_deref().unwrap_or("none yet"))?;
    match status.pending.as_slice() {
        [] => writeln!(out, "pending   nothing")?,
        pending => writeln!(out, "pending   {} (the next start or `db migrate`)", pending.join(", "))?,
    }
    writeln!(out, "size      {:.1} MiB", status.bytes as f64 / (1024.0 * 1024.0))?;
    if let Some((oldest, newest)) = status.usage {
        writeln!(out, "usage     from {} to {}", oldest.rfc3339(), newest.rfc3339())?;
    }
    for (table, rows) in &status.rows {
        writeln!(out, "{rows:>12}  {table}")?;
    }
    Ok(())
}

fn backup(database: &Database, there: &Place, to: &Path) -> Result<(), CommandError> {
    let bytes = store::backup(there, to)?;
    let mut out = stdout().lock();
    writeln!(out, "{bytes} bytes written to {}", to.display())?;
    if database.secret_key.is_none() {
        let key = database.data_dir.join("secret.key");
        writeln!(out, "without {} it cannot be opened: keep that too, in another place", key.display())?;
    }
    Ok(())
}

fn copy(database: &Database, there: &Place, to: &str) -> Result<(), CommandError> {
    let target =
        DatabaseUrl::parse(to.trim()).map_err(|fault| CommandError::Refused(format!("--to: {fault}")))?;
    // Someone may watch; what they see is no part of the result.
    let mut told = |table: &'static str, rows: u64| {
        let _ = writeln!(stderr(), "{table}: {rows} rows");
    };
    let copied = store::copy(there, &place(&target), &mut told)?;
    let mut out = stdout().lock();
    for one in &copied {
        writeln!(out, "{:>12}  {}", one.rows, one.table)?;
    }
    writeln!(out, "{} holds the same now, counted in both", target)?;
    if database.secret_key.is_none() {
        let key = database.data_dir.join("secret.key");
        writeln!(out, "it opens with the same secret key: take {} along", key.display())?;
    }
    Ok(())
}

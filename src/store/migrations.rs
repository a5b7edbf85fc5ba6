//! The schema's history: the files of `migrations/`, inside the binary, run at every opening.
//!
//! Must never leave a half-changed schema: everything happens in one transaction that nobody else
//! is in, so several processes may start at once on an empty database.

use super::connection::{self, AnyConnection, Lock, Place};
use super::error::StoreError;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Brings the schema up to date.
///
/// # Errors
/// [`StoreError::Newer`] when it has migrations that this program does not know, and
/// [`StoreError::Foreign`] or [`StoreError::EarlierProxy`] when the tables there are not ours; nothing is changed then.
pub(super) fn run(place: &Place, connection: &mut AnyConnection) -> Result<(), StoreError> {
    connection::transaction(connection, Lock::Whole, |connection| {
        if connection::is_foreign(connection)? {
            if connection::is_earlier_proxy(connection)? {
                return Err(StoreError::EarlierProxy { database: place.to_string() });
            }
            return Err(StoreError::Foreign { database: place.to_string() });
        }
        state(place, connection)?;
        connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
        Ok(())
    })
    .map_err(|error| connection::explain(place, error))
}

/// The versions of all that this program knows, the oldest first.
pub(super) fn versions() -> Result<Vec<String>, StoreError> {
    let known: Vec<Box<dyn Migration<<AnyConnection as diesel::Connection>::Backend>>> =
        MIGRATIONS.migrations().map_err(failed)?;
    let mut versions: Vec<String> = known.iter().map(|one| one.name().version().to_string()).collect();
    versions.sort_unstable();
    Ok(versions)
}

/// The version that the schema has, if it has one, and those that are still to come.
///
/// # Errors
/// [`StoreError::Newer`] when it has a version that this program does not know.
pub(super) fn state(
    place: &Place,
    connection: &mut AnyConnection,
) -> Result<(Option<String>, Vec<String>), StoreError> {
    let applied = connection.applied_migrations().map_err(failed)?;
    let mut applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    applied.sort_unstable();
    let known = versions()?;
    if let Some(schema) = applied.iter().find(|version| !known.contains(version)) {
        return Err(StoreError::Newer { database: place.to_string(), schema: schema.clone() });
    }
    let pending = known.into_iter().filter(|version| !applied.contains(version)).collect();
    Ok((applied.pop(), pending))
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Migration(error.to_string())
}

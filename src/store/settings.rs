//! Single values by name: the table behind the admin password and the wrapped data key.
//!
//! Must never hold a secret in clear: what is secret comes here hashed or wrapped.

use super::connection::AnyConnection;
use super::error::StoreError;
use super::schema::settings;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// The value of this name, if it has one.
pub(super) fn get(connection: &mut AnyConnection, name: &str) -> Result<Option<String>, StoreError> {
    let value = settings::table.find(name).select(settings::value).first(connection).optional()?;
    Ok(value)
}

/// The number of this name; 0 when there is none.
pub(super) fn number(connection: &mut AnyConnection, name: &str) -> Result<i64, StoreError> {
    Ok(get(connection, name)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Sets the value of this name, whether it had one or not.
pub(super) fn put(connection: &mut AnyConnection, name: &str, value: &str) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind::<Text, _>(name)
    .bind::<Text, _>(value)
    .execute(connection)?;
    Ok(())
}

/// Sets the value of this name unless it has one; says whether it did.
pub(super) fn put_first(connection: &mut AnyConnection, name: &str, value: &str) -> Result<bool, StoreError> {
    let inserted =
        diesel::sql_query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind::<Text, _>(name)
            .bind::<Text, _>(value)
            .execute(connection)?;
    Ok(inserted == 1)
}

/// Adds one to the number of this name.
pub(super) fn count_up(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO settings (name, value) VALUES ($1, '1') ON CONFLICT (name) DO UPDATE SET \
         value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)",
    )
    .bind::<Text, _>(name)
    .execute(connection)?;
    Ok(())
}

//! `config check|show|schema`.

use super::CommandError;
use crate::config::{Settings, schema};
use std::io::{Write, stdout};

/// The settings were read without a fault when this runs.
pub fn check() -> Result<(), CommandError> {
    writeln!(stdout(), "the configuration is in order")?;
    Ok(())
}

/// Each effective value and where it came from.
pub fn show(settings: &Settings) -> Result<(), CommandError> {
    write!(stdout(), "{}", settings.show())?;
    Ok(())
}

/// The JSON Schema of `config.json`.
pub fn schema() -> Result<(), CommandError> {
    writeln!(stdout(), "{:#}", schema::schema())?;
    Ok(())
}

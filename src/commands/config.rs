//! `config check|show|schema`.

use super::CommandError;
use crate::app::{self, StartError};
use crate::config::{Settings, schema};
use crate::domain::time::Clock;
use std::io::{Write, stdout};

/// The settings were read without a fault when this runs; what is left is the certificate they name.
pub fn check(settings: &Settings) -> Result<(), CommandError> {
    app::check_certificate(&settings.server, &Clock::system()).map_err(StartError::from)?;
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

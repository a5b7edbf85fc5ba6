//! `admin reset-password`: another admin password, on the database given; a running server takes it
//! over within two seconds and ends every session.

use super::CommandError;
use crate::app::{new_password, open_store};
use crate::config::Settings;
use crate::config::weak::weakness;
use crate::domain::secret::Secret;
use std::io::{BufRead, IsTerminal, Read, Write, stdin, stdout};

/// The longest line that is read as a password, in bytes.
const LONGEST: u64 = 1024;

/// Sets a password: a generated one, or with `given` the one that is typed or piped in.
pub fn reset_password(settings: &Settings, given: bool) -> Result<(), CommandError> {
    if settings.admin.password.is_some() {
        let origin = settings.origins().iter().find(|origin| origin.key == "admin.password");
        let source = origin.map(|origin| origin.source.to_string()).unwrap_or_default();
        return Err(CommandError::Refused(format!(
            "admin.password is set by {source}, which wins over a stored one: change it there, or remove it first"
        )));
    }
    let store = open_store(&settings.database)?;
    if given {
        let password = read()?;
        if let Some(weakness) = weakness(&password) {
            return Err(CommandError::Refused(format!("this password {weakness}; choose another")));
        }
        store.set_admin_password(&password)?;
        writeln!(stdout(), "the admin password was changed; every session ends")?;
        return Ok(());
    }
    let text = new_password()?;
    store.set_admin_password(&Secret::new(text.as_str()))?;
    writeln!(stdout(), "new admin password (shown only this once): {}", text.as_str())?;
    Ok(())
}

fn read() -> Result<Secret, CommandError> {
    if stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("New admin password (not shown): ")?);
        let second = Secret::new(rpassword::prompt_password("Once more: ")?);
        if first.digest() != second.digest() {
            return Err(CommandError::Refused("the two are not the same; nothing was changed".to_owned()));
        }
        return Ok(first);
    }
    let mut line = String::new();
    stdin().lock().take(LONGEST).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

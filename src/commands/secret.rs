//! `secret rotate`: another secret key, on the database given; running servers go on as they are.

use super::CommandError;
use crate::app::open_store;
use crate::config::Settings;
use crate::store::HandOver;
use std::io::{self, Write, stdout};
use std::path::Path;

/// Makes a new secret key, and says where it is and what has to be changed for the next start.
pub fn rotate(settings: &Settings, data_key: bool, to: Option<&Path>) -> Result<(), CommandError> {
    let store = open_store(&settings.database)?;
    let mut show = |text: &str| -> io::Result<()> {
        writeln!(stdout(), "new secret key (shown only this once): {text}")?;
        stdout().flush()
    };
    let rotated = match to {
        Some(file) => store.rotate(data_key, HandOver::File(file))?,
        None => store.rotate(data_key, HandOver::Show(&mut show))?,
    };
    let mut said = Vec::new();
    if let Some(count) = rotated.resealed {
        said.push(format!("{count} upstream keys are encrypted under a new data key"));
    }
    if let Some(file) = &rotated.file {
        said.push(format!("the new secret key lies in {}", file.display()));
    }
    said.push(match (rotated.new_secret_key, &settings.database.secret_key) {
        (true, None) => "copy it to every other server of this database, and to where its backup lies; \
                         a start with the old one is refused"
            .to_owned(),
        (true, Some(_)) => format!(
            "give it to every server of this database in place of the old one ({}); \
             a start with the old one is refused",
            source_of(settings)
        ),
        (false, _) => "the secret key stays as it is".to_owned(),
    });
    // The rotation stands, whoever reads of it.
    let _ = writeln!(stdout(), "{}", said.join("\n"));
    Ok(())
}

/// Which setting gives the secret key.
fn source_of(settings: &Settings) -> String {
    let origin = settings.origins().iter().find(|origin| origin.key == "database.secret_key");
    origin.map(|origin| origin.source.to_string()).unwrap_or_default()
}

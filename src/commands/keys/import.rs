//! `keys import`: from a file of lines or an export, or from the earlier Python proxy's database.
//!
//! Never imports half of what it was given: what is wrong is said, mended, and given again.

use super::{LARGEST_IMPORT, key};
use crate::app::open_store;
use crate::cli::Input;
use crate::commands::CommandError;
use crate::config::Settings;
use crate::config::database::DatabaseUrl;
use crate::domain::key_list::{self, Entry, Listed};
use crate::domain::time::Timestamp;
use crate::store::{Earlier, EarlierError, Imported, Store, StoreError};
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;

/// Adds those of a file, one a line or an export; all of them, or none when a line is wrong.
pub(super) fn lines(store: &Store, from: &Input, now: Timestamp) -> Result<(), CommandError> {
    let mut text = String::new();
    match from {
        Input::Stdin => stdin().lock().take(LARGEST_IMPORT).read_to_string(&mut text)?,
        Input::Given(path) => std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_IMPORT).read_to_string(&mut text))
            .map_err(|error| CommandError::Refused(format!("{path}: {error}")))?,
    };
    let entries = key_list::read(&text, |text| key(text).err());
    // All or nothing: a file with a mistake in it is mended and given again.
    let fault = |(number, entry): &Entry| Some(format!("line {number}: {}", entry.as_ref().err()?));
    let faults: Vec<String> = entries.iter().filter_map(fault).collect();
    if !faults.is_empty() {
        return Err(CommandError::Refused(format!("nothing was imported\n{}", faults.join("\n"))));
    }
    let (mut added, mut known) = (0, 0);
    for Listed { key, enabled } in entries.into_iter().filter_map(|(_, entry)| entry.ok()) {
        match store.add_key(key, now) {
            Ok(record) => {
                added += 1;
                if !enabled {
                    store.set_key_enabled(record.id, false)?;
                }
            }
            Err(StoreError::DuplicateKey { .. }) => known += 1,
            Err(error) => return Err(error.into()),
        }
    }
    writeln!(stdout(), "{added} keys added, {known} were there already")?;
    Ok(())
}

/// Brings keys, and with `with_usage` usage rows, from the earlier proxy's database at `path`.
pub(super) fn earlier(
    settings: &Settings,
    path: &Path,
    with_usage: bool,
    now: Timestamp,
) -> Result<(), CommandError> {
    // The old one first: a wrong path must not create a database of ours.
    let mut old = Earlier::open(path).map_err(refused)?;
    if is_our_database(path, &settings.database.url) {
        let path = path.display();
        return Err(CommandError::Refused(format!(
            "{path} is where this program's own database goes (database.url): rename the old one first, say to old.db, and give that name"
        )));
    }
    let store = open_store(&settings.database)?;
    let imported = store.import_earlier(&mut old, with_usage, now).map_err(|error| match error {
        StoreError::Earlier(error) => refused(error),
        error => error.into(),
    })?;
    Ok(write!(stdout(), "{}", summary(&imported))?)
}

fn refused(error: EarlierError) -> CommandError {
    CommandError::Refused(error.to_string())
}

fn is_our_database(path: &Path, url: &DatabaseUrl) -> bool {
    match url {
        DatabaseUrl::Sqlite(ours) => match (path.canonicalize(), ours.canonicalize()) {
            (Ok(old), Ok(ours)) => old == ours,
            _ => false,
        },
        DatabaseUrl::Postgres(_) => false,
    }
}

fn summary(imported: &Imported) -> String {
    let Imported { added, known, skipped, usage } = imported;
    let mut text = format!("keys: {added} added, {known} known already, {} skipped\n", skipped.len());
    for reason in skipped {
        text += &format!("  skipped: {reason}\n");
    }
    if let Some(usage) = usage {
        let (added, known, undated) = (usage.added, usage.known, usage.undated);
        text += &format!("usage rows: {added} added, {known} known already, {undated} skipped\n");
        if undated > 0 {
            text += "  skipped: rows that do not say when they were\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ImportedUsage;

    #[test]
    fn the_summary_says_what_was_skipped_and_why() {
        let mut imported = Imported { added: 2, known: 1, ..Imported::default() };
        assert_eq!(summary(&imported), "keys: 2 added, 1 known already, 0 skipped\n");
        imported.skipped.push("key in row 3: it is empty".to_owned());
        imported.usage = Some(ImportedUsage { added: 5, known: 0, undated: 1 });
        assert_eq!(
            summary(&imported),
            "keys: 2 added, 1 known already, 1 skipped\n  skipped: key in row 3: it is empty\n\
             usage rows: 5 added, 0 known already, 1 skipped\n  skipped: rows that do not say when they were\n"
        );
    }
}

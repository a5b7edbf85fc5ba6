//! `keys import`: from a file of lines, or from the earlier Python proxy's database.
//!
//! Never imports half of what it was given: what is wrong is said, mended, and given again.

use super::{LARGEST_IMPORT, key};
use crate::app::open_store;
use crate::cli::Input;
use crate::commands::CommandError;
use crate::config::Settings;
use crate::config::database::DatabaseUrl;
use crate::domain::key::NewKey;
use crate::domain::time::Timestamp;
use crate::store::{Earlier, EarlierError, Imported, Store, StoreError};
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;

/// Adds those of a file, one a line; all of them, or none when a line is wrong.
pub(super) fn lines(store: &Store, from: &Input, now: Timestamp) -> Result<(), CommandError> {
    let mut text = String::new();
    match from {
        Input::Stdin => stdin().lock().take(LARGEST_IMPORT).read_to_string(&mut text)?,
        Input::Given(path) => std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST_IMPORT).read_to_string(&mut text))
            .map_err(|error| CommandError::Refused(format!("{path}: {error}")))?,
    };
    let lines: Vec<Result<NewKey, String>> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(index, line)| import_line(line).map_err(|fault| format!("line {}: {fault}", index + 1)))
        .collect();
    // All or nothing: a file with a mistake in it is mended and given again.
    let faults: Vec<&str> = lines.iter().filter_map(|line| line.as_ref().err()).map(String::as_str).collect();
    if !faults.is_empty() {
        return Err(CommandError::Refused(format!("nothing was imported\n{}", faults.join("\n"))));
    }
    let (mut added, mut known) = (0, 0);
    for new_key in lines.into_iter().flatten() {
        match store.add_key(new_key, now) {
            Ok(_) => added += 1,
            Err(StoreError::DuplicateKey { .. }) => known += 1,
            Err(error) => return Err(error.into()),
        }
    }
    writeln!(stdout(), "{added} keys added, {known} were there already")?;
    Ok(())
}

/// `key[,label[,daily limit]]`.
fn import_line(line: &str) -> Result<NewKey, String> {
    let mut cells = line.splitn(3, ',').map(str::trim);
    let secret = key(cells.next().unwrap_or_default())?;
    let label = cells.next().unwrap_or_default().to_owned();
    let daily_limit = match cells.next().filter(|cell| !cell.is_empty()) {
        None => None,
        Some(cell) => match cell.parse::<u32>() {
            Ok(limit) if limit > 0 => Some(limit),
            _ => return Err("the daily limit must be a whole number above 0".to_owned()),
        },
    };
    Ok(NewKey { secret, label, daily_limit })
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

    #[test]
    fn import_lines_are_read_with_label_and_limit() {
        let read = |line: &str| import_line(line).map(|key| (key.label, key.daily_limit));
        assert_eq!(read("sk-or-v1-a"), Ok((String::new(), None)));
        assert_eq!(read(" sk-or-v1-a , mine ,50"), Ok(("mine".to_owned(), Some(50))));
        assert_eq!(read("sk-or-v1-a,,"), Ok((String::new(), None)));
        for line in [",x", "sk or", "sk-or-v1-a,x,0", "sk-or-v1-a,x,many", "sk-or-\u{7}"] {
            assert!(read(line).is_err(), "{line:?}");
        }
    }
}

//! The documents tell the truth: every path they name exists, every setting is documented.

use crate::scan;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: &[&str] = &["src", "docs", "tests", "migrations", "static", "benches", ".ci", "deploy"];

/// The documents that people read.
fn documents() -> Vec<PathBuf> {
    let root = scan::root();
    let top = ["README.md", "README.zh-CN.md", "CHANGELOG.md"].map(|name| root.join(name));
    let below = scan::files_below(&root.join("docs"));
    top.into_iter()
        .chain(below)
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The paths of this repository that a text names in backticks.
fn named_paths(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut names = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            names.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let is_ours = |name: &String| {
        let first = name.split('/').next().unwrap_or("");
        name.contains('/') && FOLDERS.contains(&first) && !name.contains(char::is_whitespace)
    };
    let bare = |name: String| name.split(':').next().unwrap_or("").trim_end_matches('/').to_owned();
    names.into_iter().filter(is_ours).map(bare).collect()
}

/// The files of this repository that a text links to.
fn linked_paths(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or(""))
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// Whether `name` exists below `base`; the last part may hold one `*`.
fn exists(base: &Path, name: &str) -> bool {
    let path = base.join(name);
    let last = path.file_name().map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((head, tail)) = last.split_once('*') else { return path.exists() };
    let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(head) && name.ends_with(tail)
    })
}

#[test]
fn every_named_path_exists() {
    let root = scan::root();
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a readable document");
        let folder = document.parent().unwrap_or(&root);
        let named = named_paths(&text).into_iter().filter(|name| !exists(&root, name));
        let linked = linked_paths(&text).into_iter().filter(|name| !exists(folder, name));
        missing.extend(named.chain(linked).map(|name| format!("{}: {name}", document.display())));
    }
    assert!(missing.is_empty(), "documents name what does not exist:\n{}\n", missing.join("\n"));
}

/// A README around its table of settings: before, the table, after.
fn around_settings(text: &str) -> (&str, &str, &str) {
    let (before, rest) = text.split_once("<!-- settings -->\n").expect("a table of settings");
    let (table, after) = rest.split_once("<!-- /settings -->").expect("the end of the table");
    (before, table, after)
}

/// Key, variables, flag, and the default if it is code, of each row: what needs no translation.
fn settings_of(table: &str) -> Vec<String> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").take(4).collect();
        let default = cells.get(3).filter(|cell| cell.starts_with('`') && cell.ends_with('`'));
        format!("{} {}", cells[..3].join(" "), default.map_or("", |cell| cell))
    })
    .collect()
}

/// With `UPDATE_DOCS` set, the table is written first, as for the other files made from the settings.
#[test]
fn the_table_of_settings_is_the_programs() {
    let path = scan::root().join("README.md");
    let mut text = fs::read_to_string(&path).expect("a readable README");
    let wanted = openrouter_proxy::config::docs::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let (before, _, after) = around_settings(&text);
        text = format!("{before}<!-- settings -->\n{wanted}<!-- /settings -->{after}");
        fs::write(&path, &text).expect("a writable README");
    }
    assert_eq!(around_settings(&text).1, wanted, "README.md: run with UPDATE_DOCS=1");
}

#[test]
fn both_languages_name_the_same_settings() {
    let [english, chinese] = ["README.md", "README.zh-CN.md"].map(|name| {
        let text = fs::read_to_string(scan::root().join(name)).expect("a readable README");
        settings_of(around_settings(&text).1)
    });
    assert!(english.len() > 10);
    assert_eq!(english, chinese);
}

#[test]
fn no_test_is_ignored() {
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        for path in scan::files_below(&scan::root().join(folder)) {
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let tokens = scan::tokens_of(&fs::read_to_string(&path).expect("a readable source file"));
            let marks = tokens.windows(2).filter(|pair| pair[0].is("[") && pair[1].is("ignore"));
            found.extend(marks.map(|pair| format!("{}:{}", path.display(), pair[0].line)));
        }
    }
    assert!(found.is_empty(), "ignored tests:\n{}\n", found.join("\n"));
}

#[test]
fn names_are_found_in_documents() {
    let text = "See `src/app.rs:12`, `docs/`, `src/x y`, [a](docs/A.md#b), [b](https://x.y/z).\n\
                ```\n`src/fenced.rs`\n```\n`tests/suite/main.rs`";
    assert_eq!(named_paths(text), ["src/app.rs", "docs", "tests/suite/main.rs"]);
    assert_eq!(linked_paths(text), ["docs/A.md"]);
    assert!(exists(&scan::root(), "tests/suite/*.rs") && !exists(&scan::root(), "tests/suite/*.py"));
}

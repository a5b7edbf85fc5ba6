//! The golden files: `tests/golden/shape/*.golden`, each a case that a person can read.
//!
//! A file is a JSON header (what it shows, dialect, settings, models), a line `--- request`, the body
//! as it comes, and either `--- expected` with the body as it leaves or `--- fault` with the refusal.

use super::pipeline::{Fault, ModelFacts, Settings, shape};
use crate::shape::dialect::Dialect;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "shows")]
    _shows: String,
    dialect: String,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    models: Vec<ModelFacts>,
}

struct Case {
    name: String,
    header: Header,
    dialect: Dialect,
    request: String,
    expected: Result<String, Fault>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/shape");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let (header, rest) = text.split_once("\n--- request\n").unwrap_or_else(|| panic!("{name}: no request"));
    let header: Header = serde_json::from_str(header).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (request, expected) = match rest.split_once("\n--- expected\n") {
        Some((request, expected)) => (request, Ok(expected.to_owned())),
        None => {
            let (request, fault) =
                rest.split_once("\n--- fault\n").unwrap_or_else(|| panic!("{name}: no end"));
            (request, Err(serde_json::from_str(fault).unwrap()))
        }
    };
    let dialect =
        Dialect::of_path(&format!("/{}", header.dialect)).unwrap_or_else(|| panic!("{name}: dialect"));
    Case { name, dialect, request: request.to_owned(), expected, header }
}

#[test]
fn every_golden_body_comes_out_as_written() {
    let mut wrong = Vec::new();
    for case in cases() {
        let shaped = shape(&case.request, case.dialect, &case.header.settings, &case.header.models);
        if shaped != case.expected {
            wrong.push(format!("{}\n  expected {:?}\n  got      {:?}", case.name, case.expected, shaped));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shaping_a_golden_body_again_changes_nothing() {
    for case in cases() {
        let Ok(expected) = &case.expected else { continue };
        let again = shape(expected, case.dialect, &case.header.settings, &case.header.models);
        assert_eq!(again.as_ref(), Ok(expected), "{}", case.name);
    }
}

#[test]
fn the_golden_files_cover_enough() {
    let cases = cases();
    let chat_like: Vec<&Case> = cases
        .iter()
        .filter(|case| matches!(case.dialect, Dialect::Chat | Dialect::Responses | Dialect::Messages))
        .collect();
    let dialects: BTreeSet<&str> = chat_like.iter().map(|case| case.dialect.path()).collect();
    assert!(chat_like.len() >= 60, "{} cases", chat_like.len());
    assert_eq!(dialects.len(), 3);
}

//! `/api/keys/import` and `/api/keys/export`: many keys at once.

use super::fields::{self, Field, Given, Kind};
use super::pages::json;
use super::problem::Problem;
use super::routes::Route;
use super::{Plane, body};
use crate::domain::key_list::{self, Listed};
use crate::ledger::LedgerError;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;

const IMPORT: &[Field] = &[Field::required(
    "text",
    Kind::Lines { max: body::IMPORT_TEXT },
    "One key a line: `key[,label[,daily limit]]`; empty lines and those after a `#` are passed over. Or an export with secrets, as it is.",
)];
const EXPORT: &[Field] = &[
    Field::optional("secrets", Kind::Switch, "Whether the keys themselves are exported too."),
    Field::optional("confirm", Kind::Word(&["secrets"]), "Must be `secrets` where `secrets` is true."),
];

/// The routes of many keys at once.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/keys/import", || web::post().to(import))
            .says("Add many keys; tells of each line what became of it.")
            .body(IMPORT)
            .gives::<Imported>(200),
        Route::get("/api/keys/export", || web::get().to(export))
            .says("Every key as a file; the keys themselves only when asked for twice.")
            .query(EXPORT)
            .gives::<Exported>(200)
            .problems(&[409]),
    ]
}

/// What became of an import.
#[derive(Serialize, JsonSchema)]
struct Imported {
    added: usize,
    known: usize,
    failed: usize,
    lines: Vec<Line>,
}

/// What became of one line.
#[derive(Serialize, JsonSchema)]
struct Line {
    /// Its number, from 1; of an export, the number of the key in it.
    line: usize,
    /// `added`, `known` or `failed`.
    result: &'static str,
    /// The key's id, if it has one.
    id: Option<i64>,
    /// The key's last characters.
    hint: Option<String>,
    /// Why it failed.
    detail: Option<String>,
}

/// Every key.
#[derive(Serialize, JsonSchema)]
struct Exported {
    data: Vec<ExportedKey>,
}

/// One key of an export.
#[derive(Serialize, JsonSchema)]
struct ExportedKey {
    label: String,
    daily_limit: Option<u32>,
    enabled: bool,
    hint: String,
    /// The key itself, if it was asked for twice.
    key: Option<String>,
}

async fn import(request: HttpRequest, payload: Payload, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = body::read(&request, payload, IMPORT, body::IMPORT_LIMIT).await?;
    let text = given.text("text").unwrap_or_default();
    let mut imported = Imported { added: 0, known: 0, failed: 0, lines: Vec::new() };
    let key_fault = |key: &str| fields::upstream_key_fault(key).map(|fault| format!("the key {fault}"));
    for (number, entry) in key_list::read(text, key_fault) {
        let told = add(&plane, number, entry).await?;
        match told.result {
            "added" => imported.added += 1,
            "known" => imported.known += 1,
            _ => imported.failed += 1,
        }
        imported.lines.push(told);
    }
    plane.pool.edited();
    log::info!("{} keys were imported", imported.added);
    Ok(json(200, &imported))
}

async fn add(plane: &Plane, line: usize, entry: Result<Listed, String>) -> Result<Line, Problem> {
    let Listed { key, enabled } = match entry {
        Ok(listed) => listed,
        Err(fault) => return Ok(Line { line, result: "failed", id: None, hint: None, detail: Some(fault) }),
    };
    let hint = Some(key.secret.hint());
    match plane.ledger.add_key(key, enabled, plane.clock.now()).await {
        Ok(record) => Ok(Line { line, result: "added", id: Some(record.id.0), hint, detail: None }),
        Err(LedgerError::DuplicateKey(id)) => {
            Ok(Line { line, result: "known", id: Some(id.0), hint, detail: None })
        }
        Err(error) => Err(error.into()),
    }
}

async fn export(request: HttpRequest, plane: Data<Plane>) -> Result<HttpResponse, Problem> {
    let given = Given::of_query(request.query_string(), EXPORT)?;
    let in_clear = given.switch("secrets").unwrap_or(false);
    if in_clear && given.text("confirm") != Some("secrets") {
        let detail = "the file would hold every key in clear: ask once more, with `confirm=secrets`";
        return Err(Problem::new(409, detail));
    }
    let keys = plane.ledger.export_keys(in_clear, plane.clock.now().day()).await?;
    if in_clear {
        log::warn!("{} keys were exported in clear", keys.len());
    }
    let data = keys.into_iter().map(|key| ExportedKey {
        label: key.record.label,
        daily_limit: key.record.daily_limit,
        enabled: key.record.enabled,
        hint: key.record.hint,
        key: key.clear.map(|clear| clear.as_str().to_owned()),
    });
    let mut response = json(200, &Exported { data: data.collect() });
    let name = HeaderValue::from_static("attachment; filename=\"keys.json\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

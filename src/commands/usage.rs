//! `usage export`: every row of a span of time, oldest first, to standard output. Page by page, so
//! that millions of rows need no more memory than a thousand.

use super::CommandError;
use crate::app::open_store;
use crate::cli::ExportFormat;
use crate::config::Settings;
use crate::domain::time::Timestamp;
use crate::domain::usage::UsageRow;
use crate::store::{UsageCursor, UsageOrder, UsageQuery};
use std::io::{BufWriter, Write, stdout};

const PAGE: u32 = 1000;

/// Writes the rows in `format`.
pub fn export(
    settings: &Settings,
    format: ExportFormat,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<(), CommandError> {
    let store = open_store(&settings.database)?;
    let mut writer = Writer::new(format);
    let mut after: Option<UsageCursor> = None;
    loop {
        let order = UsageOrder::OldestFirst;
        let query = UsageQuery { since, until, after: after.take(), order, limit: PAGE };
        let page = store.usage_page(&query)?;
        for row in &page {
            writer.write(row)?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = Some(UsageCursor::of(last)),
            _ => return writer.end(),
        }
    }
}

enum Writer {
    Jsonl(BufWriter<std::io::Stdout>),
    Csv(Box<csv::Writer<std::io::Stdout>>, bool),
}

impl Writer {
    fn new(format: ExportFormat) -> Writer {
        match format {
            ExportFormat::Jsonl => Writer::Jsonl(BufWriter::new(stdout())),
            ExportFormat::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(stdout())), false),
        }
    }

    fn write(&mut self, row: &UsageRow) -> Result<(), CommandError> {
        match self {
            Writer::Jsonl(out) => {
                serde_json::to_writer(&mut *out, row).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Writer::Csv(out, has_head) => {
                if !std::mem::replace(has_head, true) {
                    out.write_record(COLUMNS)?;
                }
                out.write_record(cells(row).iter().map(|cell| harmless(cell)))?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), CommandError> {
        match self {
            Writer::Jsonl(mut out) => out.flush()?,
            Writer::Csv(mut out, has_head) => {
                if !has_head {
                    out.write_record(COLUMNS)?;
                }
                out.flush()?;
            }
        }
        Ok(())
    }
}

const COLUMNS: [&str; 26] = [
    "request_id",
    "time",
    "endpoint",
    "model",
    "model_served",
    "key_id",
    "key_label",
    "account_id",
    "token_id",
    "client_kind",
    "client_hint",
    "stream",
    "status",
    "outcome",
    "error_kind",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cost",
    "attempts",
    "first_content_ms",
    "duration_ms",
    "provider",
    "generation_id",
];

fn cells(row: &UsageRow) -> [String; 26] {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let tokens = &row.tokens;
    [
        row.request_id.clone(),
        row.time.rfc3339(),
        row.endpoint.clone(),
        row.model.clone(),
        text(row.model_served.as_ref()),
        text(row.key_id),
        text(row.key_label.as_ref()),
        text(row.account_id),
        text(row.token_id),
        row.client_kind.clone(),
        text(row.client_hint.as_ref()),
        row.stream.to_string(),
        row.status.to_string(),
        row.outcome.clone(),
        text(row.error_kind.as_ref()),
        text(tokens.prompt),
        text(tokens.completion),
        text(tokens.total),
        text(tokens.reasoning),
        text(tokens.cached),
        text(tokens.cost),
        row.attempts.to_string(),
        text(row.first_content_ms),
        row.duration_ms.to_string(),
        text(row.provider.as_ref()),
        text(row.generation_id.as_ref()),
    ]
}

/// A spreadsheet runs cells that begin like a formula; a quote in front makes them text.
fn harmless(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') if !is_number => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_run_by_a_spreadsheet() {
        for (cell, written) in
            [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "-5"), ("-x", "'-x"), ("a", "a"), ("", "")]
        {
            assert_eq!(harmless(cell), written);
        }
    }
}

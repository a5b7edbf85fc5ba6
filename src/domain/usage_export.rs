//! Usage rows as files: one JSON object a line, or comma-separated values with a head line (RFC 4180).
//!
//! Works chunk by chunk, so an export of millions of rows needs the memory of a thousand. No cell is
//! one that a spreadsheet would run.

use super::usage::UsageRow;
use std::io;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a head line.
    Csv,
}

impl ExportFormat {
    /// Reads `jsonl` or `csv`.
    pub fn parse(word: &str) -> Option<ExportFormat> {
        match word {
            "jsonl" => Some(ExportFormat::Jsonl),
            "csv" => Some(ExportFormat::Csv),
            _ => None,
        }
    }

    /// The content type of such a file.
    pub fn content_type(self) -> &'static str {
        match self {
            ExportFormat::Jsonl => "application/jsonl",
            ExportFormat::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What such a file begins with.
    pub fn head(self) -> Vec<u8> {
        match self {
            ExportFormat::Jsonl => Vec::new(),
            ExportFormat::Csv => format!("{}\n", COLUMNS.join(",")).into_bytes(),
        }
    }

    /// The lines of `rows`.
    ///
    /// # Errors
    /// Those of the encoders, which a row in memory does not cause.
    pub fn lines(self, rows: &[UsageRow]) -> io::Result<Vec<u8>> {
        match self {
            ExportFormat::Jsonl => {
                let mut lines = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut lines, row)?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
            ExportFormat::Csv => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                for row in rows {
                    writer.write_record(cells(row).iter().map(|cell| harmless(cell)))?;
                }
                writer.into_inner().map_err(csv::IntoInnerError::into_error)
            }
        }
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
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;

    fn row() -> UsageRow {
        let at = Timestamp::from_millis(0);
        UsageRow { model: "=a,\"b\"".to_owned(), ..UsageRow::begin(RequestId::new(at), at, "embeddings") }
    }

    #[test]
    fn each_form_has_its_lines() {
        let csv = ExportFormat::Csv.lines(&[row(), row()]).expect("lines");
        let csv = String::from_utf8(csv).expect("UTF-8");
        assert_eq!(csv.lines().count(), 2);
        assert!(csv.contains(",embeddings,\"'=a,\"\"b\"\"\","), "{csv}");
        assert_eq!(ExportFormat::Csv.head().iter().filter(|byte| **byte == b',').count(), 25);
        let jsonl = ExportFormat::Jsonl.lines(&[row()]).expect("lines");
        let read: serde_json::Value = serde_json::from_slice(&jsonl).expect("JSON");
        assert_eq!(read["model"], "=a,\"b\"");
        assert!(jsonl.ends_with(b"}\n") && ExportFormat::Jsonl.head().is_empty());
    }

    #[test]
    fn no_cell_is_run_by_a_spreadsheet() {
        for (cell, written) in
            [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "-5"), ("-x", "'-x"), ("a", "a"), ("", "")]
        {
            assert_eq!(harmless(cell), written);
        }
    }
}

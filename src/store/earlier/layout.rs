//! Where the earlier proxy keeps what, found by name: its versions and their copies do not agree on
//! every table and column.
//!
//! Its first version has `api_keys (id, key_name, api_key, is_active, created_at, last_used,
//! usage_count)` and `usage_logs (id, api_key_id, model, prompt_tokens, completion_tokens,
//! total_tokens, cost, request_time, response_status)`; the next adds `daily_limit`, `daily_usage`
//! and `last_reset_time` to the keys. The other spellings are those of copies and of its kin.

use std::fmt::Write;

/// A table of the old database with its columns.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// What to read of a table: which tables it may be, and which columns.
#[derive(Debug)]
pub(super) struct Wanted {
    tables: &'static [&'static str],
    fields: &'static [Field],
}

/// One value of a row: its name in the result, its type there, the columns it may come from.
#[derive(Debug)]
struct Field {
    alias: &'static str,
    cast: &'static str,
    needed: bool,
    columns: &'static [&'static str],
}

const fn field(alias: &'static str, cast: &'static str, columns: &'static [&'static str]) -> Field {
    Field { alias, cast, needed: false, columns }
}

const fn needed(alias: &'static str, cast: &'static str, columns: &'static [&'static str]) -> Field {
    Field { alias, cast, needed: true, columns }
}

/// The keys.
pub(super) const KEYS: Wanted = Wanted {
    tables: &["api_keys", "apikeys", "api_key", "openrouter_keys", "keys"],
    fields: &[
        needed("secret", "TEXT", &["api_key", "key", "key_value", "apikey"]),
        field("old_id", "TEXT", &["id"]),
        field("label", "TEXT", &["key_name", "name", "label", "alias", "remark"]),
        field("active", "TEXT", &["is_active", "enabled", "is_enabled", "active", "status"]),
        field("daily_limit", "INTEGER", &["daily_limit", "daily_quota", "limit_per_day"]),
        field("used_total", "INTEGER", &["usage_count", "total_usage", "use_count", "used"]),
        field("used_today", "INTEGER", &["daily_usage", "daily_used", "today_usage"]),
        field("last_used", "TEXT", &["last_used", "last_used_at", "last_use_time"]),
    ],
};

/// The usage rows.
pub(super) const USAGE: Wanted = Wanted {
    tables: &["usage_logs", "usage_log", "usage_records", "usage", "request_logs", "api_usage"],
    fields: &[
        needed("model", "TEXT", &["model", "model_name", "model_id"]),
        needed("time", "TEXT", &["request_time", "created_at", "timestamp", "time"]),
        field("old_key", "TEXT", &["api_key_id", "key_id"]),
        field("prompt_tokens", "INTEGER", &["prompt_tokens", "input_tokens"]),
        field("completion_tokens", "INTEGER", &["completion_tokens", "output_tokens"]),
        field("total_tokens", "INTEGER", &["total_tokens", "tokens_used", "tokens"]),
        field("cost", "REAL", &["cost", "total_cost", "cost_usd"]),
        field("status", "INTEGER", &["response_status", "status_code", "http_status", "status"]),
        field("duration_ms", "INTEGER", &["duration_ms", "response_time_ms", "latency_ms"]),
    ],
};

impl Wanted {
    /// The statement that reads a page of rows, by the row id it begins after and a number of rows;
    /// `None` when no table fits.
    pub(super) fn statement(&self, tables: &[Table]) -> Option<String> {
        let candidates = self
            .tables
            .iter()
            .filter_map(|name| tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)));
        let fits = |table: &&Table| {
            self.fields.iter().filter(|field| field.needed).all(|field| field.column(table).is_some())
        };
        let table = candidates.into_iter().find(fits)?;
        let mut statement = "SELECT rowid AS row_id".to_owned();
        for field in self.fields {
            let value = field.column(table).map_or("NULL".to_owned(), quoted);
            // Writing to a String cannot fail.
            let _ = write!(statement, ", CAST({value} AS {}) AS {}", field.cast, field.alias);
        }
        let name = quoted(&table.name);
        let _ = write!(statement, " FROM {name} WHERE rowid > ? ORDER BY rowid LIMIT ?");
        Some(statement)
    }

    /// What was looked for, to follow "looked for".
    pub(super) fn described(&self) -> String {
        let columns: Vec<String> = self
            .fields
            .iter()
            .filter(|field| field.needed)
            .map(|field| format!("a column {}", field.columns.join(" or ")))
            .collect();
        format!("a table {} with {}", self.tables.join(" or "), columns.join(" and "))
    }
}

impl Field {
    fn column<'a>(&self, table: &'a Table) -> Option<&'a String> {
        self.columns
            .iter()
            .find_map(|name| table.columns.iter().find(|column| column.eq_ignore_ascii_case(name)))
    }
}

/// What is there, to follow "found".
pub(super) fn described(tables: &[Table]) -> String {
    if tables.is_empty() {
        return "no tables".to_owned();
    }
    let one = |table: &Table| format!("{} ({})", table.name, table.columns.join(", "));
    tables.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: impl AsRef<str>) -> String {
    format!("\"{}\"", name.as_ref().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str]) -> Table {
        Table { name: name.to_owned(), columns: columns.iter().map(|&column| column.to_owned()).collect() }
    }

    #[test]
    fn columns_are_found_in_any_spelling_and_missing_ones_are_null() {
        let tables = [table("keys", &["value"]), table("API_Keys", &["ID", "Key", "enabled"])];
        let statement = KEYS.statement(&tables).expect("a table that fits");
        assert!(statement.contains(r#"CAST("Key" AS TEXT) AS secret"#), "{statement}");
        assert!(statement.contains(r#"CAST("enabled" AS TEXT) AS active"#), "{statement}");
        assert!(statement.contains("CAST(NULL AS INTEGER) AS daily_limit"), "{statement}");
        assert!(statement.ends_with(r#"FROM "API_Keys" WHERE rowid > ? ORDER BY rowid LIMIT ?"#));
        assert_eq!(USAGE.statement(&tables), None);
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(quoted("a\" FROM x; --"), "\"a\"\" FROM x; --\"");
        assert_eq!(described(&[]), "no tables");
        assert_eq!(described(&[table("a", &["b", "c"])]), "a (b, c)");
        assert!(USAGE.described().contains("a column model or"));
    }
}

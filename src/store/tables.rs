//! Every table and what it is made of, for what treats all of them alike: `db status` and `db copy`.
//!
//! A test holds this list against the schema that the migrations make, so that no table is forgotten.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// A number with a fraction.
    Real,
    /// True or false.
    Truth,
}

/// A column: its name and kind.
pub(super) type Column = (&'static str, Kind);

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// How many of them, from the first on, are its primary key.
    pub key: usize,
    /// Whether it is copied: what only says which processes run is not.
    pub copied: bool,
}

use Kind::{Real, Text, Truth, Whole};

const fn table(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, copied: true }
}

/// A table of what only running processes have: it is not copied.
const fn passing(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, copied: false }
}

/// Every table, so that what a row refers to comes before it.
pub(super) const TABLES: &[Table] = &[
    table("settings", 1, &[("name", Text), ("value", Text)]),
    table(
        "accounts",
        1,
        &[
            ("id", Whole),
            ("upstream_user", Text),
            ("created_at", Whole),
            ("free_tier", Truth),
            ("learned_daily_limit", Whole),
            ("daily_limit", Whole),
            ("minute_limit", Whole),
        ],
    ),
    table("account_users", 1, &[("upstream_user", Text), ("account_id", Whole)]),
    table("account_days", 2, &[("account_id", Whole), ("day", Whole), ("used", Whole)]),
    table(
        "keys",
        1,
        &[
            ("id", Whole),
            ("label", Text),
            ("hint", Text),
            ("sealed", Text),
            ("fingerprint", Text),
            ("account_id", Whole),
            ("enabled", Truth),
            ("daily_limit", Whole),
            ("used_total", Whole),
            ("last_used", Whole),
            ("fault", Text),
            ("created_at", Whole),
            ("removed_at", Whole),
        ],
    ),
    table("key_days", 2, &[("key_id", Whole), ("day", Whole), ("used", Whole)]),
    table(
        "cooldowns",
        1,
        &[
            ("place", Text),
            ("cause", Text),
            ("since", Whole),
            ("ends_at", Whole),
            ("strikes", Whole),
            ("guessed", Truth),
        ],
    ),
    table("listings", 1, &[("name", Text), ("fetched_at", Whole), ("body", Text)]),
    table("model_choices", 1, &[("model", Text), ("enabled", Truth), ("changed_at", Whole)]),
    table(
        "client_tokens",
        1,
        &[
            ("id", Whole),
            ("name", Text),
            ("digest", Text),
            ("hint", Text),
            ("created_at", Whole),
            ("expires_at", Whole),
            ("revoked_at", Whole),
            ("allowed_models", Text),
            ("requests_per_day", Whole),
            ("requests_per_minute", Whole),
            ("used_total", Whole),
            ("last_used", Whole),
        ],
    ),
    table("quota_leases", 3, &[("kind", Text), ("subject", Whole), ("period", Whole), ("leased", Whole)]),
    table(
        "quota_holdings",
        4,
        &[("kind", Text), ("subject", Whole), ("period", Whole), ("holder", Text), ("held", Whole)],
    ),
    table("client_token_days", 2, &[("token_id", Whole), ("day", Whole), ("used", Whole)]),
    table(
        "usage",
        1,
        &[
            ("request_id", Text),
            ("time", Whole),
            ("endpoint", Text),
            ("model", Text),
            ("model_served", Text),
            ("key_id", Whole),
            ("key_label", Text),
            ("account_id", Whole),
            ("token_id", Whole),
            ("client_kind", Text),
            ("client_hint", Text),
            ("stream", Truth),
            ("status", Whole),
            ("outcome", Text),
            ("error_kind", Text),
            ("prompt_tokens", Whole),
            ("completion_tokens", Whole),
            ("total_tokens", Whole),
            ("reasoning_tokens", Whole),
            ("cached_tokens", Whole),
            ("cost", Real),
            ("attempts", Whole),
            ("first_content_ms", Whole),
            ("duration_ms", Whole),
            ("provider", Text),
            ("generation_id", Text),
            ("attempt_log", Text),
        ],
    ),
    table(
        "usage_hours",
        4,
        &[
            ("part", Text),
            ("hour", Whole),
            ("name", Text),
            ("outcome", Text),
            ("requests", Whole),
            ("prompt_tokens", Whole),
            ("completion_tokens", Whole),
            ("total_tokens", Whole),
            ("reasoning_tokens", Whole),
            ("cached_tokens", Whole),
            ("cost", Real),
        ],
    ),
    table(
        "usage_days",
        4,
        &[
            ("part", Text),
            ("day", Whole),
            ("name", Text),
            ("outcome", Text),
            ("requests", Whole),
            ("prompt_tokens", Whole),
            ("completion_tokens", Whole),
            ("total_tokens", Whole),
            ("reasoning_tokens", Whole),
            ("cached_tokens", Whole),
            ("cost", Real),
        ],
    ),
    passing(
        "instances",
        1,
        &[
            ("id", Text),
            ("version", Text),
            ("host", Text),
            ("pid", Whole),
            ("data_address", Text),
            ("admin_address", Text),
            ("started_at", Whole),
            ("beat_at", Whole),
            ("draining", Truth),
        ],
    ),
    passing(
        "admin_sessions",
        1,
        &[("cookie", Text), ("password", Text), ("began_at", Whole), ("used_at", Whole)],
    ),
    table("usage_times", 3, &[("hour", Whole), ("figure", Text), ("bucket", Whole), ("requests", Whole)]),
    table("usage_day_times", 3, &[("day", Whole), ("figure", Text), ("bucket", Whole), ("requests", Whole)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection::Pool;
    use crate::store::testing::Bench;
    use diesel::prelude::*;
    use diesel::sql_types;
    use std::collections::BTreeSet;

    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = sql_types::Text)]
        found: String,
    }

    #[test]
    fn every_table_and_column_is_listed() {
        let bench = Bench::new();
        bench.open();
        let query = if matches!(bench.place(), crate::store::Place::Postgres(_)) {
            "SELECT table_name || '.' || column_name AS found FROM information_schema.columns \
             WHERE table_schema = 'public'"
        } else {
            "SELECT tables.name || '.' || columns.name AS found FROM sqlite_master AS tables, \
             pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'"
        };
        let pool = Pool::open(&bench.place()).expect("a database");
        let found: Vec<Found> =
            pool.read(|connection| Ok(diesel::sql_query(query).load(connection)?)).expect("columns");
        let there: BTreeSet<String> = found
            .into_iter()
            .map(|line| line.found)
            .filter(|name| !name.starts_with("__diesel") && !name.starts_with("sqlite_"))
            .collect();
        let listed: BTreeSet<String> = TABLES
            .iter()
            .flat_map(|table| table.columns.iter().map(|(column, _)| format!("{}.{column}", table.name)))
            .collect();
        let amiss: Vec<&String> = there.symmetric_difference(&listed).collect();
        assert!(amiss.is_empty() && !there.is_empty(), "{amiss:?}");
    }
}

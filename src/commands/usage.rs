//! `usage export`: every row of a span of time, oldest first, to standard output. Page by page, so
//! that millions of rows need no more memory than a thousand.

use super::CommandError;
use crate::app::open_store;
use crate::config::Settings;
use crate::domain::time::Timestamp;
use crate::domain::usage_export::ExportFormat;
use crate::domain::usage_query::{UsageFilter, UsageOrder, UsageQuery};
use std::io::{Write, stdout};

const PAGE: u32 = 1000;

/// Writes the rows in `format`.
pub fn export(
    settings: &Settings,
    format: ExportFormat,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<(), CommandError> {
    let store = open_store(&settings.database)?;
    let mut out = stdout().lock();
    out.write_all(&format.head())?;
    let filter = UsageFilter { since, until, ..UsageFilter::default() };
    let mut query = UsageQuery { filter, after: None, order: UsageOrder::OldestFirst, limit: PAGE };
    loop {
        let page = store.usage_page(&query)?;
        out.write_all(&format.lines(&page.rows)?)?;
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(out.flush()?),
        }
    }
}

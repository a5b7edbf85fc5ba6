//! `usage`: how long rows are kept.

use super::reader::Reader;
use super::table::{Kind, Row};

const RETENTION_DAYS: Row = Row::new(
    "usage.retention_days",
    Kind::Whole { min: 0, max: 36_500 },
    "90",
    "Days that usage rows are kept, sums for good; 0 keeps every row.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[RETENTION_DAYS];

/// How long rows are kept.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Days that usage rows are kept; `None`: for ever.
    pub retention_days: Option<u32>,
}

impl Usage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Usage {
        let days: u32 = reader.get(&RETENTION_DAYS);
        Usage { retention_days: (days > 0).then_some(days) }
    }
}

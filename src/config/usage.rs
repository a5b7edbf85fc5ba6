//! `usage`: what is recorded of each request, and how long it is kept.

use super::reader::Reader;
use super::table::{Kind, Row};
use std::time::Duration;

/// OpenRouter knows what a generation used "shortly after it ends" (`openrouter-api.md` section 2).
const COMPLETE_AFTER: Duration = Duration::from_secs(3);

const RETENTION_DAYS: Row = Row::new(
    "usage.retention_days",
    Kind::Whole { min: 0, max: 36_500 },
    "90",
    "Days that usage rows are kept, sums for good; 0 keeps every row.",
)
.live();

const COMPLETE_CANCELLED: Row = Row::new(
    "usage.complete_cancelled",
    Kind::Switch,
    "false",
    "Whether OpenRouter is asked later what a stream used whose client had left before its end.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[RETENTION_DAYS, COMPLETE_CANCELLED];

/// What is recorded of each request.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Days that usage rows are kept; `None`: for ever.
    pub retention_days: Option<u32>,
    /// How long after its end OpenRouter is asked what a cancelled stream used; `None`: never.
    pub complete_cancelled: Option<Duration>,
}

impl Usage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Usage {
        let days: u32 = reader.get(&RETENTION_DAYS);
        let complete: bool = reader.get(&COMPLETE_CANCELLED);
        Usage {
            retention_days: (days > 0).then_some(days),
            complete_cancelled: complete.then_some(COMPLETE_AFTER),
        }
    }
}

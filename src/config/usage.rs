//! `usage`: what is recorded of each request.

use super::reader::Reader;
use super::table::{Kind, Row};
use std::time::Duration;

/// OpenRouter knows what a generation used "shortly after it ends" (`openrouter-api.md` section 2).
const COMPLETE_AFTER: Duration = Duration::from_secs(3);

const COMPLETE_CANCELLED: Row = Row::new(
    "usage.complete_cancelled",
    Kind::Switch,
    "false",
    "Whether OpenRouter is asked later what a stream used whose client had left before its end.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[COMPLETE_CANCELLED];

/// What is recorded of each request.
#[derive(Debug, Clone)]
pub struct Usage {
    /// How long after its end OpenRouter is asked what a cancelled stream used; `None`: never.
    pub complete_cancelled: Option<Duration>,
}

impl Usage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Usage {
        let complete: bool = reader.get(&COMPLETE_CANCELLED);
        Usage { complete_cancelled: complete.then_some(COMPLETE_AFTER) }
    }
}

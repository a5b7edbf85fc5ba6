//! `usage`: what is recorded of each request, and how long it is kept.

use super::given::{Given, Value, choice};
use super::numbers::ByteSize;
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

const DURABILITY: Row = Row::new(
    "usage.durability",
    Kind::Choice(&["process", "disk"]),
    "process",
    "What a usage row survives once its answer has ended: the end of the process, or with disk a loss of power too.",
);

const JOURNAL_MAX_BYTES: Row = Row::new(
    "usage.journal_max_bytes",
    Kind::Bytes { min: 64 * 1024, max: 1 << 40 },
    "1 GiB",
    "Bytes of usage rows that may wait for the database in the journal; beyond it new requests get 503.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[RETENTION_DAYS, COMPLETE_CANCELLED, DURABILITY, JOURNAL_MAX_BYTES];

/// What is recorded of each request.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Days that usage rows are kept; `None`: for ever.
    pub retention_days: Option<u32>,
    /// How long after its end OpenRouter is asked what a cancelled stream used; `None`: never.
    pub complete_cancelled: Option<Duration>,
    /// What a row survives once its answer has ended.
    pub durability: Durability,
    /// Bytes that may wait for the database.
    pub journal_max_bytes: u64,
}

/// What a row survives once its answer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process.
    #[default]
    Process,
    /// A loss of power too.
    Disk,
}

impl Value for Durability {
    fn read(given: &Given, kind: &Kind) -> Result<Durability, String> {
        Ok(if choice(given, kind)? == "disk" { Durability::Disk } else { Durability::Process })
    }

    fn show(&self) -> String {
        match self {
            Durability::Process => "process".to_owned(),
            Durability::Disk => "disk".to_owned(),
        }
    }
}

impl Usage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Usage {
        let days: u32 = reader.get(&RETENTION_DAYS);
        let complete: bool = reader.get(&COMPLETE_CANCELLED);
        Usage {
            retention_days: (days > 0).then_some(days),
            complete_cancelled: complete.then_some(COMPLETE_AFTER),
            durability: reader.get(&DURABILITY),
            journal_max_bytes: reader.get::<ByteSize>(&JOURNAL_MAX_BYTES).0,
        }
    }
}

//! Which usage rows are asked for: filters, order, and the place where a page begins.
//!
//! Words only; the store turns them into statements, with every value bound.

use super::ids::{KeyId, TokenId};
use super::time::Timestamp;
use super::usage::UsageRow;

/// The most rows of one page (DESIGN section 6).
pub const MOST_ROWS: u32 = 500;
/// The longest text that is searched for, in characters.
const LONGEST_TEXT: usize = 200;

/// Which usage rows to read; what is `None` admits every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Only rows of this upstream key.
    pub key: Option<KeyId>,
    /// Only rows of this model, as the client named it.
    pub model: Option<String>,
    /// Only rows with this status or outcome.
    pub status: Option<StatusFilter>,
    /// Only rows of this client token.
    pub token: Option<TokenId>,
    /// Only rows at or after this moment.
    pub since: Option<Timestamp>,
    /// Only rows before this moment.
    pub until: Option<Timestamp>,
    /// Only rows that hold this text, in any case (of ASCII letters): in the model, the key's label, the
    /// client's name, the provider, the kind of error, the endpoint or the generation; or whose request
    /// id it is.
    pub text: Option<String>,
}

/// How a request ended, as a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusFilter {
    /// With this HTTP status.
    Code(u16),
    /// With this outcome (`completed`, `cancelled`, `truncated`, `refused`, `failed`).
    Outcome(String),
}

impl StatusFilter {
    /// Reads a status (100 to 599) or an outcome's word; `None` when it is neither.
    pub fn parse(text: &str) -> Option<StatusFilter> {
        if let Ok(code) = text.parse::<u16>() {
            return (100..600).contains(&code).then_some(StatusFilter::Code(code));
        }
        let known = ["completed", "cancelled", "truncated", "refused", "failed"].contains(&text);
        known.then(|| StatusFilter::Outcome(text.to_owned()))
    }
}

impl UsageFilter {
    /// With a text to search for, clipped to a length that a search can bear; an empty one is none.
    pub fn with_text(self, text: &str) -> UsageFilter {
        let text: String = text.trim().chars().take(LONGEST_TEXT).collect();
        UsageFilter { text: (!text.is_empty()).then_some(text), ..self }
    }
}

/// Which end of the usage comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageOrder {
    /// For exports.
    OldestFirst,
    /// For pages.
    #[default]
    NewestFirst,
}

/// One page that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Which rows.
    pub filter: UsageFilter,
    /// Only rows beyond this place, in the order asked for.
    pub after: Option<UsageCursor>,
    /// Which end comes first.
    pub order: UsageOrder,
    /// At most so many rows.
    pub limit: u32,
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct UsagePage {
    /// The rows, in the order asked for. May be fewer than asked for, even none, before the last page:
    /// a search looks through only so many rows at a time.
    pub rows: Vec<UsageRow>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<UsageCursor>,
}

/// A place in the order of time: where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCursor {
    /// When the request arrived.
    pub time: Timestamp,
    /// Its id, for requests that arrived within one millisecond.
    pub request_id: String,
}

impl UsageCursor {
    /// The place of `row`.
    pub fn of(row: &UsageRow) -> UsageCursor {
        UsageCursor { time: row.time, request_id: row.request_id.clone() }
    }

    /// As a text to be handed back unread.
    pub fn to_text(&self) -> String {
        format!("{}.{}", self.time.millis(), self.request_id)
    }

    /// Reads what [`UsageCursor::to_text`] wrote; `None` when nobody wrote that.
    pub fn parse(text: &str) -> Option<UsageCursor> {
        let (millis, request_id) = text.split_once('.')?;
        let sound = (1..=64).contains(&request_id.len())
            && request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let time = Timestamp::from_millis(millis.parse().ok()?);
        sound.then(|| UsageCursor { time, request_id: request_id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = UsageCursor { time: Timestamp::from_millis(-5), request_id: "0199-ab".to_owned() };
        assert_eq!(UsageCursor::parse(&cursor.to_text()), Some(cursor));
        for text in ["", "5", "5.", "x.a", "5.a b", "5.\0", "99999999999999999999.a"] {
            assert_eq!(UsageCursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_status_is_a_number_or_a_word() {
        assert_eq!(StatusFilter::parse("429"), Some(StatusFilter::Code(429)));
        assert_eq!(StatusFilter::parse("failed"), Some(StatusFilter::Outcome("failed".to_owned())));
        for text in ["", "0", "99", "600", "70000", "ok", "Failed"] {
            assert_eq!(StatusFilter::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_clipped_and_an_empty_one_is_none() {
        assert_eq!(UsageFilter::default().with_text("  "), UsageFilter::default());
        let long = UsageFilter::default().with_text(&"中".repeat(5_000)).text;
        assert_eq!(long.map(|text| text.chars().count()), Some(LONGEST_TEXT));
    }
}

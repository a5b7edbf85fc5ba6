//! What a frame of the journal holds: a usage row as JSON, named field by field, so that a newer
//! program reads what an older one wrote and the other way round. Pure.
//!
//! A field that is missing is read as nothing, one that is unknown is passed over. Must stay readable:
//! a field may be added here, never given another meaning.

use super::frame::{self, Found, LARGEST};
use super::json;
use crate::domain::attempt::AttemptLog;
use crate::domain::ids::{AccountId, KeyId, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::usage::{TokenUsage, UsageRow};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// The version of payloads that this program writes, and the only one it reads.
pub const VERSION: u8 = 1;
/// Texts of a row that is too large keep so many bytes.
const CLIPPED: usize = 1000;

type Text<'a> = Cow<'a, str>;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    time: i64,
    #[serde(borrow)]
    endpoint: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    model_served: Option<Text<'a>>,
    key_id: Option<KeyId>,
    #[serde(borrow)]
    key_label: Option<Text<'a>>,
    account_id: Option<AccountId>,
    token_id: Option<TokenId>,
    #[serde(borrow)]
    client_kind: Text<'a>,
    #[serde(borrow)]
    client_hint: Option<Text<'a>>,
    stream: bool,
    status: u16,
    #[serde(borrow)]
    outcome: Text<'a>,
    #[serde(borrow)]
    error_kind: Option<Text<'a>>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cost: Option<f64>,
    attempts: u32,
    first_content_ms: Option<i64>,
    duration_ms: i64,
    #[serde(borrow)]
    provider: Option<Text<'a>>,
    #[serde(borrow)]
    generation_id: Option<Text<'a>>,
    attempt_log: AttemptLog,
}

/// Appends the frame of a row to `bytes`; the row that is in it: one that would be too large keeps the beginnings of its texts.
pub fn write(row: &Arc<UsageRow>, bytes: &mut Vec<u8>) -> Arc<UsageRow> {
    let (mut payload, mut row) = (json::of(row), Arc::clone(row));
    if payload.len() > LARGEST {
        row = Arc::new(clipped(&row));
        payload = json::of(&row);
    }
    // Clipped, every row fits.
    let _ = frame::put(VERSION, &payload, bytes);
    row
}

/// The row of a frame; `None`: a version or a form that this program does not know.
pub fn read(version: u8, payload: &[u8]) -> Option<UsageRow> {
    if version != VERSION {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(payload).ok()?;
    // Without an id it could be stored twice, or never.
    (!line.request_id.is_empty()).then(|| line.into())
}

/// What was read of some bytes of a journal.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    /// The rows.
    pub rows: Vec<Arc<UsageRow>>,
    /// Whole frames, also those whose rows this program does not know.
    pub frames: usize,
    /// Bytes that are done with.
    pub length: usize,
    /// Whether something stood there that could not be read.
    pub damaged: bool,
}

/// Reads at most `most` rows from the beginning of `bytes`; what is left is the beginning of a frame,
/// or was not asked for.
pub fn read_all(bytes: &[u8], most: usize) -> Read {
    let mut read = Read::default();
    while read.rows.len() < most
        && let Some(rest) = bytes.get(read.length..).filter(|rest| !rest.is_empty())
    {
        match frame::first(rest) {
            Found::Frame { version, payload, length } => {
                read.length += length;
                read.frames += 1;
                match self::read(version, payload) {
                    Some(row) => read.rows.push(Arc::new(row)),
                    None => read.damaged = true,
                }
            }
            Found::Damage(length) => {
                read.length += length;
                read.damaged = true;
            }
            Found::Beginning => break,
        }
    }
    read
}

fn clipped(row: &UsageRow) -> UsageRow {
    let clip = |text: &String| text[..text.floor_char_boundary(CLIPPED)].to_owned();
    let some = |text: &Option<String>| text.as_ref().map(clip);
    UsageRow {
        request_id: clip(&row.request_id),
        endpoint: clip(&row.endpoint),
        model: clip(&row.model),
        model_served: some(&row.model_served),
        key_label: some(&row.key_label),
        client_kind: clip(&row.client_kind),
        client_hint: some(&row.client_hint),
        outcome: clip(&row.outcome),
        error_kind: some(&row.error_kind),
        provider: some(&row.provider),
        generation_id: some(&row.generation_id),
        attempt_log: AttemptLog::default(),
        ..row.clone()
    }
}

impl From<Line<'_>> for UsageRow {
    fn from(line: Line<'_>) -> UsageRow {
        let some = |text: Option<Text<'_>>| text.map(Cow::into_owned);
        UsageRow {
            request_id: line.request_id.into_owned(),
            time: Timestamp::from_millis(line.time),
            endpoint: line.endpoint.into_owned(),
            model: line.model.into_owned(),
            model_served: some(line.model_served),
            key_id: line.key_id,
            key_label: some(line.key_label),
            account_id: line.account_id,
            token_id: line.token_id,
            client_kind: line.client_kind.into_owned(),
            client_hint: some(line.client_hint),
            stream: line.stream,
            status: line.status,
            outcome: line.outcome.into_owned(),
            error_kind: some(line.error_kind),
            tokens: TokenUsage {
                prompt: line.prompt_tokens,
                completion: line.completion_tokens,
                total: line.total_tokens,
                reasoning: line.reasoning_tokens,
                cached: line.cached_tokens,
                cost: line.cost,
            },
            attempts: line.attempts,
            first_content_ms: line.first_content_ms,
            duration_ms: line.duration_ms,
            provider: some(line.provider),
            generation_id: some(line.generation_id),
            attempt_log: line.attempt_log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Attempt;
    use crate::domain::ids::RequestId;

    fn full(number: i64) -> UsageRow {
        let at = Timestamp::from_millis(1_790_000_000_000 + number);
        UsageRow {
            model: "z/模型 \"\\\u{0}\n:free".to_owned(),
            model_served: Some("served".to_owned()),
            key_id: Some(KeyId(3)),
            key_label: Some(String::new()),
            account_id: Some(AccountId(4)),
            token_id: Some(TokenId(5)),
            client_hint: Some("hint".to_owned()),
            stream: true,
            status: 200,
            error_kind: Some("kind".to_owned()),
            tokens: TokenUsage {
                prompt: Some(i64::MAX),
                completion: Some(0),
                total: Some(-1),
                reasoning: Some(7),
                cached: Some(8),
                cost: Some(1e-7),
            },
            attempts: u32::MAX,
            first_content_ms: Some(1),
            duration_ms: 2,
            provider: Some("provider".to_owned()),
            generation_id: Some("gen-1".to_owned()),
            attempt_log: AttemptLog::from_iter([Attempt {
                number: 1,
                key_id: Some(KeyId(3)),
                key_label: None,
                account_id: None,
                model: "m".to_owned(),
                verdict: "success".into(),
                status: Some(200),
                duration_ms: 7,
            }]),
            ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
        }
    }

    fn frame(row: &Arc<UsageRow>) -> (Vec<u8>, Arc<UsageRow>) {
        let mut bytes = Vec::new();
        let row = write(row, &mut bytes);
        (bytes, row)
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let at = Timestamp::from_millis(0);
        let rows = [full(1), UsageRow::begin(RequestId::new(at), at, "embeddings"), full(2)].map(Arc::new);
        let bytes = rows.iter().flat_map(|row| frame(row).0).collect::<Vec<u8>>();
        let read = read_all(&bytes, 100);
        assert_eq!((read.frames, read.length, read.damaged), (3, bytes.len(), false));
        assert_eq!(read.rows, rows);
        let read = read_all(&bytes, 2);
        assert_eq!((read.frames, read.rows.len()), (2, 2));
        assert_eq!(read_all(&bytes[read.length..], 2).rows, rows[2..]);
    }

    #[test]
    fn other_versions_of_the_program_are_understood() {
        let old = br#"{"request_id":"a","time":5,"status":200}"#;
        let row = read(VERSION, old).expect("a row");
        assert_eq!((row.request_id.as_str(), row.time.millis(), row.model.as_str()), ("a", 5, ""));
        let new = br#"{"request_id":"a","invented":[{"x":1}],"model":"m"}"#;
        assert_eq!(read(VERSION, new).map(|row| row.model).as_deref(), Some("m"));
        assert_eq!(read(VERSION + 1, new), None);
        assert_eq!(read(VERSION, b"{}"), None, "without an id");
        assert_eq!(read(VERSION, b"nonsense"), None);
    }

    #[test]
    fn odd_figures_and_huge_texts_are_no_obstacle() {
        let mut row = full(1);
        row.tokens.cost = Some(f64::NAN);
        row.model_served = Some("ä".repeat(LARGEST));
        let (bytes, kept) = frame(&Arc::new(row.clone()));
        assert_eq!(kept.model_served.as_ref().map(String::len), Some(CLIPPED), "no more is held in memory");
        let read = read_all(&bytes, 1);
        let stored = read.rows.first().expect("a row");
        assert_eq!(stored.tokens.cost, None);
        assert_eq!(stored.model_served.as_ref().map(String::len), Some(CLIPPED));
        assert_eq!(stored.request_id, row.request_id);
    }

    #[test]
    fn damage_costs_what_it_touches() {
        let rows = [full(1), full(2), full(3)].map(Arc::new);
        let frames = rows.each_ref().map(|row| frame(row).0);
        let mut bytes = frames.concat();
        bytes[frames[0].len() + 40] ^= 4;
        let read = read_all(&bytes, 100);
        assert_eq!(read.rows, [&rows[0], &rows[2]].map(Arc::clone));
        assert!(read.damaged);
        assert_eq!(read.length, bytes.len());
    }
}

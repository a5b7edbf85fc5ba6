//! A whole answer at once: what it says of itself, and the error that may hide in its 200
//! (`openrouter-api.md` section 6). Pure.

use super::{Chunk, Seen, Watch, error_body, keep, outer, stated, text};
use crate::domain::dialect::Dialect;
use crate::json;
use crate::upstream::fault::TransportFault;
use crate::upstream::usage;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What a whole answer of `dialect` says of itself, and the error it carries in spite of its 200.
///
/// Of an answer nested deeper than is looked, only that it holds something is told.
///
/// Errors: [`TransportFault::Cut`] when it is the beginning of a JSON object or of the white space
/// before one; [`TransportFault::NoAnswer`] when it is something else, or lacks what an answer of
/// this dialect is made of.
pub fn whole(dialect: Dialect, body: &[u8]) -> Result<(Seen, Option<Value>), TransportFault> {
    let Some((seen, error, is_answer)) = read(dialect, body) else {
        if json::is_deep_object(body) {
            return Ok((Seen { content_events: 1, ..Seen::default() }, None));
        }
        return Err(not_read(body));
    };
    if error.is_none() && !is_answer {
        return Err(TransportFault::NoAnswer);
    }
    Ok((seen, error))
}

/// What is wrong with a body that could not be read.
fn not_read(body: &[u8]) -> TransportFault {
    let is_begun = !body.is_empty() && matches!(body.trim_ascii_start().first(), None | Some(b'{'));
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    if is_begun && !is_json { TransportFault::Cut } else { TransportFault::NoAnswer }
}

/// What a body says of itself, its error, and whether it holds what answers of `dialect` hold.
fn read(dialect: Dialect, body: &[u8]) -> Option<(Seen, Option<Value>, bool)> {
    let mut watch = Watch::new(dialect);
    let own = match dialect {
        Dialect::Chat | Dialect::Completions => {
            let chunk = Chunk::read(body)?;
            watch.seen.content_events = u64::from(chunk.says_something);
            let is_answer = chunk.has_choices;
            let error = watch.note(chunk);
            return Some((watch.seen, error, is_answer));
        }
        Dialect::Embeddings => b"data".as_slice(),
        Dialect::Responses => b"output",
        Dialect::Messages => b"content",
    };
    let mut seen = watch.seen;
    let (mut error, mut status, mut is_answer) = (None, None, false);
    outer(body, |name, raw| match name {
        b"id" => keep(&mut seen.generation_id, text(raw).as_deref()),
        b"model" => keep(&mut seen.model, text(raw).as_deref()),
        b"provider" => keep(&mut seen.provider, text(raw).as_deref()),
        b"stop_reason" => keep(&mut seen.finish, text(raw).as_deref()),
        b"status" => keep(&mut status, text(raw).as_deref()),
        b"usage" => seen.tokens = std::str::from_utf8(raw).map(usage::tokens).unwrap_or_default(),
        b"error" => error = stated(raw),
        name if name == own => {
            is_answer = raw != b"null";
            seen.content_events = u64::from(is_answer && raw != b"[]");
        }
        _ => {}
    })?;
    keep(&mut seen.finish, status.as_deref());
    Some((seen, error.map(error_body), is_answer))
}

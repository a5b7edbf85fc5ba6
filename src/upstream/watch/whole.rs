//! A whole answer at once: what it says of itself, and the error that may hide in its 200
//! (`openrouter-api.md` section 6). Pure.

use super::{Choice, Chunk, Seen, Watch, error_body, keep, stated, text};
use crate::domain::dialect::Dialect;
use crate::upstream::fault::TransportFault;
use crate::upstream::usage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a whole answer of `dialect` says of itself, and the error it carries in spite of its 200.
///
/// Errors: [`TransportFault::Cut`] when it is the beginning of a JSON object or of the white space
/// before one; [`TransportFault::NoAnswer`] when it is something else, or lacks what an answer of
/// this dialect is made of.
pub fn whole(dialect: Dialect, body: &[u8]) -> Result<(Seen, Option<Value>), TransportFault> {
    let (seen, error, is_answer) = read(dialect, body).ok_or_else(|| not_read(body))?;
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
    match dialect {
        Dialect::Chat | Dialect::Completions => {
            let chunk: Chunk<'_> = super::read(body)?;
            let error = watch.note(&chunk);
            let said = chunk.choices.iter().flatten().any(Choice::says_something);
            watch.seen.content_events = u64::from(said);
            Some((watch.seen, error, chunk.choices.is_some()))
        }
        Dialect::Embeddings | Dialect::Responses | Dialect::Messages => {
            let head: Head<'_> = super::read(body)?;
            let mut seen = watch.seen;
            keep(&mut seen.generation_id, head.id.as_deref());
            keep(&mut seen.model, head.model.as_deref());
            keep(&mut seen.provider, head.provider.as_deref());
            keep(&mut seen.finish, head.stop_reason.as_deref().or(head.status.as_deref()));
            seen.tokens = head.usage.map(|stated| usage::tokens(stated.get())).unwrap_or_default();
            let own = match dialect {
                Dialect::Embeddings => head.data,
                Dialect::Responses => head.output,
                _ => head.content,
            };
            let own = own.map(RawValue::get).filter(|raw| *raw != "null");
            seen.content_events = u64::from(own.is_some_and(|raw| raw != "[]"));
            Some((seen, stated(&head.error).map(error_body), own.is_some()))
        }
    }
}

/// The outer members of a whole answer of the other dialects.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

//! A whole answer at once: what it says of itself, and the error that may hide in its 200
//! (`openrouter-api.md` section 6). Pure.

use super::{Choice, Chunk, Seen, Watch, error_body, keep, stated, text};
use crate::domain::dialect::Dialect;
use crate::upstream::usage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a whole answer of `dialect` says of itself, and the error it carries in spite of its 200.
/// `None`: it is not a JSON object, so it was cut or is no answer.
pub fn whole(dialect: Dialect, body: &[u8]) -> Option<(Seen, Option<Value>)> {
    let mut watch = Watch::new(dialect);
    match dialect {
        Dialect::Chat | Dialect::Completions => {
            let chunk: Chunk<'_> = serde_json::from_slice(body).ok()?;
            let error = watch.note(&chunk);
            let said = chunk.choices.iter().flatten().any(Choice::says_something);
            watch.seen.content_events = u64::from(said);
            Some((watch.seen, error))
        }
        Dialect::Embeddings | Dialect::Responses | Dialect::Messages => {
            let head: Head<'_> = serde_json::from_slice(body).ok()?;
            let mut seen = watch.seen;
            keep(&mut seen.generation_id, head.id.as_deref());
            keep(&mut seen.model, head.model.as_deref());
            keep(&mut seen.provider, head.provider.as_deref());
            keep(&mut seen.finish, head.stop_reason.as_deref().or(head.status.as_deref()));
            seen.tokens = head.usage.as_ref().map(usage::tokens).unwrap_or_default();
            let parts = [head.data, head.content, head.output];
            let said = parts.into_iter().flatten().any(|part| !matches!(part.get(), "null" | "[]"));
            seen.content_events = u64::from(said);
            Some((seen, stated(&head.error).map(error_body)))
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
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

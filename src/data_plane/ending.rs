//! How a stream that broke off ends for the client: one well-formed error event, then the end marker,
//! never a silent stop (DESIGN section 4; the unified form of OpenRouter's streaming errors).

use super::errors::{ApiError, Kind};
use crate::domain::dialect::Dialect;
use crate::upstream::watch::Seen;
use bytes::Bytes;
use serde_json::{Value, json};

/// The end marker of OpenAI's streams.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// The last events of a stream of `dialect` that broke off because of `why`.
pub fn broken(dialect: Dialect, seen: &Seen, code: u16, why: &str) -> Bytes {
    let text = match dialect {
        Dialect::Chat | Dialect::Completions | Dialect::Embeddings => {
            let chunk = chat_chunk(dialect, seen, code, why);
            format!("data: {chunk}\n\ndata: [DONE]\n\n")
        }
        Dialect::Responses => {
            let event = json!({"type": "error", "code": code.to_string(), "message": why, "param": null});
            format!("data: {event}\n\ndata: [DONE]\n\n")
        }
        Dialect::Messages => {
            let kind = Kind::of_status(code).anthropic();
            let error = json!({"type": "error", "error": {"type": kind, "message": why}});
            format!("event: error\ndata: {error}\n\n")
        }
    };
    Bytes::from(text)
}

/// All the events of a stream of `dialect` whose head left before it was known that `error` is the
/// answer.
pub fn refused(dialect: Dialect, error: &ApiError) -> Bytes {
    broken(dialect, &Seen::default(), error.status, &error.message)
}

/// What ends a stream that already carried its error event.
pub fn after_error(dialect: Dialect) -> Bytes {
    match dialect {
        Dialect::Messages => Bytes::new(),
        _ => Bytes::from_static(DONE),
    }
}

fn chat_chunk(dialect: Dialect, seen: &Seen, code: u16, why: &str) -> Value {
    let object = if dialect == Dialect::Chat { "chat.completion.chunk" } else { "text_completion" };
    let mut choice = json!({"index": 0, "delta": {"content": ""}, "finish_reason": "error"});
    if dialect == Dialect::Completions {
        choice = json!({"index": 0, "text": "", "finish_reason": "error"});
    }
    json!({
        "id": seen.generation_id,
        "object": object,
        "model": seen.model,
        "provider": seen.provider,
        "error": {"code": code, "message": why, "type": Kind::of_status(code).word(), "param": null},
        "choices": [choice],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::sse::{Splitter, data};
    use crate::upstream::watch::{Sight, Watch};

    #[test]
    fn every_dialect_ends_with_one_error_that_parses() {
        for dialect in Dialect::ALL {
            let mut events = Vec::new();
            let mut splitter = Splitter::default();
            splitter.feed(broken(dialect, &Seen::default(), 502, "cut"), &mut events).expect("small");
            assert!(splitter.into_rest().is_empty());
            let mut watch = Watch::new(dialect);
            let errors = events.iter().filter(|event| matches!(watch.event(event), Sight::Error(_))).count();
            assert_eq!(errors, 1, "{dialect:?}");
            let last = events.last().and_then(|event| data(event)).expect("data");
            assert_eq!(&last[..] == b"[DONE]", dialect != Dialect::Messages);
        }
    }
}

//! Which conversation a request belongs to, and whether it is its first turn.
//!
//! Front ends send the whole conversation each time: what tells one from another is how it began.
//! Never keeps a word of it, only a hash.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::turns::type_of;
use crate::json::{self, Kind, Span};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A request's place in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// What tells the conversation from others.
    pub conversation: u64,
    /// Whether there were turns before this one.
    pub goes_on: bool,
}

/// The names by which a client may say itself which conversation it is.
const NAMES: [&str; 2] = ["session_id", "prompt_cache_key"];

/// Of a long text so many bytes are looked at, at its beginning and at its end, and its length.
const GIST: usize = 1024;

/// Hashes what tells a text from others. Two that are taken for one only prefer the same key.
fn gist(raw: Option<&str>, hasher: &mut DefaultHasher) {
    let bytes = raw.map(str::as_bytes);
    bytes.map(<[u8]>::len).hash(hasher);
    let bytes = bytes.unwrap_or_default();
    match bytes.len().checked_sub(GIST) {
        Some(last) if last > GIST => (bytes.get(..GIST), bytes.get(last..)).hash(hasher),
        _ => bytes.hash(hasher),
    }
}

/// The turn that this request is; `None` where there are no conversations.
pub fn turn(doc: &Document, dialect: Dialect) -> Option<Turn> {
    let mut hasher = DefaultHasher::new();
    if let Some(name) = NAMES.iter().find_map(|name| doc.string(name)) {
        name.hash(&mut hasher);
        return Some(Turn { conversation: hasher.finish(), goes_on: true });
    }
    let (before, list) = match dialect {
        Dialect::Chat => (None, "messages"),
        Dialect::Messages => (Some("system"), "messages"),
        Dialect::Responses => (Some("instructions"), "input"),
        Dialect::Completions | Dialect::Embeddings => return None,
    };
    gist(before.and_then(|name| doc.raw(name)), &mut hasher);
    let goes_on = match doc.span(list) {
        Some(span) if json::kind(json::slice(doc.text(), &span)) == Kind::List => {
            beginning(doc, &span, &mut hasher)?
        }
        // A bare text is the first turn, unless the upstream is told to look up what came before.
        _ => {
            gist(Some(doc.raw(list)?), &mut hasher);
            doc.given("previous_response_id").is_some()
        }
    };
    Some(Turn { conversation: hasher.finish(), goes_on })
}

/// Hashes everything up to and with the first message of the user; whether the model has spoken.
fn beginning(doc: &Document, list: &Span, hasher: &mut DefaultHasher) -> Option<bool> {
    let (mut asked, mut answered) = (false, false);
    let looked: Result<(), BodyFault> = doc.each_element(list, |_, element| {
        let Some(message) = element.object("message")?.filter(|_| !(asked && answered)) else {
            return Ok(());
        };
        let member = |name: &str| message.get(name).map(|member| json::slice(doc.text(), &member.value));
        let role = member("role").and_then(json::string);
        match role.as_deref() {
            Some("assistant") => answered = true,
            // What the model said comes back as items without a role on `/responses`.
            None if type_of(doc, message).is_some_and(|kind| kind.ends_with("_call")) => answered = true,
            role if !asked => {
                role.hash(hasher);
                gist(member("content"), hasher);
                asked = role == Some("user");
            }
            _ => {}
        }
        Ok(())
    });
    looked.ok()?;
    Some(answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(body: Value, dialect: Dialect) -> Option<Turn> {
        turn(&Document::parse(body.to_string().into()).expect("a body"), dialect)
    }

    fn chat(messages: Value) -> Turn {
        of(json!({"model": "m", "messages": messages}), Dialect::Chat).expect("a turn")
    }

    #[test]
    fn long_texts_are_told_apart_by_their_ends_and_their_length() {
        let conversation = |text: String| {
            let body = json!({"messages": [{"role": "user", "content": text}]});
            of(body, Dialect::Chat).expect("a turn").conversation
        };
        let long = "word ".repeat(10_000);
        let known = conversation(long.clone());
        assert_eq!(conversation(long.clone()), known);
        for other in [format!("{long} "), format!("x{}", &long[1..]), format!("{}x", &long[..long.len() - 1])]
        {
            assert_ne!(conversation(other), known);
        }
    }

    #[test]
    fn later_turns_belong_to_the_first() {
        let system = json!({"role": "system", "content": "be brief"});
        let hello = json!({"role": "user", "content": "hello"});
        let first = chat(json!([system, hello]));
        assert!(!first.goes_on);
        let said = json!({"role": "assistant", "content": "hi"});
        let second = chat(json!([system, hello, said, {"role": "user", "content": "and now?"}]));
        assert_eq!(second, Turn { goes_on: true, ..first });
        assert_ne!(
            chat(json!([system, {"role": "user", "content": "other"}])).conversation,
            first.conversation
        );
        assert_ne!(chat(json!([hello])).conversation, first.conversation);
    }

    #[test]
    fn each_dialect_has_its_beginning() {
        let messages = |system: &str| {
            of(
                json!({"model": "m", "system": system, "messages": [{"role": "user", "content": "a"}]}),
                Dialect::Messages,
            )
        };
        assert_ne!(messages("x"), messages("y"));
        let one = of(json!({"model": "m", "input": "hello"}), Dialect::Responses).expect("a turn");
        assert!(!one.goes_on);
        let called =
            json!({"model": "m", "input": [{"role": "user", "content": "a"}, {"type": "function_call"}]});
        assert!(of(called, Dialect::Responses).expect("a turn").goes_on);
        let named = of(json!({"model": "m", "messages": [], "session_id": "s"}), Dialect::Chat);
        assert!(named.expect("a turn").goes_on);
        assert_eq!(of(json!({"model": "m", "input": "a"}), Dialect::Embeddings), None);
    }
}

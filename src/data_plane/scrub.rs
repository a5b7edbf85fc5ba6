//! Takes out of the upstream's own words what names an account or a key. Pure.

use memchr::memmem;
use serde_json::Value;

/// How OpenRouter's user ids and keys begin.
const MARKS: [&str; 2] = ["user_", "sk-or-"];
/// What stands in their place.
const HIDDEN: &str = "[hidden]";
/// A word that goes on for at least this long behind a mark, or has a digit there, is an id: `user_id`
/// is not.
const SHORTEST: usize = 8;

/// Whether there may be anything to take out: a quick look at bytes.
pub fn may_name_someone(bytes: &[u8]) -> bool {
    MARKS.iter().any(|mark| memmem::find(bytes, mark.as_bytes()).is_some())
}

/// Takes out ids and keys wherever they stand in `value`, and members called `user_id`.
pub fn value(value: &mut Value) {
    match value {
        Value::String(text) => *text = self::text(text),
        Value::Array(list) => list.iter_mut().for_each(self::value),
        Value::Object(members) => {
            members.retain(|name, _| name != "user_id");
            members.values_mut().for_each(self::value);
        }
        _ => {}
    }
}

/// `text` with ids and keys taken out.
pub fn text(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(at) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, word) = rest.split_at(at);
        clean.push_str(before);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '…');
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let mark = MARKS.iter().find(|mark| word.starts_with(**mark)).map_or(0, |mark| mark.len());
        let name = word.get(mark..).unwrap_or_default();
        let is_id = name.len() >= SHORTEST || name.contains(|c: char| c.is_ascii_digit());
        clean.push_str(if is_id { HIDDEN } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_and_keys_are_taken_out_and_words_stay() {
        assert_eq!(
            text("key sk-or-v1-0123456789, of user_2dHFtVWx2n: bad"),
            "key [hidden], of [hidden]: bad"
        );
        assert_eq!(text("the user_id of user_a"), "the user_id of user_a");
        assert_eq!(text("user_7 and sk-or-v1-a are known"), "[hidden] and [hidden] are known");
        let mut body = json!({"user_id": "user_x", "error": {"raw": {"text": ["user_2dHFtVWx2n"], "user_id": 1}, "code": 429}});
        value(&mut body);
        assert_eq!(body, json!({"error": {"raw": {"text": ["[hidden]"]}, "code": 429}}));
    }
}

//! Budgets for thinking, which stand inside the output limit: one that we set or lowered must leave
//! them room, for a budget that is not below the limit is refused upstream.
//!
//! A budget that is small enough, and a limit that the client chose itself, are left alone.

use super::body::{BodyFault, Document, integer};
use super::dialect::Dialect;
use super::edit::ObjectEdit;
use crate::json;

/// The least budget: Anthropic refuses less (its guide to extended thinking, `budget_tokens`).
pub const LEAST_BUDGET: u64 = 1_024;

/// Lowers a budget that the output limit `limit` does not hold: to four fifths of the limit, which is
/// what `effort: "high"` stands for (`openrouter-api.md` section 4), so that an answer has room.
///
/// Where not even [`LEAST_BUDGET`] stays below the limit there can be no budget: `/messages` loses its
/// `thinking`, the other dialects lose `reasoning.max_tokens`, and the model does as it does by itself.
pub fn fit(doc: &mut Document, dialect: Dialect, limit: u64) -> Result<(), BodyFault> {
    let (field, member) = match dialect {
        Dialect::Messages => ("thinking", "budget_tokens"),
        _ => ("reasoning", "max_tokens"),
    };
    let Some(span) = doc.span(field).filter(|_| doc.given(field).is_some()) else { return Ok(()) };
    let object = doc.object(span, field)?;
    let budget = object.get(member).and_then(|member| integer(json::slice(doc.text(), &member.value)));
    if budget.is_none_or(|budget| budget < limit) {
        return Ok(());
    }
    let mut edit = ObjectEdit::new(object);
    if limit > LEAST_BUDGET {
        let budget = (limit / 5 * 4).max(LEAST_BUDGET);
        edit.set(member, budget.to_string());
    } else if dialect == Dialect::Messages {
        // Without a budget it would not be well-formed.
        doc.remove(field);
        return Ok(());
    } else {
        edit.remove(member);
    }
    doc.edit(&edit);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn fitted(dialect: Dialect, body: &str, limit: u64) -> String {
        let mut doc = Document::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        fit(&mut doc, dialect, limit).unwrap();
        String::from_utf8(doc.finish().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn budgets_end_below_the_limit() {
        let body = |budget: &str| format!(r#"{{"thinking":{{"type":"enabled","budget_tokens":{budget}}}}}"#);
        let at = |budget, limit| fitted(Dialect::Messages, &body(budget), limit);
        assert_eq!(at("8000", 8_001), body("8000"));
        assert_eq!(at("8000", 8_000), body("6400"));
        assert_eq!(at("99999999999999999999999", 1_280), body("1024"));
        assert_eq!(at("2000", 1_025), body("1024"));
        assert_eq!(at("2000", 1_024), "{}");
        assert_eq!(at("500", 600), body("500"));
    }

    #[test]
    fn without_room_the_dialects_lose_what_is_unlawful() {
        let chat = r#"{"reasoning":{"exclude":true, "max_tokens": 4096}}"#;
        assert_eq!(
            fitted(Dialect::Chat, chat, 4_096),
            r#"{"reasoning":{"exclude":true, "max_tokens": 3276}}"#
        );
        assert_eq!(fitted(Dialect::Responses, chat, 1_000), r#"{"reasoning":{"exclude":true}}"#);
        assert_eq!(fitted(Dialect::Messages, chat, 1_000), chat);
    }

    #[test]
    fn what_holds_no_budget_is_left_alone() {
        for body in [
            r#"{"thinking":null}"#,
            r#"{"thinking":{"type":"adaptive"}}"#,
            r#"{"thinking":{"budget_tokens":"many"}}"#,
        ] {
            assert_eq!(fitted(Dialect::Messages, body, 100), body);
        }
        assert_eq!(fitted(Dialect::Chat, r#"{"reasoning":null}"#, 100), r#"{"reasoning":null}"#);
    }
}

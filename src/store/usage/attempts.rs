//! The attempts of a request as their column holds them: a JSON list with short names, and without
//! what is missing, since there is one in every row.

use crate::domain::attempt::{Attempt, AttemptLog};
use crate::domain::ids::{AccountId, KeyId};
use crate::json::write::Writer;
use serde::Deserialize;
use std::borrow::Cow;

/// What most take, and more.
const ROOM: usize = 256;

#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(rename = "n")]
    number: u32,
    #[serde(rename = "k")]
    key_id: Option<i64>,
    #[serde(rename = "l")]
    key_label: Option<Cow<'a, str>>,
    #[serde(rename = "a")]
    account_id: Option<i64>,
    #[serde(rename = "m")]
    model: Cow<'a, str>,
    #[serde(rename = "v")]
    verdict: Cow<'a, str>,
    #[serde(rename = "s")]
    status: Option<u16>,
    #[serde(rename = "t")]
    duration_ms: i64,
}

/// What the column holds; nothing where there was no attempt.
pub(super) fn written(log: &AttemptLog) -> Option<Cow<'static, str>> {
    if log.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(ROOM);
    for attempt in log.iter() {
        out.push(if out.is_empty() { b'[' } else { b',' });
        let Attempt { number, key_id, key_label, account_id, model, verdict, status, duration_ms } = attempt;
        let mut members = Writer::of(&mut out);
        members.number(r#"{"n":"#, *number);
        members.some_number(r#","k":"#, key_id.map(|id| id.0));
        members.some_text(r#","l":"#, key_label.as_deref());
        members.some_number(r#","a":"#, account_id.map(|id| id.0));
        members.text(r#","m":"#, model);
        members.text(r#","v":"#, verdict);
        members.some_number(r#","s":"#, *status);
        members.number(r#","t":"#, *duration_ms);
        out.push(b'}');
    }
    out.push(b']');
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// What the column says; a text of another form says nothing, and costs the row nothing else.
pub(super) fn read(column: Option<&str>) -> AttemptLog {
    let kept: Vec<Kept<'_>> = column.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    kept.into_iter().map(Attempt::from).collect()
}

impl From<Kept<'_>> for Attempt {
    fn from(kept: Kept<'_>) -> Attempt {
        Attempt {
            number: kept.number,
            key_id: kept.key_id.map(KeyId),
            key_label: kept.key_label.map(Cow::into_owned),
            account_id: kept.account_id.map(AccountId),
            model: kept.model.into_owned(),
            verdict: Cow::Owned(kept.verdict.into_owned()),
            status: kept.status,
            duration_ms: kept.duration_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let pooled = Attempt {
            number: 1,
            key_id: Some(KeyId(7)),
            key_label: Some("\"工作\"\0\u{202e}".to_owned()),
            account_id: Some(AccountId(2)),
            model: "a/b:free".to_owned(),
            verdict: "key_rejected".into(),
            status: Some(401),
            duration_ms: 12,
        };
        let own = Attempt {
            number: 2,
            key_id: None,
            key_label: None,
            account_id: None,
            status: None,
            verdict: "connect_failed".into(),
            ..pooled.clone()
        };
        let log: AttemptLog = [pooled, own].into_iter().collect();
        let column = written(&log).expect("a text");
        assert!(!column.contains('\0'), "{column}");
        assert_eq!(read(Some(&column)), log);
    }

    #[test]
    fn nothing_and_nonsense_say_nothing() {
        assert_eq!(written(&AttemptLog::default()), None);
        for column in [None, Some(""), Some("{}"), Some("[{\"n\":1}]"), Some("[]")] {
            assert!(read(column).is_empty(), "{column:?}");
        }
    }
}

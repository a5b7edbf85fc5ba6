//! A usage row as the JSON of its frame. Pure.
//!
//! Written in words of our own: every request waits for its row to be written, and a serialiser that knows
//! nothing of its values looks at each byte of every name and text by itself.

use crate::domain::attempt::Attempt;
use crate::domain::usage::{TokenUsage, UsageRow};
use crate::json::write::Writer;

/// What most rows take, and more.
const ROOM: usize = 1024;

/// `row`, with what it does not have left out; [`super::line`] reads it.
pub(super) fn of(row: &UsageRow) -> Vec<u8> {
    // Taken apart by name: a field that is added to rows must be added here too.
    let UsageRow {
        request_id,
        time,
        endpoint,
        model,
        model_served,
        key_id,
        key_label,
        account_id,
        token_id,
        client_kind,
        client_hint,
        stream,
        status,
        outcome,
        error_kind,
        tokens: TokenUsage { prompt, completion, total, reasoning, cached, cost },
        attempts,
        first_content_ms,
        duration_ms,
        provider,
        generation_id,
        attempt_log,
    } = row;
    let mut out = Vec::with_capacity(ROOM);
    let mut members = Writer::of(&mut out);
    members.text(r#"{"request_id":"#, request_id);
    members.number(r#","time":"#, time.millis());
    members.text(r#","endpoint":"#, endpoint);
    members.text(r#","model":"#, model);
    members.some_text(r#","model_served":"#, model_served.as_deref());
    members.some_number(r#","key_id":"#, key_id.map(|id| id.0));
    members.some_text(r#","key_label":"#, key_label.as_deref());
    members.some_number(r#","account_id":"#, account_id.map(|id| id.0));
    members.some_number(r#","token_id":"#, token_id.map(|id| id.0));
    members.text(r#","client_kind":"#, client_kind);
    members.some_text(r#","client_hint":"#, client_hint.as_deref());
    members.raw(r#","stream":"#, if *stream { b"true" } else { b"false" });
    members.number(r#","status":"#, *status);
    members.text(r#","outcome":"#, outcome);
    members.some_text(r#","error_kind":"#, error_kind.as_deref());
    members.some_number(r#","prompt_tokens":"#, *prompt);
    members.some_number(r#","completion_tokens":"#, *completion);
    members.some_number(r#","total_tokens":"#, *total);
    members.some_number(r#","reasoning_tokens":"#, *reasoning);
    members.some_number(r#","cached_tokens":"#, *cached);
    // JSON has no other numbers.
    if let Some(number) = cost.and_then(serde_json::Number::from_f64) {
        members.raw(r#","cost":"#, number.to_string().as_bytes());
    }
    members.number(r#","attempts":"#, *attempts);
    members.some_number(r#","first_content_ms":"#, *first_content_ms);
    members.number(r#","duration_ms":"#, *duration_ms);
    members.some_text(r#","provider":"#, provider.as_deref());
    members.some_text(r#","generation_id":"#, generation_id.as_deref());
    if !attempt_log.is_empty() {
        members.name(r#","attempt_log":"#);
        put_attempts(&mut out, attempt_log.iter());
    }
    out.push(b'}');
    out
}

fn put_attempts<'a>(out: &mut Vec<u8>, attempts: impl Iterator<Item = &'a Attempt>) {
    out.push(b'[');
    for (at, attempt) in attempts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let Attempt { number, key_id, key_label, account_id, model, verdict, status, duration_ms } = attempt;
        let mut members = Writer::of(out);
        members.number(r#"{"number":"#, *number);
        members.some_number(r#","key_id":"#, key_id.map(|id| id.0));
        members.some_text(r#","key_label":"#, key_label.as_deref());
        members.some_number(r#","account_id":"#, account_id.map(|id| id.0));
        members.text(r#","model":"#, model);
        members.text(r#","verdict":"#, verdict);
        members.some_number(r#","status":"#, *status);
        members.number(r#","duration_ms":"#, *duration_ms);
        out.push(b'}');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::AttemptLog;
    use crate::domain::ids::{KeyId, RequestId};
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn bare() -> UsageRow {
        let at = Timestamp::from_millis(7);
        UsageRow { request_id: "r".to_owned(), ..UsageRow::begin(RequestId::new(at), at, "embeddings") }
    }

    fn read(row: &UsageRow) -> Value {
        serde_json::from_slice(&of(row)).expect("JSON")
    }

    #[test]
    fn what_a_row_does_not_have_is_left_out() {
        let mut row = UsageRow { model: "m".to_owned(), duration_ms: -3, ..bare() };
        let told = |row: &UsageRow| {
            json!({
                "request_id": "r", "time": 7, "endpoint": "embeddings", "model": "m",
                "client_kind": row.client_kind, "stream": false, "status": row.status,
                "outcome": row.outcome, "attempts": 0, "duration_ms": -3
            })
        };
        assert_eq!(read(&row), told(&row));
        row.tokens.cost = Some(f64::INFINITY);
        assert_eq!(read(&row), told(&row), "no number of JSON");
    }

    proptest! {
        #[test]
        fn any_texts_and_numbers_are_written_as_they_are(
            texts in proptest::collection::vec(".*", 3),
            number: i64,
            cost in 0.0..1e9,
        ) {
            let attempt = |number| Attempt {
                number,
                key_id: Some(KeyId(1)),
                key_label: Some(texts[0].clone()),
                account_id: None,
                model: texts[1].clone(),
                verdict: texts[2].clone().into(),
                status: None,
                duration_ms: 5,
            };
            let attempt_log = AttemptLog::from_iter([attempt(1), attempt(2)]);
            let tokens = TokenUsage { prompt: Some(number), cost: Some(cost), ..TokenUsage::default() };
            let [model, provider] = [texts[0].clone(), texts[1].clone()];
            let row = UsageRow { model, provider: Some(provider), attempt_log, tokens, ..bare() };
            let told = read(&row);
            prop_assert_eq!(&told["model"], &Value::from(texts[0].as_str()));
            prop_assert_eq!(&told["provider"], &Value::from(texts[1].as_str()));
            prop_assert_eq!(&told["prompt_tokens"], &Value::from(number));
            // serde_json reads some numbers back with another last digit, whoever wrote them.
            let written = serde_json::to_string(&cost).expect("a number");
            prop_assert_eq!(&told["cost"], &serde_json::from_str::<Value>(&written).expect("a number"));
            let log: AttemptLog = serde_json::from_value(told["attempt_log"].clone()).expect("attempts");
            prop_assert_eq!(log, row.attempt_log);
        }
    }
}

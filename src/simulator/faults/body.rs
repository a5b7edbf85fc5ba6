//! What the tables of refusals share: rows, and bodies in chat's shape.
//!
//! An endpoint's own shape is put on by [`Case::refuse`].

use super::Effect::Instead;
use super::{Case, Fault, Row};
use crate::simulator::reply::Reply;
use serde_json::{Value, json};

/// A refusal by OpenRouter itself: no provider was asked, no free quota is spent.
pub(super) const fn platform(fault: Fault, answer: fn(&Case<'_>) -> Reply) -> Row {
    Row { fault, costs: false, amount: 0, effect: Instead(answer) }
}

/// A refusal from behind OpenRouter: the attempt counts.
pub(super) const fn provider(fault: Fault, answer: fn(&Case<'_>) -> Reply) -> Row {
    Row { fault, costs: true, amount: 0, effect: Instead(answer) }
}

pub(super) const fn with_amount(amount: u64, row: Row) -> Row {
    Row { fault: row.fault, costs: row.costs, amount, effect: row.effect }
}

/// `{"error":{code,message}}`.
pub(in crate::simulator) fn error(code: u16, message: &str) -> Value {
    json!({"error": {"message": message, "code": code}})
}

/// The same with `metadata`.
pub(super) fn detailed(code: u16, message: &str, metadata: Value) -> Value {
    json!({"error": {"message": message, "code": code, "metadata": metadata}})
}

/// The same body with the account's id beside the error.
pub(super) fn owned(case: &Case<'_>, mut body: Value) -> Value {
    body["user_id"] = Value::from(case.user);
    body
}

/// `Provider returned error` with what the provider said.
pub(super) fn returned(case: &Case<'_>, code: u16, raw: Value, more: Value) -> Value {
    let mut metadata = json!({"raw": raw, "provider_name": case.provider});
    if let (Some(all), Value::Object(more)) = (metadata.as_object_mut(), more) {
        all.extend(more);
    }
    detailed(code, "Provider returned error", metadata)
}

pub(super) fn retry_after(case: &Case<'_>, reply: Reply) -> Reply {
    reply.with("Retry-After", case.amount.to_string())
}

//! Refusals that repeat the key they were sent, as careless gateways do: in the message, in what a
//! provider said, in a header, on a page, in the middle of a stream.
//!
//! The only faults that look at the key.

use super::Effect::{Bend, Instead};
use super::body::{platform, with_amount};
use super::in_band::{after_content, only};
use super::{Case, Fault, Row};
use crate::simulator::reply::Reply;
use serde_json::{Value, json};

pub(super) const ROWS: &[Row] = &[
    with_amount(400, platform(Fault::Echo, |c| refusal(c, u16::try_from(c.amount).unwrap_or(400)))),
    platform(Fault::EchoAuth, |c| refusal(c, 401)),
    platform(Fault::EchoPage, |c| {
        let page = format!("<html><title>502</title><p>Authorization: Bearer {}</p></html>", c.key);
        Reply::whole(502, "text/html", page)
    }),
    Row { fault: Fault::EchoFirst, costs: true, amount: 0, effect: Instead(|c| only(c, said(c, 502))) },
    Row {
        fault: Fault::EchoMid,
        costs: true,
        amount: 2,
        effect: Bend(|c, good| after_content(c, good, said(c, 502), true)),
    },
];

/// An error object that names the key wherever words may stand.
fn said(case: &Case<'_>, status: u16) -> Value {
    let key = case.key;
    let raw =
        json!({"error": {"message": format!("no such key: {key}"), "headers": [format!("Bearer {key}")]}});
    json!({"code": status, "message": format!("Invalid credentials: Authorization: Bearer {key}"),
        "metadata": {"raw": raw.to_string(), "provider_name": case.provider, "key": key, "reasons": [key]}})
}

fn refusal(case: &Case<'_>, status: u16) -> Reply {
    case.refuse(status, json!({"error": said(case, status)})).with("X-Echo", format!("Bearer {}", case.key))
}

//! Until when: reads what the upstream says of an end, defensively, and holds it within reason.

use super::{Pause, Refusal};
use crate::domain::time::Timestamp;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

const DAY: Duration = Duration::from_secs(86_400);
/// An interval that the message does not name is looked at again after this long.
const HOUR: Duration = Duration::from_secs(3600);
/// No stated end is believed beyond this: a day and an hour (`openrouter-api.md` 8.2).
const LONGEST: Duration = Duration::from_secs(25 * 3600);
/// Our clock and theirs differ a little; asking a moment too early costs a refusal.
const MARGIN: Duration = Duration::from_secs(1);

/// How a row of the table decides on the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// No pause.
    None,
    /// The stated end, else this long.
    Stated(Duration),
    /// The stated reset, else the next 00:00 UTC.
    Day,
    /// The stated reset, else the next minute.
    Minute,
    /// By the interval that the message names: day, week from Monday, month; a total: the operator.
    Interval,
    /// Until the operator acts.
    Operator,
}

pub(super) fn pause(rest: Rest, refusal: &Refusal, now: Timestamp) -> Pause {
    match rest {
        Rest::None => Pause::None,
        Rest::Operator => Pause::Operator,
        Rest::Stated(usual) => stated(refusal, now).map_or(Pause::For(usual), Pause::Until),
        Rest::Day => Pause::Until(reset(refusal, now).unwrap_or_else(|| now.day().end()).after(MARGIN)),
        Rest::Minute => Pause::Until(
            reset(refusal, now)
                .or_else(|| stated(refusal, now))
                .unwrap_or_else(|| now.next_minute())
                .after(MARGIN),
        ),
        Rest::Interval if refusal.message.contains("total limit") => Pause::Operator,
        Rest::Interval => interval(&refusal.message, now).map_or(Pause::For(HOUR), Pause::Until),
    }
}

/// The moment that a `Retry-After` (seconds or an HTTP date, RFC 9110 10.2.3) or the metadata name.
pub fn retry_after(refusal: &Refusal, now: Timestamp) -> Option<Timestamp> {
    stated(refusal, now)
}

fn stated(refusal: &Refusal, now: Timestamp) -> Option<Timestamp> {
    let error = &refusal.error;
    let number = |path: &str| {
        error.pointer(path).and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()))
    };
    let seconds = refusal
        .retry_after
        .as_deref()
        .and_then(|text| text.trim().parse::<f64>().ok())
        .or_else(|| number("/metadata/retry_after_seconds"))
        .or_else(|| number("/metadata/headers/Retry-After"))
        .or_else(|| number("/metadata/headers/retry-after"))
        .or_else(|| number("/availability/retry_after"));
    if let Some(seconds) = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        return Some(now.after(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()))));
    }
    let date = refusal.retry_after.as_deref()?;
    let moment = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()?;
    let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()?;
    clamp(Timestamp::from_millis(millis), now)
}

/// `X-RateLimit-Reset`, as a header or in the metadata: milliseconds, seconds or RFC 3339, as
/// a number or as text.
fn reset(refusal: &Refusal, now: Timestamp) -> Option<Timestamp> {
    let inner = refusal.error.pointer("/metadata/headers/X-RateLimit-Reset");
    let text = refusal.reset.clone().or_else(|| match inner {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    })?;
    let text = text.trim();
    let moment = match text.parse::<f64>() {
        Ok(number) if number > 1e11 => Timestamp::from_millis(number as i64),
        Ok(number) if number > 1e8 => Timestamp::from_millis((number * 1000.0) as i64),
        // Too small for a date: seconds from now.
        Ok(number) if number >= 0.0 => now.after(Duration::from_secs_f64(number.min(1e6))),
        Ok(_) => return None,
        Err(_) => Timestamp::parse(text)?,
    };
    clamp(moment, now)
}

/// Only what lies ahead and within reason is believed.
fn clamp(moment: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (moment > now).then(|| moment.min(now.after(LONGEST)))
}

fn interval(message: &str, now: Timestamp) -> Option<Timestamp> {
    let message = message.to_ascii_lowercase();
    let today = now.day();
    if message.contains("daily") {
        return Some(today.end().after(MARGIN));
    }
    if message.contains("weekly") {
        // 1970-01-01 was a Thursday; weeks start on Monday (`openrouter-api.md` 8.2).
        let since_monday = (today.0 + 3).rem_euclid(7);
        let days_left = u32::try_from(7 - since_monday).unwrap_or(7);
        return Some(today.start().after(DAY * days_left).after(MARGIN));
    }
    if message.contains("monthly") {
        let date = OffsetDateTime::from_unix_timestamp(now.seconds()).ok()?.date();
        let days_left = date.month().length(date.year()) - date.day() + 1;
        return Some(today.start().after(DAY * u32::from(days_left)).after(MARGIN));
    }
    None
}

//! How long a day's quota lasts at the pace of the day so far. Pure: the time is an argument.

use super::time::Timestamp;
use std::time::Duration;

/// The pace of the first minutes says little: a day is taken to be at least this old.
const LEAST_ELAPSED: Duration = Duration::from_secs(15 * 60);

/// When a quota of `limit` requests a UTC day is used up, with `used` of it gone at `now` and the pace
/// staying as it was since midnight. `now` itself when nothing is left; `None` when it lasts the day.
pub fn lasts_until(used: u64, limit: u64, now: Timestamp) -> Option<Timestamp> {
    let left = limit.saturating_sub(used);
    if left == 0 {
        return Some(now);
    }
    let elapsed = now.since(now.day().start()).max(LEAST_ELAPSED);
    let more = elapsed.as_millis().saturating_mul(u128::from(left)).checked_div(u128::from(used))?;
    let end = now.after(Duration::from_millis(u64::try_from(more).unwrap_or(u64::MAX)));
    (end < now.day().end()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        Timestamp::parse(&format!("2026-11-22T{time}Z")).expect("a time")
    }

    #[test]
    fn the_pace_of_the_day_goes_on() {
        for (used, limit, now, expected) in [
            (0, 50, "12:00:00", None),
            (20, 50, "08:00:00", Some("20:00:00")),
            (10, 50, "08:00:00", None),
            (25, 50, "12:00:00", None),
            (26, 50, "12:00:00", Some("23:04:36.923")),
            (50, 50, "12:00:00", Some("12:00:00")),
            (60, 50, "12:00:00", Some("12:00:00")),
            (0, 0, "12:00:00", Some("12:00:00")),
            // One minute after midnight, five requests are not yet a pace of 300 an hour.
            (5, 50, "00:01:00", Some("02:16:00")),
            (1, u64::MAX, "12:00:00", None),
        ] {
            let found = lasts_until(used, limit, at(now));
            assert_eq!(found, expected.map(at), "{used} of {limit} at {now}");
        }
    }
}

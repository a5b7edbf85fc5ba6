//! When old rows are deleted. Pure: the time is an argument.
//!
//! A few at a time with a pause between, so that no request and no batch of rows waits for it.

use crate::domain::time::Timestamp;
use std::time::Duration;

/// Rows of one step: a few milliseconds of work.
pub const STEP: u32 = 1000;

const DAY: Duration = Duration::from_secs(86_400);
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(200);
/// After the last step, and after one that failed.
const REST: Duration = Duration::from_secs(3600);

/// Keeps rows for so many days.
#[derive(Debug)]
pub struct Retention {
    kept: Option<Duration>,
    next: Option<Timestamp>,
    stepping: bool,
}

impl Retention {
    /// For `days` of rows; `None`: for ever.
    pub fn new(days: Option<u32>) -> Retention {
        Retention { kept: days.map(|days| DAY * days), next: None, stepping: false }
    }

    /// Keeps rows for `days` from now on; `None`: for ever. What is too old by that goes soon.
    pub fn keep(&mut self, days: Option<u32>) {
        self.kept = days.map(|days| DAY * days);
        self.next = None;
    }

    /// The moment before which up to [`STEP`] rows are to be deleted now, if it is time to. The next
    /// step waits for [`Retention::stepped`].
    pub fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let kept = i64::try_from(self.kept?.as_millis()).ok()?;
        if self.stepping || self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.stepping = true;
        Some(Timestamp::from_millis(now.millis().saturating_sub(kept)))
    }

    /// A step has deleted so many rows; `None`: it failed.
    pub fn stepped(&mut self, deleted: Option<usize>, now: Timestamp) {
        self.stepping = false;
        let has_more = deleted.is_some_and(|deleted| u32::try_from(deleted).is_ok_and(|count| count >= STEP));
        self.next = Some(now.after(if has_more { PAUSE } else { REST }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_until_nothing_is_left() {
        let at = |seconds: u64| Timestamp::from_millis(100 * 86_400_000).after(Duration::from_secs(seconds));
        let mut retention = Retention::new(Some(90));
        assert_eq!(retention.due(at(0)), Some(Timestamp::from_millis(10 * 86_400_000)));
        assert_eq!(retention.due(at(5)), None, "one step at a time");
        retention.stepped(Some(1000), at(5));
        assert_eq!(retention.due(at(5)), None, "a pause");
        assert!(retention.due(at(6)).is_some());
        retention.stepped(Some(999), at(6));
        assert_eq!(retention.due(at(3605)), None, "done for now");
        assert!(retention.due(at(3606)).is_some());
        retention.stepped(None, at(3606));
        assert_eq!(retention.due(at(3700)), None, "a failure is not repeated at once");
    }

    #[test]
    fn another_limit_holds_at_once() {
        let now = Timestamp::from_millis(100 * 86_400_000);
        let mut retention = Retention::new(None);
        assert_eq!(retention.due(now), None);
        retention.keep(Some(10));
        assert_eq!(retention.due(now), Some(Timestamp::from_millis(90 * 86_400_000)));
        retention.stepped(Some(0), now);
        retention.keep(Some(20));
        assert_eq!(retention.due(now), Some(Timestamp::from_millis(80 * 86_400_000)));
        retention.stepped(Some(0), now);
        retention.keep(None);
        assert_eq!(retention.due(now), None);
    }

    #[test]
    fn without_a_limit_nothing_is_deleted() {
        assert_eq!(Retention::new(None).due(Timestamp::from_millis(i64::MAX)), None);
    }
}

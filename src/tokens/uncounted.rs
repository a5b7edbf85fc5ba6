//! Requests of tokens without limits, until the TokenBook counts them: nobody has to wait for its word, and
//! waking it for each would cost more than counting.

use crate::domain::ids::TokenId;
use crate::domain::time::{Day, Timestamp};
use crate::domain::token::TokenUse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was spent since the TokenBook looked last. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Uncounted(Arc<Mutex<Spent>>);

/// Requests, and when the last one was, of a token on a day.
type Spent = HashMap<(TokenId, Day), (i64, Timestamp)>;

impl Uncounted {
    /// One more request of `token`, `now`.
    pub fn spend(&self, token: TokenId, now: Timestamp) {
        let mut spent = self.spent();
        let (count, last) = spent.entry((token, now.day())).or_insert((0, now));
        *count += 1;
        *last = (*last).max(now);
    }

    /// Everything so far, to be counted.
    pub fn take(&self) -> Vec<TokenUse> {
        let spent = std::mem::take(&mut *self.spent());
        let used = |((token, day), (count, last))| TokenUse { token, day, count, last };
        spent.into_iter().map(used).collect()
    }

    // A count goes up in one step, so a panic leaves nothing half done.
    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_taken_once_on_its_day() {
        let uncounted = Uncounted::default();
        let day = Timestamp::from_millis(86_400_000);
        for (token, millis) in [(1, 5), (1, 7), (2, 6), (1, 86_400_000)] {
            uncounted.clone().spend(TokenId(token), Timestamp::from_millis(millis));
        }
        let mut taken = uncounted.take();
        taken.sort_by_key(|used| (used.token, used.day));
        let found: Vec<_> = taken.iter().map(|used| (used.token.0, used.count, used.last.millis())).collect();
        assert_eq!(found, [(1, 2, 7), (1, 1, 86_400_000), (2, 1, 6)]);
        assert_eq!(taken[1].day, day.day());
        assert!(uncounted.take().is_empty());
    }
}

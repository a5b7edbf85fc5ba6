//! Which account served a conversation last: its turns prefer that one, since the upstream caches
//! prompts per account and for ten minutes (`openrouter-api.md` section 9). Pure and bounded.

use crate::domain::ids::AccountId;
use crate::domain::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// What the upstream keeps for ten minutes is of no use later.
const KEPT: Duration = Duration::from_secs(600);
/// The most conversations that are remembered.
const MOST: usize = 8192;

/// The accounts of conversations.
#[derive(Debug, Default)]
pub struct Sessions {
    accounts: HashMap<u64, (AccountId, Timestamp)>,
}

impl Sessions {
    /// The account that served this conversation, if that was not long ago.
    pub fn account(&self, conversation: u64, now: Timestamp) -> Option<AccountId> {
        let (account, at) = self.accounts.get(&conversation)?;
        (now.since(*at) < KEPT).then_some(*account)
    }

    /// Remembers that `account` serves this conversation.
    pub fn remember(&mut self, conversation: u64, account: AccountId, now: Timestamp) {
        if self.accounts.len() >= MOST && !self.accounts.contains_key(&conversation) {
            self.sweep(now);
            if self.accounts.len() >= MOST {
                // All are young: forgetting them costs a cache hit each, and no more.
                self.accounts.clear();
            }
        }
        self.accounts.insert(conversation, (account, now));
    }

    /// Moves the conversations of a merged account.
    pub fn merge(&mut self, kept: AccountId, gone: AccountId) {
        self.accounts.values_mut().filter(|(of, _)| *of == gone).for_each(|(of, _)| *of = kept);
    }

    /// Forgets what is of no use any more.
    pub fn sweep(&mut self, now: Timestamp) {
        self.accounts.retain(|_, (_, at)| now.since(*at) < KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_a_while_and_not_without_bound() {
        let start = Timestamp::from_millis(0);
        let mut sessions = Sessions::default();
        sessions.remember(1, AccountId(4), start);
        assert_eq!(sessions.account(1, start.after(Duration::from_secs(599))), Some(AccountId(4)));
        assert_eq!(sessions.account(1, start.after(KEPT)), None);
        sessions.merge(AccountId(2), AccountId(4));
        assert_eq!(sessions.account(1, start), Some(AccountId(2)));
        for conversation in 0..20_000 {
            sessions.remember(conversation, AccountId(1), start);
        }
        assert!(sessions.accounts.len() <= MOST);
        assert_eq!(sessions.account(19_999, start), Some(AccountId(1)));
    }
}

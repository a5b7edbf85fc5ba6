//! Reads simulated keys: `sk-or-v1-sim-<behaviour>[-anything]`. The name says how the key behaves
//! and, by a part that begins with `acct`, which account it belongs to. Pure.
//!
//! Never makes a key that a real OpenRouter would accept: all begin with a prefix of our own.

use super::accounts::AccountPlan;
use super::ask::digest;
use super::faults::Misbehaviour;

/// What every simulated key begins with.
pub const KEY_PREFIX: &str = "sk-or-v1-sim-";

/// What a key's name says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    /// How it misbehaves by itself.
    pub fault: Option<Misbehaviour>,
    /// The account it belongs to.
    pub account: String,
}

/// Reads a key's name; `None` when it is not a simulated key. A behaviour that is no fault's name
/// (`good`, a number, a person's name) is good behaviour.
pub(super) fn read(key: &str) -> Option<Named> {
    let rest = key.strip_prefix(KEY_PREFIX)?;
    let behaviour = rest.split('-').next().unwrap_or("");
    let account = rest.split('-').filter_map(|part| part.strip_prefix("acct")).next_back();
    Some(Named { fault: Misbehaviour::parse(behaviour), account: account.unwrap_or(rest).to_owned() })
}

/// The plan an account has unless the control says otherwise: a name that begins with `paid` has
/// bought credits.
pub(super) fn default_plan(account: &str) -> AccountPlan {
    if account.starts_with("paid") { AccountPlan::paid() } else { AccountPlan::default() }
}

/// The account as OpenRouter names it: `user_` and 27 letters.
pub(super) fn user_id(account: &str) -> String {
    let first = digest(account.as_bytes());
    let second = digest(&first.to_le_bytes());
    format!("user_sim{first:016x}{:08x}", second >> 32)
}

/// The key as `GET /key` labels it.
pub(super) fn label(key: &str) -> String {
    let tail: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    let head: String = key.chars().skip(9).take(3).collect();
    format!("sk-or-v1-{head}...{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::faults::Fault;

    #[test]
    fn names_say_behaviour_and_account() {
        let table = [
            ("sk-or-v1-sim-good-0001", None, "good-0001"),
            ("sk-or-v1-sim-revoked-7", Some(Fault::Revoked.into()), "revoked-7"),
            ("sk-or-v1-sim-cut500-x-acctteam", Some(Fault::Cut.with(500)), "team"),
            ("sk-or-v1-sim-dead", Some(Fault::Hang.into()), "dead"),
            ("sk-or-v1-sim-", None, ""),
        ];
        for (key, fault, account) in table {
            assert_eq!(read(key), Some(Named { fault, account: account.to_owned() }), "{key}");
        }
        assert_eq!(read("sk-or-v1-0123"), None);
        assert_eq!(user_id("a").len(), 32);
        assert_eq!(label("sk-or-v1-sim-good-0001"), "sk-or-v1-sim...0001");
    }
}

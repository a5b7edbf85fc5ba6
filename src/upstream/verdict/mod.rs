//! What a refusal means: whose fault it is, what must rest, until when, and what comes next.
//!
//! Pure: a function of status, headers, body and the time. The rows stand in [`table`], in the order
//! of `openrouter-api.md` 8.4; the first that matches decides. An error inside a 200, as a whole body
//! or as the first event of a stream, is judged like the status its code names.

mod refusal;
mod reset;
mod table;

pub use refusal::Refusal;
pub use reset::retry_after;

use crate::domain::time::Timestamp;
use std::time::Duration;

/// What has to rest because of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nothing: the request itself was at fault.
    Request,
    /// The key that was used.
    Key,
    /// All keys of the key's account.
    Account,
    /// The model, for every key: its provider's capacity is shared by all of OpenRouter.
    Model,
    /// The model, for this account only.
    AccountModel,
    /// The way to the upstream; no key's and no model's fault.
    Path,
    /// Everything: the upstream has shut out this address.
    Everything,
}

/// How long a scope rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Not at all.
    None,
    /// For this long at first; longer when it happens again.
    For(Duration),
    /// Until this moment, which the upstream named or which follows from its rules.
    Until(Timestamp),
    /// Until the operator does something about it.
    Operator,
}

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A key of another account; the same answer is certain from this one.
    OtherAccount,
    /// Any other key: the refusal names this one alone.
    OtherKey,
    /// Once or twice more, after a short wait; the key does not matter.
    Again,
    /// One other account, once: nothing says whose fault it was.
    OtherAccountOnce,
    /// Another model, if the client or an alias names one; other keys would meet the same.
    OtherModel,
    /// Nothing: the client gets the refusal.
    GiveBack,
}

/// The name of a row of the table: what happened, in the operator's words.
pub type Cause = &'static str;

/// Causes that follow from our own counts and looks rather than from a refusal.
const OWN_CAUSES: &[Cause] = &["connection_failed", "key_daily_limit", "key_expired"];

/// The cause of this name, if there is one: what was stored is read again.
pub fn cause(name: &str) -> Option<Cause> {
    let of_table = table::ROWS.iter().chain([&table::UNKNOWN]).map(|row| row.cause);
    of_table.chain(OWN_CAUSES.iter().copied()).find(|cause| *cause == name)
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What happened.
    pub cause: Cause,
    /// What has to rest.
    pub scope: Scope,
    /// For how long.
    pub pause: Pause,
    /// What to try next.
    pub next: Next,
    /// The OpenRouter user that the refusal names: keys with the same one share an account.
    pub upstream_user: Option<String>,
}

impl Verdict {
    /// Whether the refusal names a key or an account. Such an attempt reached no model, so it does
    /// not count towards `proxy.max_attempts` (DESIGN section 5).
    pub fn names_a_key(&self) -> bool {
        matches!(self.scope, Scope::Key | Scope::Account)
    }

    /// The same for a request that narrowed the choice of endpoints itself (`provider.only`, `zdr` and the
    /// like): what those few refuse says nothing of the model for others, nor of an account's settings, so
    /// nothing rests; another key would meet the same, another model may not.
    pub fn of_this_request_alone(self) -> Verdict {
        let of_endpoints =
            matches!(self.cause, "data_policy" | "provider_capacity" | "model_unavailable" | "model_gone");
        if !of_endpoints {
            return self;
        }
        let next = if self.cause == "data_policy" { Next::OtherModel } else { self.next };
        Verdict { scope: Scope::Request, pause: Pause::None, next, ..self }
    }
}

/// Judges `refusal`, which arrived at `now`; `free` says whether a free model was asked for.
pub fn judge(refusal: &Refusal, free: bool, now: Timestamp) -> Verdict {
    let facts = table::Facts { refusal, free };
    let row = table::ROWS.iter().find(|row| (row.matches)(&facts)).unwrap_or(&table::UNKNOWN);
    Verdict {
        cause: row.cause,
        scope: row.scope,
        pause: reset::pause(row.rest, refusal, now),
        next: row.next,
        upstream_user: refusal.user.clone(),
    }
}

#[cfg(test)]
mod tests;

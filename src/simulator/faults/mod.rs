//! Every way the simulator can misbehave: one list of names, six tables of one shape.
//!
//! `account`, `request` and `upstream` answer with the true status, headers and body of a refusal,
//! parted by whom it concerns; `in_band` bend a good answer so that the error is inside a 200;
//! `transport` break the connection or its framing; `echo` repeat the key. Each fault is a pure function; none touches a
//! socket or a count.

mod account;
mod body;
mod case;
mod echo;
mod in_band;
mod list;
mod request;
mod transport;
mod upstream;

pub(super) use account::{afford, daily, minute, never_bought};
pub(super) use body::error;
pub(super) use case::{Case, Dialect};
pub use list::Fault;
pub(super) use request::{invalid_model, over_window};

use super::reply::Reply;

/// One row of a table: everything about one fault.
struct Row {
    fault: Fault,
    /// Whether such an attempt reached a provider, and so costs free quota.
    costs: bool,
    /// The amount when none is given; its meaning is in the fault's description.
    amount: u64,
    effect: Effect,
}

/// All tables.
fn rows() -> impl Iterator<Item = &'static Row> {
    [account::ROWS, request::ROWS, upstream::ROWS, in_band::ROWS, transport::ROWS, echo::ROWS]
        .into_iter()
        .flatten()
}

/// What a fault does.
enum Effect {
    /// It answers instead of the good answer.
    Instead(fn(&Case<'_>) -> Reply),
    /// It bends the good answer.
    Bend(fn(&Case<'_>, Reply) -> Reply),
}

impl Fault {
    /// The fault with this amount.
    pub fn with(self, amount: u64) -> Misbehaviour {
        Misbehaviour { fault: self, amount: Some(amount), times: None }
    }

    /// The fault for the next `count` requests only.
    pub fn times(self, count: u32) -> Misbehaviour {
        Misbehaviour { fault: self, amount: None, times: Some(count) }
    }

    /// Whether it concerns the key itself, so that every endpoint refuses it.
    pub(super) fn revokes_key(self) -> bool {
        matches!(self, Fault::Revoked | Fault::Unauthorized | Fault::NoHeader | Fault::EchoAuth)
    }

    fn row(self) -> Option<&'static Row> {
        rows().find(|row| row.fault == self)
    }
}

/// A fault with its amount and how often it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misbehaviour {
    /// What goes wrong.
    pub fault: Fault,
    /// How much of it; `None`: the fault's own default.
    pub amount: Option<u64>,
    /// For how many requests; `None`: until it is cleared.
    pub times: Option<u32>,
}

impl From<Fault> for Misbehaviour {
    fn from(fault: Fault) -> Misbehaviour {
        Misbehaviour { fault, amount: None, times: None }
    }
}

impl Misbehaviour {
    /// The same for the next `count` requests only.
    pub fn times(self, count: u32) -> Misbehaviour {
        Misbehaviour { times: Some(count), ..self }
    }

    /// Reads a name with an optional amount: `cut`, `cut500`. `dead` is another word for `hang`.
    pub fn parse(text: &str) -> Option<Misbehaviour> {
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = text.get(name.len()..).unwrap_or_default();
        let name = if name == "dead" { "hang" } else { name };
        let fault = *Fault::ALL.iter().find(|fault| fault.name() == name)?;
        let amount = if digits.is_empty() { None } else { Some(digits.parse().ok()?) };
        Some(Misbehaviour { fault, amount, times: None })
    }

    /// Whether such an attempt reached a provider, and so costs free quota.
    pub(super) fn costs_quota(self) -> bool {
        self.fault.row().is_some_and(|row| row.costs)
    }

    /// The reply that this fault makes of the good one, which is only built when it is needed.
    pub(super) fn apply(self, case: &Case<'_>, good: impl FnOnce() -> Reply) -> Reply {
        let Some(row) = self.fault.row() else { return good() };
        let case = Case { amount: self.amount.unwrap_or(row.amount), ..case.clone() };
        match row.effect {
            Effect::Instead(answer) => answer(&case),
            Effect::Bend(bend) => bend(&case, good()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_one_row_and_a_name_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(rows().filter(|row| row.fault == *fault).count(), 1, "{fault:?}");
            assert!(fault.name().bytes().all(|b| b.is_ascii_lowercase()), "{fault:?}");
            assert_eq!(Misbehaviour::parse(fault.name()), Some(Misbehaviour::from(*fault)));
            assert!(!fault.about().is_empty());
        }
        assert_eq!(rows().count(), Fault::ALL.len());
    }

    #[test]
    fn names_carry_amounts() {
        let table = [
            ("cut500", Some(Fault::Cut.with(500))),
            ("dead", Some(Fault::Hang.into())),
            ("cut", Some(Fault::Cut.into())),
            ("cuts", None),
            ("0001", None),
            ("", None),
            ("cut99999999999999999999", None),
        ];
        for (text, want) in table {
            assert_eq!(Misbehaviour::parse(text), want, "{text}");
        }
        assert_eq!(Fault::Cut.with(3).times(2), Misbehaviour { times: Some(2), ..Fault::Cut.with(3) });
    }
}

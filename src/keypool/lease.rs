//! The right of one attempt to use one key. Whatever becomes of it, the pool gets it back.

use super::actor::{KeyPool, Order};
use super::pool::{Ending, Grant};
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::secret::Secret;
use actix::Addr;

/// A lease. Dropped before it was taken over it is given back unused; dropped later it settles itself
/// as abandoned.
pub struct Lease {
    /// The key.
    pub key: KeyId,
    /// Its account.
    pub account: AccountId,
    /// Its label.
    pub label: String,
    /// The key itself, for the upstream.
    pub secret: Secret,
    number: u64,
    address: Addr<KeyPool>,
    probes: bool,
    taken: bool,
    settled: bool,
}

impl Lease {
    pub(super) fn new(grant: Grant, address: Addr<KeyPool>) -> Lease {
        Lease {
            key: grant.key,
            account: grant.account,
            label: grant.label,
            secret: grant.secret,
            number: grant.lease,
            address,
            probes: grant.probes,
            taken: false,
            settled: false,
        }
    }

    /// Somebody uses it from now on.
    pub(super) fn taken(mut self) -> Lease {
        self.taken = true;
        self
    }

    /// The answer has begun. If the attempt probed something that rested, others may use it again
    /// without waiting for the end of the answer.
    pub fn began(&mut self) {
        if std::mem::take(&mut self.probes) {
            Order::Began(self.number).post(&self.address);
        }
    }

    /// Gives the key back and says how the attempt ended.
    pub fn settle(mut self, ending: Ending) {
        self.settled = true;
        Order::Settle(self.number, ending).post(&self.address);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            let ending = if self.taken { Ending::Abandoned } else { Ending::NeverSent };
            Order::Settle(self.number, ending).post(&self.address);
        }
    }
}

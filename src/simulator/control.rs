//! The control of a running simulator: faults, accounts, and what it saw. For tests and `demo`;
//! `control_http` offers the same to other processes.
//!
//! Never answers a request itself.

use super::accounts::AccountPlan;
use super::faults::Misbehaviour;
use super::keys;
use super::record::{ClosedEarly, Received};
use super::state::{Active, KeyCounts, Scope, Shared};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A handle on a running simulator. Clones share it; any thread may use it.
#[derive(Debug, Clone)]
pub struct Control(pub(super) Arc<Shared>);

/// What one account used.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountCounts {
    /// What it may do.
    pub plan: AccountPlan,
    /// How error bodies and `GET /key` name it.
    pub user_id: String,
    /// Free requests counted on the current day of the simulator's clock.
    pub used_today: u64,
    /// Credits spent since the start, in USD.
    pub spent: f64,
}

impl Control {
    /// Sets the fault of a scope, in place of the one it had. A key's own name comes after it.
    pub fn set_fault(&self, scope: Scope, misbehaviour: impl Into<Misbehaviour>) {
        let active = Active { misbehaviour: misbehaviour.into(), hits: 0 };
        self.0.state().faults.insert(scope, active);
    }

    /// Sets the fault of a key.
    pub fn fault_key(&self, key: &str, misbehaviour: impl Into<Misbehaviour>) {
        self.set_fault(Scope::Key(key.to_owned()), misbehaviour);
    }

    /// Sets the fault of a model.
    pub fn fault_model(&self, model: &str, misbehaviour: impl Into<Misbehaviour>) {
        self.set_fault(Scope::Model(model.to_owned()), misbehaviour);
    }

    /// Sets the fault of a path below `/api/v1`, e.g. `/models`.
    pub fn fault_path(&self, path: &str, misbehaviour: impl Into<Misbehaviour>) {
        self.set_fault(Scope::Path(path.to_owned()), misbehaviour);
    }

    /// Clears the fault of a scope. A fault in a key's name stays: see [`Control::heal_key`].
    pub fn clear_fault(&self, scope: &Scope) {
        self.0.state().faults.remove(scope);
    }

    /// Makes a key good again, whatever its name says.
    pub fn heal_key(&self, key: &str) {
        let mut state = self.0.state();
        state.faults.remove(&Scope::Key(key.to_owned()));
        if let Some(counts) = state.key(key) {
            counts.healed = true;
        }
    }

    /// Clears every fault that was set.
    pub fn clear_faults(&self) {
        self.0.state().faults.clear();
    }

    /// The faults that are set, and how often each has happened.
    pub fn faults(&self) -> Vec<(Scope, Misbehaviour, u64)> {
        let state = self.0.state();
        state.faults.iter().map(|(scope, active)| (scope.clone(), active.misbehaviour, active.hits)).collect()
    }

    /// How often the fault of a scope has happened since it was set.
    pub fn hits(&self, scope: &Scope) -> u64 {
        self.0.state().faults.get(scope).map_or(0, |active| active.hits)
    }

    /// Says what an account may do; its counts stay.
    pub fn set_account(&self, account: &str, plan: AccountPlan) {
        self.0.state().account(account).plan = plan;
    }

    /// Says how many free requests an account has used today.
    pub fn set_used_today(&self, account: &str, used: u64) {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        let account = state.account(account);
        account.roll(now);
        account.used_today = used;
    }

    /// Puts a key into an account. Any text becomes a valid key by this.
    pub fn assign(&self, key: &str, account: &str) {
        let mut state = self.0.state();
        state.keys.entry(key.to_owned()).or_default().account = account.to_owned();
    }

    /// The requests kept, oldest first. Those under `/__simulator` are not kept.
    pub fn received(&self) -> Vec<Received> {
        self.0.record().received()
    }

    /// The clients that left before their answer was whole, oldest first.
    pub fn closed_early(&self) -> Vec<ClosedEarly> {
        self.0.record().closed_early()
    }

    /// The counts of one key; zeros for one never seen.
    pub fn key(&self, key: &str) -> KeyCounts {
        self.0.state().keys.get(key).cloned().unwrap_or_default()
    }

    /// The counts of all keys seen or assigned.
    pub fn keys(&self) -> BTreeMap<String, KeyCounts> {
        self.0.state().keys.iter().map(|(key, counts)| (key.clone(), counts.clone())).collect()
    }

    /// The counts of one account.
    pub fn account(&self, name: &str) -> AccountCounts {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        let account = state.account(name);
        account.roll(now);
        AccountCounts {
            plan: account.plan,
            user_id: keys::user_id(name),
            used_today: account.used_today,
            spent: account.spent,
        }
    }

    /// The names of all accounts that used something or were set.
    pub fn account_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.state().accounts.keys().cloned().collect();
        names.sort();
        names
    }

    /// Requests being answered now, and connections open now.
    pub fn open(&self) -> (usize, usize) {
        (self.0.in_flight.load(Ordering::Relaxed), self.0.connections.load(Ordering::Relaxed))
    }

    /// Time since the simulator started, on the clock of every `since_start`.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Forgets faults, accounts, keys, counts and what was received.
    pub fn reset(&self) {
        *self.0.state() = super::state::State::default();
        self.0.record().clear();
    }
}

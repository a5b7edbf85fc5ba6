//! What all connections share: faults that are set, accounts, keys, generations, the record.
//!
//! Locks are held for a lookup and a count, never across an await.

use super::accounts::{Account, AccountPlan, Denied};
use super::faults::Misbehaviour;
use super::keys;
use super::models::Models;
use super::record::Record;
use super::views::Generation;
use crate::domain::time::{Clock, Day, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most generations that `GET /generation` remembers.
const MAX_GENERATIONS: usize = 4096;

/// What a fault is set for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every request.
    All,
    /// One path below `/api/v1`, e.g. `/models`.
    Path(String),
    /// One key, in full.
    Key(String),
    /// One model id.
    Model(String),
}

/// What one key did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// The account it belongs to.
    pub account: String,
    /// Generations asked for with it.
    pub attempts: u64,
    /// Those, by UTC day.
    pub by_day: BTreeMap<Day, u64>,
    /// Their answers by status; 0: no head was sent.
    pub by_status: BTreeMap<u16, u64>,
    /// Lookups such as `GET /key` and `GET /credits` with it.
    pub looks: u64,
    /// Whether the fault in its name no longer counts.
    pub healed: bool,
}

/// A fault that is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Active {
    /// What happens.
    pub misbehaviour: Misbehaviour,
    /// How often it happened.
    pub hits: u64,
}

/// Everything under one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The faults that are set.
    pub faults: HashMap<Scope, Active>,
    /// Accounts by name.
    pub accounts: HashMap<String, Account>,
    /// Keys seen or assigned.
    pub keys: HashMap<String, KeyCounts>,
    generations: HashMap<String, Generation>,
    order: VecDeque<String>,
}

impl State {
    /// The counts of a key; `None` when no such key exists.
    pub(super) fn key(&mut self, key: &str) -> Option<&mut KeyCounts> {
        if !self.keys.contains_key(key) {
            let account = keys::read(key)?.account;
            self.keys.insert(key.to_owned(), KeyCounts { account, ..KeyCounts::default() });
        }
        self.keys.get_mut(key)
    }

    /// The account of this name, made at first sight.
    pub(super) fn account(&mut self, name: &str) -> &mut Account {
        self.accounts.entry(name.to_owned()).or_insert_with(|| Account::new(keys::default_plan(name)))
    }

    /// The fault in a key's name, unless it was healed.
    pub(super) fn named_fault(&self, key: &str) -> Option<Misbehaviour> {
        let healed = self.keys.get(key).is_some_and(|counts| counts.healed);
        keys::read(key)?.fault.filter(|_| !healed)
    }

    /// The fault set for this scope, without using it up.
    pub(super) fn fault(&self, scope: &Scope) -> Option<Misbehaviour> {
        self.faults.get(scope).map(|active| active.misbehaviour).filter(|m| m.times != Some(0))
    }

    /// The fault set for this scope; one of its times is used up.
    pub(super) fn take_fault(&mut self, scope: &Scope) -> Option<Misbehaviour> {
        let active = self.faults.get_mut(scope).filter(|active| active.misbehaviour.times != Some(0))?;
        active.hits += 1;
        active.misbehaviour.times = active.misbehaviour.times.map(|left| left - 1);
        Some(active.misbehaviour)
    }

    /// Remembers a generation.
    pub(super) fn remember(&mut self, generation: Generation) {
        if self.order.len() == MAX_GENERATIONS
            && let Some(old) = self.order.pop_front()
        {
            self.generations.remove(&old);
        }
        self.order.push_back(generation.id.clone());
        self.generations.insert(generation.id.clone(), generation);
    }

    /// The generation of this id.
    pub(super) fn generation(&self, id: &str) -> Option<&Generation> {
        self.generations.get(id)
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The clock that days and minutes follow.
    pub clock: Clock,
    /// The machine's clock, for how long things took.
    pub watch: Clock,
    /// Whether limits and credits are enforced.
    pub enforce: bool,
    /// Changes all content.
    pub seed: u64,
    /// The models on offer.
    pub models: Models,
    /// How many requests the record keeps.
    pub keep: usize,
    /// Connections open now.
    pub connections: AtomicUsize,
    /// Requests being answered now.
    pub in_flight: AtomicUsize,
    state: Mutex<State>,
    record: Mutex<Record>,
    next_connection: AtomicU64,
    next_generation: AtomicU64,
}

impl Shared {
    /// Nothing seen yet.
    pub(super) fn new(options: &super::Options, models: Models) -> Shared {
        Shared {
            clock: options.clock.clone(),
            watch: Clock::system(),
            enforce: options.enforce_limits,
            seed: options.seed,
            models,
            keep: options.keep,
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            state: Mutex::default(),
            record: Mutex::default(),
            next_connection: AtomicU64::new(0),
            next_generation: AtomicU64::new(0),
        }
    }

    /// The state, locked.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, locked.
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the start, by the machine's clock.
    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// The number of a new connection.
    pub(super) fn connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A new generation id: `gen-<unix>-<20 letters>`, unlike every other of this simulator.
    pub(super) fn generation_id(&self, now: Timestamp, seed: u64, embeds: bool) -> String {
        let count = self.next_generation.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff;
        let kind = if embeds { "gen-emb" } else { "gen" };
        format!("{kind}-{}-{:012x}{count:08x}", now.seconds(), seed & 0xffff_ffff_ffff)
    }

    /// Counts a generation against its account, or says why not.
    pub(super) fn admit(&self, account: &str, free: bool, now: Timestamp) -> Result<(), Denied> {
        let mut state = self.state();
        let account = state.account(account);
        match self.enforce {
            true => account.admit(free, now),
            false => {
                if free {
                    account.count(now);
                }
                Ok(())
            }
        }
    }

    /// An account's plan and balance.
    pub(super) fn plan(&self, account: &str) -> (AccountPlan, f64) {
        let mut state = self.state();
        let account = state.account(account);
        (account.plan, account.balance())
    }
}

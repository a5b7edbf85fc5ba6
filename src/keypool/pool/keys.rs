//! The keys of the pool: taken in as they are stored, and found by their ids.

use super::account::Account;
use super::{DayCount, Key, Pool, learn};
use crate::allowance::Allowance;
use crate::domain::account::AccountRecord;
use crate::domain::cooldown::Place;
use crate::domain::ids::{AccountId, KeyId};
use crate::domain::key::{KeyRecord, StoredKey};
use crate::domain::quota::QuotaKind;
use crate::domain::time::{Day, Timestamp};
use crate::upstream::verdict::cause;
use std::collections::{HashMap, HashSet};

impl Pool {
    /// Takes in keys and accounts as they are stored: new ones come, missing ones go, counts of known
    /// ones stay ours, since we count ahead of the store.
    pub fn load(&mut self, stored: Vec<StoredKey>, accounts: Vec<AccountRecord>, now: Timestamp) {
        let today = now.day();
        self.load_accounts(accounts, today);
        let mut known: HashMap<KeyId, Key> = self.keys.drain(..).map(|key| (key.record.id, key)).collect();
        let mut moves: HashMap<AccountId, AccountId> = HashMap::new();
        for StoredKey { record, secret } in stored {
            let record_id = record.id;
            let before = known.remove(&record_id);
            if let Some(before) = before.as_ref().filter(|before| before.record.account != record.account) {
                moves.insert(before.record.account, record.account);
            }
            self.load_fault(&record, before.as_ref(), now);
            let new = || Account::new(AccountRecord::new(record.account), today);
            self.accounts.entry(record.account).or_insert_with(new);
            let key = match before {
                Some(key) => Key {
                    record: KeyRecord {
                        used_total: key.record.used_total,
                        last_used: key.record.last_used,
                        ..record
                    },
                    digest: secret.digest(),
                    secret,
                    ..key
                },
                None => Key {
                    today: DayCount::new(today, record.used_today),
                    record,
                    digest: secret.digest(),
                    part: Allowance::new(QuotaKind::KeyDay, record_id.0),
                    secret,
                    last_taken: 0,
                    in_flight: 0,
                    proven: false,
                    look: learn::Look::default(),
                },
            };
            self.keys.push(key);
        }
        self.keys.sort_unstable_by_key(|key| key.record.id);
        let in_use: HashSet<AccountId> = self.keys.iter().map(|key| key.record.account).collect();
        for (gone, kept) in moves.into_iter().filter(|(gone, _)| !in_use.contains(gone)) {
            self.follow(kept, gone, now);
        }
        self.accounts.retain(|id, _| in_use.contains(id));
    }

    /// Another process found out that two accounts are one, and the store knows of them what there is to
    /// know; what this process holds and counts comes along.
    fn follow(&mut self, kept: AccountId, gone: AccountId, now: Timestamp) {
        let record = self.accounts.get(&kept).map(|account| account.record.clone());
        self.merge(kept, gone, now);
        if let (Some(account), Some(record)) = (self.accounts.get_mut(&kept), record) {
            account.record = record;
        }
    }

    /// The key with this id.
    pub(super) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.binary_search_by_key(&id, |key| key.record.id).ok().and_then(|index| self.keys.get(index))
    }

    /// The same, to change it.
    pub(super) fn key_mut(&mut self, id: KeyId) -> Option<&mut Key> {
        let found = self.keys.binary_search_by_key(&id, |key| key.record.id).ok();
        found.and_then(|index| self.keys.get_mut(index))
    }

    fn load_accounts(&mut self, stored: Vec<AccountRecord>, today: Day) {
        for record in stored {
            match self.accounts.get_mut(&record.id) {
                Some(account) => account.record = record,
                None => {
                    self.accounts.insert(record.id, Account::new(record, today));
                }
            }
        }
    }

    /// A fault that is stored keeps the key out of use; one that the operator took away no longer.
    fn load_fault(&mut self, record: &KeyRecord, before: Option<&Key>, now: Timestamp) {
        let place = Place::Key(record.id);
        if let Some(fault) = &record.fault {
            log::debug!("key {} is out of use: {fault}", record.id);
            self.cooldowns.rest_until(place, cause(fault).unwrap_or("key_rejected"), None, now);
        } else if before.is_some_and(|key| key.record.fault.is_some()) {
            self.cooldowns.clear(&place);
        }
    }
}

//! What the store and the operator's hand do to the pool's rests and choices.

use super::{Pool, PoolOptions};
use crate::domain::cooldown::{CooldownRecord, Place};
use crate::domain::ids::KeyId;

impl Pool {
    /// Takes in the rests that are stored.
    pub fn load_cooldowns(&mut self, stored: Vec<CooldownRecord>) {
        self.cooldowns.load(stored);
    }

    /// Takes in the rests that are stored, of which some may be other processes'; whether any changed.
    pub fn merge_cooldowns(&mut self, stored: Vec<CooldownRecord>) -> bool {
        self.cooldowns.merge(stored)
    }

    /// What rests or no longer rests since the last call, for the store.
    pub fn take_cooldowns(&mut self) -> (Vec<CooldownRecord>, Vec<Place>) {
        self.cooldowns.take_changes()
    }

    /// Says that the rests of these places could not be stored.
    pub fn put_back_cooldowns(&mut self, places: impl IntoIterator<Item = Place>) {
        self.cooldowns.keep_unsaved(places);
    }

    /// Ends what keeps this key: its own rests, its account's, and its account's by model. Whether
    /// there is such a key.
    pub fn clear_key(&mut self, id: KeyId) -> bool {
        let Some(key) = self.key_mut(id) else { return false };
        key.record.fault = None;
        let account = key.record.account;
        let concerns = |place: &Place| match place {
            Place::Key(key) | Place::KeyPath(key) => *key == id,
            Place::Account(of) | Place::AccountModel(of, _) => *of == account,
            Place::Model(_) | Place::Everything => false,
        };
        for place in self.cooldowns.places(concerns) {
            self.cooldowns.clear(&place);
        }
        true
    }

    /// Ends the rest of one place, and with an account's those of models with it; whether any rested.
    pub fn clear(&mut self, place: &Place) -> bool {
        let mut cleared = self.cooldowns.clear(place).is_some();
        if let Place::Account(account) = place {
            let of_models = |place: &Place| matches!(place, Place::AccountModel(of, _) if of == account);
            for place in self.cooldowns.places(of_models) {
                cleared |= self.cooldowns.clear(&place).is_some();
            }
        }
        cleared
    }

    /// Goes by these options from now on.
    pub fn set_options(&mut self, options: PoolOptions) {
        self.options = options;
    }
}

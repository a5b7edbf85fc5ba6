//! What the KeyPool writes to the store and reads from it, off its mailbox. Decides nothing.
//!
//! One hand-off is under way at a time; what could not be written is written next time. Keys are
//! not read again while something learned is unwritten, or the store's word would undo it.

use super::actor::{KeyPool, Shutdown};
use super::pool::{Lesson, Uses};
use crate::domain::account::AccountRecord;
use crate::domain::cooldown::{CooldownRecord, Place};
use crate::domain::key::StoredKey;
use crate::domain::time::Day;
use crate::store::{Store, StoreError, Topic};
use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The store, and what is to go there.
pub struct Books {
    store: Store,
    lessons: Vec<Lesson>,
    revision: i64,
    /// Of the rests.
    rests_revision: i64,
    writing: bool,
    reading: bool,
    /// The keys should have been read again, but something was being written: they come first next time.
    overdue: bool,
    /// Told once what is being written has been written, or could not be.
    written: Option<oneshot::Sender<()>>,
    /// Nothing is handed off any more: the last page is about to be.
    closing: bool,
}

/// What is written in one go.
#[derive(Clone, Default)]
struct Page {
    uses: Uses,
    lessons: Vec<Lesson>,
    changed: Vec<CooldownRecord>,
    ended: Vec<Place>,
    /// The number of the rests once they were written.
    rests_revision: Option<i64>,
}

/// What is read in one go; `None`: nobody has changed it.
struct Reading {
    keys: Option<(i64, Vec<StoredKey>, Vec<AccountRecord>)>,
    rests: Option<(i64, Vec<CooldownRecord>)>,
}

impl Books {
    /// The books in `store`, read up to these numbers of the keys and of the rests.
    pub fn new(store: Store, revision: i64, rests_revision: i64) -> Books {
        Books {
            store,
            lessons: Vec::new(),
            revision,
            rests_revision,
            writing: false,
            reading: false,
            overdue: false,
            written: None,
            closing: false,
        }
    }

    /// Keeps a lesson for the next hand-off.
    pub fn note(&mut self, lesson: Lesson) {
        self.lessons.push(lesson);
    }

    fn is_settled(&self) -> bool {
        !self.writing && self.lessons.is_empty()
    }
}

impl Page {
    fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.lessons.is_empty() && self.changed.is_empty() && self.ended.is_empty()
    }

    /// Writes everything; returns what could not be written.
    fn write(mut self, store: &Store) -> Page {
        let mut left = Page::default();
        let told = |what: &str, error: StoreError| log::warn!("{what} could not be stored yet: {error}");
        if let Err(error) = store.record_uses(&self.uses.keys, &self.uses.accounts) {
            told("key counts", error);
            left.uses = self.uses;
        }
        while let Some(lesson) = self.lessons.first() {
            match learn(store, lesson) {
                // A key that was removed meanwhile has nothing left to learn.
                Ok(()) | Err(StoreError::UnknownKey { .. }) => {
                    self.lessons.remove(0);
                }
                Err(error) => {
                    told("what was learned of a key or account", error);
                    break;
                }
            }
        }
        left.lessons = self.lessons;
        if !(self.changed.is_empty() && self.ended.is_empty()) {
            match store.save_cooldowns(&self.changed, &self.ended) {
                Ok(revision) => left.rests_revision = Some(revision),
                Err(error) => {
                    told("cooldowns", error);
                    (left.changed, left.ended) = (self.changed, self.ended);
                }
            }
        }
        left
    }
}

fn learn(store: &Store, lesson: &Lesson) -> Result<(), StoreError> {
    match lesson {
        Lesson::Fault(key, cause) => store.set_key_fault(*key, *cause),
        Lesson::Named(account, user) => store.name_account(*account, user),
        Lesson::Merged(kept, gone) => store.merge_accounts(*kept, *gone),
        Lesson::Account(account, free_tier, limit) => store.learn_account(*account, *free_tier, *limit),
    }
}

async fn write(store: Store, page: Page) -> Page {
    let kept = page.clone();
    spawn_blocking(move || page.write(&store)).await.unwrap_or(kept)
}

impl KeyPool {
    fn take_page(&mut self) -> Page {
        let (changed, ended) = self.pool.take_cooldowns();
        Page {
            uses: self.pool.take_uses(),
            lessons: std::mem::take(&mut self.books.lessons),
            changed,
            ended,
            rests_revision: None,
        }
    }

    /// Writes everything there is; what could not be written comes back.
    fn write_page(&mut self) -> impl ActorFuture<KeyPool, Output = Page> + use<> {
        let page = self.take_page();
        write(self.books.store.clone(), page).into_actor(self)
    }

    fn put_back(&mut self, page: Page) {
        self.pool.put_back(page.uses);
        let places = page.changed.into_iter().map(|rest| rest.place).chain(page.ended);
        self.pool.put_back_cooldowns(places);
        let later = std::mem::replace(&mut self.books.lessons, page.lessons);
        self.books.lessons.extend(later);
    }

    /// Hands off what is to be stored.
    pub(super) fn write(&mut self, context: &mut Context<KeyPool>) {
        // What is being read would be out of date at once, and under load so each time.
        if self.books.writing || self.books.reading || self.books.closing {
            return;
        }
        if self.books.overdue && self.books.is_settled() {
            return self.reload(context);
        }
        let page = self.take_page();
        if page.is_empty() {
            return;
        }
        self.books.writing = true;
        let writing = write(self.books.store.clone(), page);
        context.spawn(writing.into_actor(self).map(|left, actor, _| {
            actor.books.writing = false;
            // Where only this process wrote there is nothing to read again.
            if left.rests_revision == Some(actor.books.rests_revision + 1) {
                actor.books.rests_revision += 1;
            }
            actor.put_back(left);
            if actor.books.is_settled() {
                actor.pool.merges_stored();
            }
            // Whoever waited may have given up.
            let _ = actor.books.written.take().map(|written| written.send(()));
        }));
    }

    /// Reads again what somebody has changed: keys and accounts, and what rests.
    pub(super) fn reload(&mut self, context: &mut Context<KeyPool>) {
        // A reading that is under way may have begun before the change.
        self.books.overdue = self.books.reading || !self.books.is_settled();
        if self.books.overdue {
            return;
        }
        self.books.reading = true;
        let (store, day) = (self.books.store.clone(), self.clock.now().day());
        let known = (self.books.revision, self.books.rests_revision);
        let reading = spawn_blocking(move || read(&store, day, known));
        context.spawn(reading.into_actor(self).map(|read, actor, context| {
            actor.books.reading = false;
            match read {
                Ok(Ok(reading)) => actor.take_in(reading, context),
                Ok(Err(error)) => log::warn!("the keys could not be read again: {error}"),
                Err(_) => log::error!("reading the keys failed; the known ones stay in use"),
            }
        }));
    }

    fn take_in(&mut self, reading: Reading, context: &mut Context<KeyPool>) {
        let mut changed = false;
        match reading.keys {
            Some((revision, keys, accounts)) if self.books.is_settled() => {
                self.pool.load(keys, accounts, self.clock.now());
                self.books.revision = revision;
                changed = true;
            }
            Some(_) => self.books.overdue = true,
            None => {}
        }
        if let Some((revision, rests)) = reading.rests {
            changed |= self.pool.merge_cooldowns(rests);
            self.books.rests_revision = revision;
        }
        if changed {
            self.changed = true;
            self.advance(context);
            self.look_up(context);
        }
    }
}

fn read(store: &Store, day: Day, (keys_known, rests_known): (i64, i64)) -> Result<Reading, StoreError> {
    let revision = store.keys_revision()?;
    let keys = match revision == keys_known {
        true => None,
        false => Some((revision, store.keys(day)?, store.accounts(day)?)),
    };
    let rests = match store.revision(Topic::Cooldowns)? == rests_known {
        true => None,
        false => Some(store.cooldowns()?),
    };
    Ok(Reading { keys, rests })
}

impl Handler<Shutdown> for KeyPool {
    type Result = ResponseActFuture<KeyPool, ()>;

    /// What is being written comes first: the program ends after this, whatever is under way. What was
    /// learned comes before the parts of quotas: they are given back to accounts as the store knows them.
    fn handle(&mut self, _: Shutdown, _: &mut Context<KeyPool>) -> Self::Result {
        self.books.closing = true;
        let (told, written) = oneshot::channel();
        if self.books.writing {
            self.books.written = Some(told);
        }
        let before = async move { drop(written.await) };
        let first = before.into_actor(self).then(|(), actor, _| actor.write_page());
        let parts = first.then(|left, actor, context| {
            actor.put_back(left);
            let (done, returned) = oneshot::channel();
            actor.close_parts(done, context);
            async move { drop(returned.await) }.into_actor(actor)
        });
        let last = parts.then(|(), actor, _| actor.write_page());
        Box::pin(last.map(|left, _, _| {
            if !left.is_empty() {
                log::error!("the last counts and cooldowns could not be stored");
            }
        }))
    }
}

//! What the KeyPool takes from the quotas that processes share, and gives back, off its mailbox.
//! Decides nothing.
//!
//! One hand-off is under way at a time, and an answer is told to the pool before the next question.

use super::actor::KeyPool;
use crate::allowance::Notebook;
use crate::domain::quota::{Granted, Holder, Want};
use crate::domain::replicas::Replicas;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use std::path::Path;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// What is under way with the store.
pub struct Lending {
    store: Store,
    replicas: Replicas,
    asking: bool,
    /// Set when the pool is shut down: what comes from then on goes back at once.
    closing: Option<oneshot::Sender<()>>,
    closed: bool,
    notebook: Notebook,
}

impl Lending {
    pub(super) fn new(store: Store, replicas: Replicas, notebook: Notebook) -> Lending {
        Lending { store, replicas, asking: false, closing: None, closed: false, notebook }
    }
}

impl KeyPool {
    /// Hands off what the pool wants of shared quotas, if it wants anything.
    pub(super) fn borrow_parts(&mut self, context: &mut Context<KeyPool>) {
        if self.lending.asking || self.lending.closed {
            return;
        }
        let wants = self.pool.wants(self.lending.replicas.live(), self.clock.now());
        if !wants.is_empty() {
            self.hand_off(wants, context);
        }
    }

    /// Notes how it stands with what is in hand: before anybody uses it or gives it back.
    pub(super) fn note_parts(&mut self) {
        let now = self.clock.now();
        for mark in self.pool.take_marks() {
            self.lending.notebook.note(&mark, now);
        }
    }

    fn hand_off(&mut self, wants: Vec<Want>, context: &mut Context<KeyPool>) {
        self.note_parts();
        self.lending.asking = true;
        let lending = &self.lending;
        let asking = ask(lending.store.clone(), lending.notebook.holder().clone(), wants.clone());
        context.spawn(asking.into_actor(self).map(move |granted, actor, context| {
            actor.lending.asking = false;
            actor.pool.leased(&wants, granted.as_deref(), actor.clock.now());
            actor.note_parts();
            actor.changed = true;
            if actor.lending.closing.is_some() {
                return actor.return_parts(context);
            }
            actor.advance(context);
            // Whoever is still without a part asks again at once.
            if granted.is_some() && !actor.line.is_empty() {
                actor.borrow_parts(context);
            }
        }));
    }

    /// Gives back everything that is in hand; `done` hears when the store knows, or cannot be told.
    pub(super) fn close_parts(&mut self, done: oneshot::Sender<()>, context: &mut Context<KeyPool>) {
        self.lending.closed = true;
        self.lending.closing = Some(done);
        // What is being asked for just now comes first, and goes back with the rest.
        if !self.lending.asking {
            self.return_parts(context);
        }
    }

    fn return_parts(&mut self, context: &mut Context<KeyPool>) {
        let wants = self.pool.give_all();
        if wants.is_empty() {
            if let Some(done) = self.lending.closing.take() {
                let _ = done.send(());
            }
            return;
        }
        self.hand_off(wants, context);
    }

    /// Forgets what was handed out of periods that are over.
    pub(super) fn forget_parts(&self) {
        let (store, now): (Store, Timestamp) = (self.lending.store.clone(), self.clock.now());
        spawn_blocking(move || {
            if let Err(error) = store.forget_leases(now) {
                log::debug!("old parts of quotas could not be forgotten yet: {error}");
            }
        });
    }
}

/// `None`: the store could not be asked.
async fn ask(store: Store, holder: Holder, wants: Vec<Want>) -> Option<Vec<Granted>> {
    match spawn_blocking(move || store.lease(&holder, &wants)).await {
        Ok(Ok(granted)) => Some(granted),
        Ok(Err(error)) => {
            log::warn!("quotas could not be taken from the database, what is in hand goes on: {error}");
            None
        }
        Err(_) => None,
    }
}

/// Takes over what a process before this one had in hand, and the first parts, before anybody asks.
///
/// # Errors
/// When the store cannot be asked.
pub(super) fn begin(
    pool: &mut super::pool::Pool,
    store: &Store,
    replicas: &Replicas,
    folder: &Path,
    now: Timestamp,
) -> Result<Notebook, StoreError> {
    pool.share();
    let (mut notebook, marks) = Notebook::open(folder, "keys", &store.identity()?, now);
    pool.adopt(&marks);
    // How much was taken over is asked first.
    for _ in 0..2 {
        let wants = pool.wants(replicas.live(), now);
        let granted = store.lease(notebook.holder(), &wants)?;
        pool.leased(&wants, Some(&granted), now);
    }
    for mark in pool.take_marks() {
        notebook.note(&mark, now);
    }
    Ok(notebook)
}

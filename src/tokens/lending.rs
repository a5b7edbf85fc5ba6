//! What the TokenBook takes from the limits that processes share, and gives back, off its mailbox; and
//! the line of those who wait for it. Decides nothing.

use super::actor::{Reserve, TokenBook};
use super::tally::Refused;
use crate::allowance::Notebook;
use crate::domain::quota::{Granted, Holder, Want};
use crate::domain::replicas::Replicas;
use crate::store::Store;
use actix::prelude::*;
use std::collections::VecDeque;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The most that may wait at a time; whoever comes then is told to come back.
const MOST: usize = 4096;

/// What is under way with the store, and who waits for it.
pub struct Lending {
    replicas: Replicas,
    line: VecDeque<Reserve>,
    asking: bool,
    closing: Option<oneshot::Sender<()>>,
    closed: bool,
    notebook: Notebook,
}

impl Lending {
    pub(super) fn new(replicas: Replicas, notebook: Notebook) -> Lending {
        Lending { replicas, line: VecDeque::new(), asking: false, closing: None, closed: false, notebook }
    }
}

impl TokenBook {
    /// Serves a request at once, or lets it wait for the store's word.
    pub(super) fn come(&mut self, asked: Reserve, context: &mut Context<TokenBook>) {
        // Nobody is served before those who came earlier for the same token.
        let id = asked.token.record.id;
        if self.lending.line.iter().all(|other| other.token.record.id != id)
            || self.lending.line.len() >= MOST
        {
            if let Some(asked) = self.serve(asked) {
                self.lending.line.push_back(asked);
                self.borrow_parts(context);
            }
        } else {
            self.lending.line.push_back(asked);
        }
    }

    /// Answers, or returns who has to wait.
    fn serve(&mut self, asked: Reserve) -> Option<Reserve> {
        let now = self.now();
        let answer = match self.tally.reserve(asked.token.record.id, &asked.token.record.terms, now) {
            Ok(taken) => Ok(taken),
            Err(Refused::Exhausted(exhausted)) => Err(exhausted),
            Err(Refused::Asking) => return Some(asked),
        };
        self.note_parts();
        // One who has left gives the request back.
        if let Err(Ok(taken)) = asked.reply.send(answer) {
            self.tally.give_back(taken);
        }
        None
    }

    /// Serves those who wait, as far as that is possible now.
    pub(super) fn advance(&mut self) {
        for asked in std::mem::take(&mut self.lending.line) {
            if asked.reply.is_closed() {
                continue;
            }
            if let Some(asked) = self.serve(asked) {
                self.lending.line.push_back(asked);
            }
        }
    }

    /// Hands off what is wanted of shared limits, if anything is.
    pub(super) fn borrow_parts(&mut self, context: &mut Context<TokenBook>) {
        if self.lending.asking || self.lending.closed {
            return;
        }
        let wants = self.tally.wants(self.lending.replicas.live(), self.clock.now());
        if !wants.is_empty() {
            self.hand_off(wants, context);
        }
    }

    /// Notes how it stands with what is in hand: before anybody uses it or gives it back.
    fn note_parts(&mut self) {
        let now = self.clock.now();
        for mark in self.tally.take_marks() {
            self.lending.notebook.note(&mark, now);
        }
    }

    fn hand_off(&mut self, wants: Vec<Want>, context: &mut Context<TokenBook>) {
        self.note_parts();
        self.lending.asking = true;
        let holder = self.lending.notebook.holder().clone();
        let asking = ask(self.store.clone(), holder, wants.clone());
        context.spawn(asking.into_actor(self).map(move |granted, actor, context| {
            actor.lending.asking = false;
            actor.tally.leased(&wants, granted.as_deref(), actor.clock.now());
            actor.note_parts();
            if actor.lending.closing.is_some() {
                return actor.return_parts(context);
            }
            actor.advance();
            if granted.is_some() && !actor.lending.line.is_empty() {
                actor.borrow_parts(context);
            }
        }));
    }

    /// Gives back everything that is in hand; `done` hears when the store knows, or cannot be told.
    pub(super) fn close_parts(&mut self, done: oneshot::Sender<()>, context: &mut Context<TokenBook>) {
        self.lending.closed = true;
        self.lending.closing = Some(done);
        // What is being asked for just now comes first, and goes back with the rest.
        if !self.lending.asking {
            self.return_parts(context);
        }
    }

    fn return_parts(&mut self, context: &mut Context<TokenBook>) {
        let wants = self.tally.give_all();
        if wants.is_empty() {
            if let Some(done) = self.lending.closing.take() {
                let _ = done.send(());
            }
            return;
        }
        self.hand_off(wants, context);
    }
}

/// `None`: the store could not be asked.
async fn ask(store: Store, holder: Holder, wants: Vec<Want>) -> Option<Vec<Granted>> {
    match spawn_blocking(move || store.lease(&holder, &wants)).await {
        Ok(Ok(granted)) => Some(granted),
        Ok(Err(error)) => {
            log::warn!("limits of client tokens could not be taken from the database: {error}");
            None
        }
        Err(_) => None,
    }
}

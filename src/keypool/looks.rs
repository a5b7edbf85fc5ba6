//! Looks at keys with `GET /key`, which costs no quota: when one is added, after refusals that name
//! it, every few minutes, and when the operator asks. Decides nothing.

use super::actor::{CheckKey, KeyPool};
use crate::domain::ids::KeyId;
use crate::domain::secret::Secret;
use crate::upstream::account::{KeyCheckFault, KeyInfo};
use crate::upstream::client::{Client, Connection};
use crate::upstream::fault::TransportFault;
use actix::prelude::*;
use std::time::Duration;

/// The most looks under way at a time.
const MOST: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The way to the upstream, and how often it is taken.
pub struct Looks {
    connection: Connection,
    client: Option<Client>,
    every: Duration,
    under_way: usize,
}

impl Looks {
    /// Looks at each key `every` so often; zero: never unless asked.
    pub fn new(connection: Connection, every: Duration) -> Looks {
        Looks { connection, client: None, every, under_way: 0 }
    }

    /// Must run on the actor's own thread: a client cannot cross threads.
    pub fn start(&mut self) {
        self.client = Some(self.connection.client());
    }
}

async fn ask(client: Option<Client>, secret: Secret) -> Result<KeyInfo, KeyCheckFault> {
    match client {
        Some(client) => client.key_info(&secret, TIMEOUT).await,
        None => Err(KeyCheckFault::Transport(TransportFault::Connect)),
    }
}

impl KeyPool {
    /// Looks up the keys that are due.
    pub(super) fn look_up(&mut self, context: &mut Context<KeyPool>) {
        if self.looks.every.is_zero() {
            return;
        }
        let free = MOST.saturating_sub(self.looks.under_way);
        for (key, secret) in self.pool.looks_due(self.looks.every, free, self.clock.now()) {
            self.looks.under_way += 1;
            let looking = ask(self.looks.client.clone(), secret).into_actor(self);
            context.spawn(looking.map(move |said, actor, context| {
                actor.looks.under_way -= 1;
                actor.looked(key, &said, false, context);
                // With many keys the next one need not wait for the next second.
                actor.look_up(context);
            }));
        }
    }

    fn looked(
        &mut self,
        key: KeyId,
        said: &Result<KeyInfo, KeyCheckFault>,
        by_hand: bool,
        context: &mut Context<KeyPool>,
    ) {
        if let Err(fault) = said {
            log::debug!("key {key} could not be looked up: {fault}");
        }
        let lessons = self.pool.looked(key, said, by_hand, self.clock.now());
        self.note(lessons);
        self.changed = true;
        self.advance(context);
    }
}

impl Handler<CheckKey> for KeyPool {
    type Result = ResponseActFuture<KeyPool, Option<Result<KeyInfo, KeyCheckFault>>>;

    fn handle(&mut self, CheckKey(key): CheckKey, _: &mut Context<KeyPool>) -> Self::Result {
        let Some(secret) = self.pool.look_at(key) else { return Box::pin(actix::fut::ready(None)) };
        let looking = ask(self.looks.client.clone(), secret).into_actor(self);
        Box::pin(looking.map(move |said, actor, context| {
            actor.looked(key, &said, true, context);
            Some(said)
        }))
    }
}

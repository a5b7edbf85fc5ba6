//! The ModelCatalog actor: fetches the lists at start and by a timer, stores them, publishes the
//! catalog. Decides nothing about models; the brain is [`listing`].

use super::handle::{CatalogOptions, Refreshed};
use super::listing;
use crate::domain::model::{Catalog, ListKind, Model};
use crate::domain::published::Published;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Store, StoreError};
use crate::upstream::client::{Client, Connection};
use crate::upstream::fault::TransportFault;
use crate::upstream::look::Look;
use actix::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// The largest list we take: the real one has about 1 MB.
const LIST_LIMIT: usize = 16 * 1024 * 1024;
/// After a failed fetch the next one follows this soon, doubling up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked what other processes fetched, and what the operator chose there.
const LOOK: Duration = Duration::from_secs(1);
/// Of several processes whose lists grow old together one fetches a little earlier than the others:
/// each waits up to this part of the time longer, but no more than so long.
const SPREAD: u32 = 20;
const WIDEST_SPREAD: Duration = Duration::from_secs(60);

/// The actor.
pub struct ModelCatalog {
    store: Store,
    connection: Connection,
    client: Option<Client>,
    options: CatalogOptions,
    clock: Clock,
    catalog: Published<Catalog>,
    kept: Kept,
    retry: Duration,
    next: Option<SpawnHandle>,
    /// Of the stored lists the youngest that was looked at.
    looked_at: Option<Timestamp>,
    looking: bool,
    /// How often the operator chose something here.
    choices: u64,
}

/// What the catalog is made of.
pub struct Kept {
    /// The models that write text.
    pub chat: Vec<Arc<Model>>,
    /// Those that embed.
    pub embeddings: Vec<Arc<Model>>,
    /// Ids of models that the operator does not want used, listed or not.
    pub disabled: HashSet<String>,
}

/// What is stored may have been changed by another process.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Edited;

/// The lists have grown old.
#[derive(Message)]
#[rtype(result = "()")]
struct Due;

/// What other processes left: what the operator does not want used, and lists younger than ours.
struct Shared {
    disabled: HashSet<String>,
    lists: Option<Lists>,
}

struct Lists {
    fetched_at: Timestamp,
    chat: String,
    embeddings: String,
}

/// Fetches the lists now.
#[derive(Message)]
#[rtype(result = "Result<Refreshed, String>")]
pub struct Refresh;

/// Lets a model be used, or not.
#[derive(Message)]
#[rtype(result = "Result<(), String>")]
pub struct SetEnabled {
    pub model: String,
    pub enabled: bool,
}

/// The bodies of both lists; the second may be missing.
struct Fetched {
    chat: String,
    embeddings: Result<String, String>,
}

impl ModelCatalog {
    pub fn new(
        store: Store,
        connection: Connection,
        options: CatalogOptions,
        clock: Clock,
        catalog: Published<Catalog>,
        kept: Kept,
    ) -> ModelCatalog {
        let looked_at = catalog.get().fetched_at;
        ModelCatalog {
            store,
            connection,
            client: None,
            options,
            clock,
            catalog,
            kept,
            retry: FIRST_RETRY,
            next: None,
            looked_at,
            looking: false,
            choices: 0,
        }
    }

    fn schedule(&mut self, context: &mut Context<ModelCatalog>, after: Duration) {
        if let Some(planned) = self.next.take() {
            context.cancel_future(planned);
        }
        self.next = Some(context.run_later(after, |_, context| context.notify(Due)));
    }

    /// Fetches when lists of this moment have grown old.
    fn schedule_next(&mut self, context: &mut Context<ModelCatalog>, fetched_at: Timestamp) {
        let widest = (self.options.max_age / SPREAD).min(WIDEST_SPREAD);
        let spread = widest.mul_f64(fastrand::f64());
        let left = self.options.max_age.saturating_sub(self.clock.now().since(fetched_at));
        self.schedule(context, left + spread);
    }

    fn publish(&self, fetched_at: Option<Timestamp>) {
        let Kept { chat, embeddings, disabled } = &self.kept;
        self.catalog.publish(listing::joined(chat, embeddings, disabled, fetched_at));
    }

    /// Takes over what other processes on the same database left there.
    fn look(&mut self, context: &mut Context<ModelCatalog>) {
        if !self.looking {
            let looking = self.looking();
            context.spawn(looking);
        }
    }

    fn looking(&mut self) -> ResponseActFuture<ModelCatalog, ()> {
        self.looking = true;
        let (store, known, choices) = (self.store.clone(), self.looked_at, self.choices);
        let reading = spawn_blocking(move || read_shared(&store, known));
        Box::pin(reading.into_actor(self).map(move |read, actor, context| {
            actor.looking = false;
            // A database that is away says nothing about what is there.
            let Ok(Ok(shared)) = read else { return };
            // What was chosen here meanwhile is younger.
            let chosen = choices == actor.choices && shared.disabled != actor.kept.disabled;
            if chosen {
                actor.kept.disabled = shared.disabled;
            }
            let taken = shared.lists.is_some_and(|lists| actor.take_in(&lists, context));
            if chosen && !taken {
                actor.publish(actor.catalog.get().fetched_at);
            }
        }))
    }

    /// Takes lists over that another process has fetched; whether that was possible.
    fn take_in(&mut self, lists: &Lists, context: &mut Context<ModelCatalog>) -> bool {
        // What we fetched ourselves meanwhile may be younger.
        if self.looked_at.is_some_and(|known| known >= lists.fetched_at) {
            return false;
        }
        self.looked_at = Some(lists.fetched_at);
        let suffix = &self.options.free_suffix;
        let Ok(chat) = listing::read(lists.chat.as_bytes(), suffix) else { return false };
        if let Ok(embeddings) = listing::read(lists.embeddings.as_bytes(), suffix) {
            self.kept.embeddings = embeddings;
        }
        self.kept.chat = chat;
        self.publish(Some(lists.fetched_at));
        log::info!("{} models on offer, as another process has fetched them", self.catalog.get().all().len());
        self.retry = FIRST_RETRY;
        self.schedule_next(context, lists.fetched_at);
        true
    }

    /// Takes a fetched listing over, or keeps the one there is.
    fn take_over(
        &mut self,
        fetched: Result<Fetched, String>,
        context: &mut Context<ModelCatalog>,
    ) -> Result<Refreshed, String> {
        let taken = fetched.and_then(|fetched| {
            let chat = listing::read(fetched.chat.as_bytes(), &self.options.free_suffix)
                .map_err(|fault| fault.to_string())?;
            Ok((chat, fetched))
        });
        let (chat, fetched) = match taken {
            Ok(taken) => taken,
            Err(reason) => {
                log::warn!("the model list could not be refreshed, the known one stays: {reason}");
                self.schedule(context, self.retry);
                self.retry = (self.retry * 2).min(LONGEST_RETRY);
                return Err(reason);
            }
        };
        let now = self.clock.now();
        let mut stored = vec![(ListKind::Chat, fetched.chat)];
        match fetched.embeddings {
            Ok(body) => match listing::read(body.as_bytes(), &self.options.free_suffix) {
                Ok(models) => {
                    self.kept.embeddings = models;
                    stored.push((ListKind::Embeddings, body));
                }
                Err(fault) => log::debug!("no embedding models were taken over: {fault}"),
            },
            Err(reason) => log::debug!("the embedding models could not be fetched: {reason}"),
        }
        self.kept.chat = chat;
        let before = self.catalog.get();
        self.publish(Some(now));
        let catalog = self.catalog.get();
        let change = listing::change(&before, &catalog);
        let refreshed = Refreshed { models: catalog.all().len(), free: catalog.free().count(), change };
        log::info!("{} models on offer, {} of them free", refreshed.models, refreshed.free);
        self.retry = FIRST_RETRY;
        self.looked_at = Some(now);
        self.schedule_next(context, now);
        let store = self.store.clone();
        let writing = spawn_blocking(move || {
            // The chat list last: by its time others see that there is something new.
            stored.iter().rev().try_for_each(|(kind, body)| store.save_listing(kind.name(), body, now))
        });
        context.spawn(writing.into_actor(self).map(|written, _, _| {
            if let Ok(Err(error)) = written {
                log::warn!("the model list could not be stored: {error}");
            }
        }));
        Ok(refreshed)
    }
}

fn read_shared(store: &Store, known: Option<Timestamp>) -> Result<Shared, StoreError> {
    let disabled = store.disabled_models()?.into_iter().collect();
    let stored_at = store.listing_time(ListKind::Chat.name())?;
    let mut lists = None;
    if stored_at > known
        && let Some(chat) = store.load_listing(ListKind::Chat.name())?
    {
        let embeddings = store.load_listing(ListKind::Embeddings.name())?;
        lists = Some(Lists {
            fetched_at: chat.fetched_at,
            chat: chat.body,
            embeddings: embeddings.map(|listing| listing.body).unwrap_or_default(),
        });
    }
    Ok(Shared { disabled, lists })
}

async fn fetch(client: Client, timeout: Duration) -> Result<Fetched, String> {
    let chat = fetch_list(&client, "/models", timeout).await.map_err(|fault| fault.to_string())?;
    let embeddings =
        fetch_list(&client, "/embeddings/models", timeout).await.map_err(|fault| fault.to_string());
    Ok(Fetched { chat, embeddings })
}

/// Why a list could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchFault {
    #[error(transparent)]
    Transport(#[from] TransportFault),
    #[error("the upstream answered {0}")]
    Status(u16),
    #[error("the list is not text")]
    NotText,
}

async fn fetch_list(client: &Client, path: &'static str, timeout: Duration) -> Result<String, FetchFault> {
    let look = Look { path, query: String::new(), limit: LIST_LIMIT, timeout };
    let body = match client.look(look, None).await? {
        (200, body) => body,
        (status, _) => return Err(FetchFault::Status(status)),
    };
    String::from_utf8(body.into()).map_err(|_| FetchFault::NotText)
}

impl Actor for ModelCatalog {
    type Context = Context<ModelCatalog>;

    fn started(&mut self, context: &mut Context<ModelCatalog>) {
        self.client = Some(self.connection.client());
        let age = self.catalog.get().fetched_at.map(|at| self.clock.now().since(at));
        match age {
            Some(age) if !self.options.update_on_start => {
                self.schedule(context, self.options.max_age.saturating_sub(age));
            }
            _ => context.notify(Refresh),
        }
        context.run_interval(LOOK, ModelCatalog::look);
    }
}

impl Handler<Refresh> for ModelCatalog {
    type Result = ResponseActFuture<ModelCatalog, Result<Refreshed, String>>;

    fn handle(&mut self, _: Refresh, _: &mut Context<ModelCatalog>) -> Self::Result {
        let Some(client) = self.client.clone() else {
            return Box::pin(actix::fut::ready(Err("the catalog is not started".to_owned())));
        };
        let fetching = fetch(client, self.options.timeout).into_actor(self);
        Box::pin(fetching.map(|fetched, actor, context| actor.take_over(fetched, context)))
    }
}

impl Handler<Edited> for ModelCatalog {
    type Result = ();

    fn handle(&mut self, _: Edited, context: &mut Context<ModelCatalog>) {
        self.look(context);
    }
}

impl Handler<Due> for ModelCatalog {
    type Result = ();

    /// Another process may have fetched them a moment ago.
    fn handle(&mut self, _: Due, context: &mut Context<ModelCatalog>) {
        let before = self.looked_at;
        let looking = self.looking();
        context.spawn(looking.map(move |(), actor, context: &mut Context<ModelCatalog>| {
            if actor.looked_at == before {
                context.notify(Refresh);
            }
        }));
    }
}

impl Handler<SetEnabled> for ModelCatalog {
    type Result = ResponseActFuture<ModelCatalog, Result<(), String>>;

    fn handle(&mut self, chosen: SetEnabled, _: &mut Context<ModelCatalog>) -> Self::Result {
        let SetEnabled { model, enabled } = chosen;
        let (store, now, id) = (self.store.clone(), self.clock.now(), model.clone());
        let writing = spawn_blocking(move || store.set_model_enabled(&id, enabled, now));
        Box::pin(writing.into_actor(self).map(move |written, actor, _| {
            match written {
                Ok(written) => written.map_err(|error| error.to_string())?,
                Err(_) => return Err("the work ended early; the log says more".to_owned()),
            }
            actor.choices += 1;
            if enabled {
                actor.kept.disabled.remove(&model);
            } else {
                actor.kept.disabled.insert(model);
            }
            actor.publish(actor.catalog.get().fetched_at);
            Ok(())
        }))
    }
}

//! The ModelCatalog actor: fetches the lists at start and by a timer, stores them, publishes the
//! catalog. Decides nothing about models; the brain is [`listing`].

use super::handle::{CatalogOptions, Refreshed};
use super::listing;
use crate::domain::model::{Catalog, ListKind, Model};
use crate::domain::published::Published;
use crate::domain::time::{Clock, Timestamp};
use crate::store::Store;
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

/// How often it is looked what the operator chose through another process.
const CHOICES: Duration = Duration::from_secs(2);

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
    reading: bool,
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
            reading: false,
        }
    }

    fn schedule(&mut self, context: &mut Context<ModelCatalog>, after: Duration) {
        if let Some(planned) = self.next.take() {
            context.cancel_future(planned);
        }
        self.next = Some(context.run_later(after, |_, context| context.notify(Refresh)));
    }

    fn publish(&self, fetched_at: Option<Timestamp>) {
        let Kept { chat, embeddings, disabled } = &self.kept;
        self.catalog.publish(listing::joined(chat, embeddings, disabled, fetched_at));
    }

    /// Takes over what was chosen elsewhere: another process may work on the same database.
    fn read_choices(&mut self, context: &mut Context<ModelCatalog>) {
        // One at a time: a database that hangs must not gather threads that wait for it.
        if std::mem::replace(&mut self.reading, true) {
            return;
        }
        let store = self.store.clone();
        let reading = spawn_blocking(move || store.disabled_models());
        context.spawn(reading.into_actor(self).map(|read, actor, _| {
            actor.reading = false;
            // A database that is away says nothing about what was chosen.
            let Ok(Ok(disabled)) = read else { return };
            let disabled: HashSet<String> = disabled.into_iter().collect();
            if disabled != actor.kept.disabled {
                actor.kept.disabled = disabled;
                actor.publish(actor.catalog.get().fetched_at);
            }
        }));
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
        self.schedule(context, self.options.max_age);
        let store = self.store.clone();
        let writing = spawn_blocking(move || {
            stored.iter().try_for_each(|(kind, body)| store.save_listing(kind.name(), body, now))
        });
        context.spawn(writing.into_actor(self).map(|written, _, _| {
            if let Ok(Err(error)) = written {
                log::warn!("the model list could not be stored: {error}");
            }
        }));
        Ok(refreshed)
    }
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
        let wait = match age {
            Some(age) if !self.options.update_on_start => self.options.max_age.saturating_sub(age),
            _ => Duration::ZERO,
        };
        self.schedule(context, wait);
        context.run_interval(CHOICES, ModelCatalog::read_choices);
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

//! What the rest of the program holds of the ModelCatalog.

use super::actor::{Edited, Kept, ModelCatalog, Refresh, SetEnabled};
use super::listing::{self, Change};
use crate::domain::model::{Catalog, ListKind, Model};
use crate::domain::published::Published;
use crate::domain::time::Clock;
use crate::store::{Store, StoreError};
use crate::upstream::client::Connection;
use actix::{Actor, Addr, Arbiter};
use std::sync::Arc;
use std::time::Duration;

/// How the catalog is kept.
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// How ids of free models end.
    pub free_suffix: String,
    /// Whether to fetch at start even when a stored listing is fresh.
    pub update_on_start: bool,
    /// How old a listing may grow before it is fetched again.
    pub max_age: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
}

/// The way to the ModelCatalog. Clones share it.
#[derive(Clone)]
pub struct CatalogHandle {
    address: Addr<ModelCatalog>,
    catalog: Published<Catalog>,
}

/// What a refresh did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// Models on offer now.
    pub models: usize,
    /// Free ones among them.
    pub free: usize,
    /// What is new.
    pub change: Change,
}

impl CatalogHandle {
    /// Starts the actor on a thread of its own with the listing that is stored, if one is.
    pub fn start(
        store: Store,
        connection: Connection,
        options: CatalogOptions,
        clock: Clock,
    ) -> Result<CatalogHandle, StoreError> {
        let chat = store.load_listing(ListKind::Chat.name())?;
        let embeddings = store.load_listing(ListKind::Embeddings.name())?;
        let fetched_at = chat.as_ref().map(|listing| listing.fetched_at);
        let read = |listing: Option<crate::store::StoredListing>| -> Vec<Arc<Model>> {
            let body = listing.map(|listing| listing.body).unwrap_or_default();
            listing::read(body.as_bytes(), &options.free_suffix).unwrap_or_default()
        };
        let (chat, embeddings) = (read(chat), read(embeddings));
        let disabled = store.disabled_models()?.into_iter().collect();
        let catalog = Published::new(listing::joined(&chat, &embeddings, &disabled, fetched_at));
        let published = catalog.clone();
        let kept = Kept { chat, embeddings, disabled };
        let address = ModelCatalog::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            ModelCatalog::new(store, connection, options, clock, published, kept)
        });
        Ok(CatalogHandle { address, catalog })
    }

    /// The models on offer, without a message.
    pub fn get(&self) -> Arc<Catalog> {
        self.catalog.get()
    }

    /// Fetches the lists now. Errors: what stood in the way; the catalog stays as it was.
    pub async fn refresh(&self) -> Result<Refreshed, String> {
        self.address.send(Refresh).await.unwrap_or_else(|_| Err("the catalog has stopped".to_owned()))
    }

    /// Says that another process has fetched lists or chosen models, so that they are read again.
    pub fn edited(&self) {
        self.address.do_send(Edited);
    }

    /// Lets a model be used, or not; this survives refreshes and restarts, and holds when it returns.
    ///
    /// # Errors
    /// Why it could not be kept; nothing has changed then.
    pub async fn set_enabled(&self, model: String, enabled: bool) -> Result<(), String> {
        let sent = self.address.send(SetEnabled { model, enabled }).await;
        sent.unwrap_or_else(|_| Err("the catalog has stopped".to_owned()))
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }
}

//! The way to what is stored of usage: for pages, exports and statistics. Works on blocking threads,
//! few at a time, so that readers never keep the writer from its connections.

use crate::domain::time::Timestamp;
use crate::domain::usage::UsageRow;
use crate::domain::usage_query::{UsageFilter, UsageOrder, UsagePage, UsageQuery};
use crate::domain::usage_stats::UsageStats;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Reads at a time: half of the store's connections.
const AT_ONCE: usize = 2;
/// A search that has found nothing goes on so many times before it gives back an empty page.
const ROUNDS: u32 = 5;
/// Rows of one chunk of an export.
const CHUNK: u32 = 1000;

/// Why usage could not be read; it may pass by itself.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database did not answer.
    #[error("usage cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The program is about to end.
    #[error("usage cannot be read: the program is stopping")]
    Stopping,
}

/// Reads usage. Clones share the limit on reads at a time.
#[derive(Clone)]
pub struct UsageReader {
    store: Store,
    slots: Arc<Semaphore>,
}

impl UsageReader {
    pub(super) fn new(store: Store) -> UsageReader {
        UsageReader { store, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// One page of rows. It may be short, even empty, and not the last: a search looks through so many
    /// rows at a time.
    ///
    /// # Errors
    /// When the database does not answer, as with the others below.
    pub async fn page(&self, mut query: UsageQuery) -> Result<UsagePage, ReadError> {
        self.read(move |store| {
            let mut page = store.usage_page(&query)?;
            for _ in 1..ROUNDS {
                if !page.rows.is_empty() || page.next.is_none() {
                    break;
                }
                query.after = page.next.take();
                page = store.usage_page(&query)?;
            }
            Ok(page)
        })
        .await
    }

    /// The row of one request.
    pub async fn row(&self, request_id: String) -> Result<Option<UsageRow>, ReadError> {
        self.read(move |store| store.usage_row(&request_id)).await
    }

    /// Sums of the last 24 hours and of the last `days` UTC days (1 to 400), today included.
    pub async fn stats(&self, days: u32, now: Timestamp) -> Result<UsageStats, ReadError> {
        self.read(move |store| store.usage_stats(days, now)).await
    }

    /// Begins an export of every row that `filter` admits, oldest first.
    pub fn export(&self, filter: UsageFilter) -> Export {
        let query = UsageQuery { filter, after: None, order: UsageOrder::OldestFirst, limit: CHUNK };
        Export { reader: self.clone(), next: Some(query) }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let _slot = self.slots.acquire().await.map_err(|_| ReadError::Stopping)?;
        let store = self.store.clone();
        Ok(spawn_blocking(move || work(&store)).await.map_err(|_| ReadError::Stopping)??)
    }
}

/// An export on its way: never more than one chunk in memory.
pub struct Export {
    reader: UsageReader,
    next: Option<UsageQuery>,
}

impl Export {
    /// The next rows, at least one; `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer; the same chunk can be asked for again.
    pub async fn chunk(&mut self) -> Result<Option<Vec<UsageRow>>, ReadError> {
        while let Some(query) = self.next.clone() {
            let page = self.reader.page(query.clone()).await?;
            self.next = page.next.map(|next| UsageQuery { after: Some(next), ..query });
            if !page.rows.is_empty() {
                return Ok(Some(page.rows));
            }
        }
        Ok(None)
    }
}

//! What the rest of the program holds of the TokenBook: methods instead of messages.

use super::actor::{Edited, Flush, GiveBack, Reserve, Shutdown, TokenBook, Used};
use super::tally::{Exhausted, Taken};
use super::uncounted::Uncounted;
use crate::allowance::Notebook;
use crate::domain::ids::TokenId;
use crate::domain::published::Published;
use crate::domain::replicas::Replicas;
use crate::domain::secret::Digest;
use crate::domain::time::Clock;
use crate::domain::token::{TokenEdit, TokenFault, TokenRecord, TokenState, TokenTerms};
use crate::mail::{When, post};
use crate::shape::allowed::Allowed;
use crate::store::{Store, StoreError, StoredToken, TokenText};
use actix::{Actor, Addr, Arbiter};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// A client token, ready for use.
#[derive(Debug)]
pub struct Token {
    /// What is known of it; its counts are as old as its last edit, [`TokensHandle::used`] knows today's.
    pub record: TokenRecord,
    /// The models it may use; `None`: every model.
    pub allowed: Option<Allowed>,
}

/// Every token as it was published last.
#[derive(Debug)]
pub struct Book {
    /// Rises with each edit.
    pub revision: i64,
    by_digest: HashMap<Digest, Arc<Token>>,
}

impl Book {
    /// The tokens of a revision.
    pub fn new(revision: i64, tokens: Vec<StoredToken>) -> Book {
        let token = |StoredToken { record, digest }: StoredToken| {
            let allowed = record.terms.allowed_models.as_deref().map(Allowed::new);
            Some((Digest::from_hex(&digest)?, Arc::new(Token { record, allowed })))
        };
        Book { revision, by_digest: tokens.into_iter().filter_map(token).collect() }
    }
}

/// A token that a client came with, and whether it is good now.
pub type Known = (Arc<Token>, TokenState);

/// Why a token could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// There is no such token.
    #[error("there is no client token {0}")]
    Unknown(TokenId),
    /// Its terms are at fault.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Terms(Vec<TokenFault>),
    /// The database did not answer; it may pass by itself.
    #[error("client tokens cannot be reached: {0}")]
    Store(StoreError),
    /// The program is about to end.
    #[error("client tokens cannot be reached: the program is stopping")]
    Stopping,
}

impl From<StoreError> for TokensError {
    fn from(error: StoreError) -> TokensError {
        match error {
            StoreError::UnknownToken { id } => TokensError::Unknown(id),
            StoreError::TokenTerms { faults } => TokensError::Terms(faults),
            other => TokensError::Store(other),
        }
    }
}

/// The way to the TokenBook. Clones share it.
#[derive(Clone)]
pub struct TokensHandle {
    address: Addr<TokenBook>,
    book: Published<Book>,
    store: Store,
    clock: Clock,
    uncounted: Uncounted,
}

/// One request of a token, taken from its limits. Dropped before it was spent, it is given back.
pub struct Reservation(Reserved);

enum Reserved {
    /// Counted before: an answer that comes to nothing gives it back.
    Limited { taken: Option<Taken>, address: Addr<TokenBook> },
    /// Counted when it is spent.
    Unlimited { token: TokenId, uncounted: Uncounted, clock: Clock },
}

impl TokensHandle {
    /// Starts the actor on a thread of its own with the tokens and counts that are stored, and with what
    /// lies in `folder` of a process that was killed.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn start(
        store: Store,
        clock: Clock,
        replicas: Replicas,
        folder: &Path,
    ) -> Result<TokensHandle, StoreError> {
        let day = clock.now().day();
        let book = Published::new(Book::new(store.tokens_revision()?, store.tokens(day)?));
        let counts = store.token_counts(day)?;
        let notebook = Notebook::open(folder, "tokens", &store.identity()?, clock.now());
        let (kept, timed, published) = (store.clone(), clock.clone(), book.clone());
        let uncounted = Uncounted::default();
        let spent = uncounted.clone();
        let address = TokenBook::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            TokenBook::new(&counts, kept, timed, published, replicas, notebook, spent)
        });
        Ok(TokensHandle { address, book, store, clock, uncounted })
    }

    /// Says that another process has changed stored tokens, so that they are read again.
    pub fn edited_elsewhere(&self) {
        self.address.do_send(Edited);
    }

    /// The token with this digest, whatever its state; without a message.
    pub fn find(&self, digest: &Digest) -> Option<Known> {
        let token = Arc::clone(self.book.get().by_digest.get(digest)?);
        let state = token.record.state(self.clock.now());
        Some((token, state))
    }

    /// Takes one request from the token's limits, before it is served.
    ///
    /// # Errors
    /// Which limit is reached, and how long to wait.
    pub async fn reserve(&self, token: &Arc<Token>) -> Result<Reservation, Exhausted> {
        if !token.record.terms.limit_requests() {
            let (uncounted, clock) = (self.uncounted.clone(), self.clock.clone());
            return Ok(Reservation(Reserved::Unlimited { token: token.record.id, uncounted, clock }));
        }
        let (reply, answer) = oneshot::channel();
        post(&self.address, Reserve { token: Arc::clone(token), reply }, When::EndOfTurn);
        // A dropped reply means that the actor has died: the process is about to end.
        let taken = answer.await.ok().transpose()?;
        Ok(Reservation(Reserved::Limited { taken, address: self.address.clone() }))
    }

    /// Requests of the token today, and within the last minute where it has a limit for that.
    pub async fn used(&self, token: TokenId) -> (u64, usize) {
        self.address.send(Used(token)).await.unwrap_or_default()
    }

    /// Every token, revoked ones too, in the order they were issued, with their counts up to now.
    ///
    /// # Errors
    /// When the database does not answer, as with the changes below.
    pub async fn list(&self) -> Result<Vec<TokenRecord>, TokensError> {
        let _ = self.address.send(Flush).await;
        let day = self.clock.now().day();
        let tokens = self.work(move |store| store.tokens(day)).await?;
        Ok(tokens.into_iter().map(|token| token.record).collect())
    }

    /// Issues a token; the text is the one moment to show it. It works when this returns.
    pub async fn create(&self, terms: TokenTerms) -> Result<(TokenRecord, TokenText), TokensError> {
        let now = self.clock.now();
        let issued = self.work(move |store| store.add_token(terms, now)).await?;
        self.edited().await;
        Ok(issued)
    }

    /// Changes a token's terms; they hold when this returns.
    pub async fn edit(&self, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, TokensError> {
        self.work(move |store| store.edit_token(id, edit)).await?;
        self.edited().await;
        let found = self.list().await?.into_iter().find(|record| record.id == id);
        found.ok_or(TokensError::Unknown(id))
    }

    /// Takes a token back for good; it is refused when this returns.
    pub async fn revoke(&self, id: TokenId) -> Result<(), TokensError> {
        let now = self.clock.now();
        self.work(move |store| store.revoke_token(id, now)).await?;
        self.edited().await;
        Ok(())
    }

    /// Says that stored tokens were changed; they are read again when this returns.
    pub async fn edited(&self) {
        let _ = self.address.send(Edited).await;
    }

    /// Whether the actor lives.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }

    /// Writes the last counts to the store and gives back what is in hand of shared limits.
    pub async fn shut_down(&self) {
        let _ = self.address.send(Flush).await;
        let _ = self.address.send(Shutdown).await;
    }

    /// Writes the counts so far to the store.
    pub async fn flush(&self) {
        let _ = self.address.send(Flush).await;
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TokensError> {
        let store = self.store.clone();
        Ok(spawn_blocking(move || work(&store)).await.map_err(|_| TokensError::Stopping)??)
    }
}

impl Reservation {
    /// The request has reached the upstream: it counts.
    pub fn spend(mut self) {
        match &mut self.0 {
            Reserved::Limited { taken, .. } => *taken = None,
            Reserved::Unlimited { token, uncounted, clock } => uncounted.spend(*token, clock.now()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Reserved::Limited { taken, address } = &mut self.0
            && let Some(taken) = taken.take()
        {
            address.do_send(GiveBack(taken));
        }
    }
}

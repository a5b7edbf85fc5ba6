//! The ear for what other processes change: a thread, since a look at the connection blocks.

use crate::store::{Store, Topic};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Hears until it is dropped.
pub struct News {
    is_over: Arc<AtomicBool>,
}

impl News {
    /// Calls `hear` for each topic of which something was changed. Where the database says nothing of
    /// changes there is nothing to hear, and whoever keeps something must look.
    pub fn listen(store: &Store, hear: impl Fn(Topic) + Send + 'static) -> News {
        let is_over = Arc::new(AtomicBool::new(false));
        if store.can_listen() {
            let (store, over) = (store.clone(), Arc::clone(&is_over));
            let listening = std::thread::Builder::new()
                .name("news".to_owned())
                .spawn(move || store.listen(|| over.load(Ordering::Relaxed), hear));
            if let Err(error) = listening {
                log::warn!("changes by other replicas are looked for instead of heard of: {error}");
            }
        }
        News { is_over }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

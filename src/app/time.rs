//! The time that replicas agree on: that of their database server, where there is one.
//!
//! Days and minutes of quotas must begin at the same moment for all of them, however wrong one
//! machine's clock is.

use crate::domain::time::Clock;
use crate::store::{Store, StoreError};
use std::time::Duration;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(10);
/// An answer that took longer says too little.
const LONGEST: Duration = Duration::from_secs(1);

/// Sets `clock` by the database's, if that has one of its own.
///
/// # Errors
/// When the database does not answer.
pub(super) fn follow(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let asked = clock.elapsed();
    let Some(time) = store.time()? else { return Ok(()) };
    let took = clock.elapsed().saturating_sub(asked);
    if took < LONGEST {
        clock.follow(time, asked + took / 2);
    }
    Ok(())
}

/// Goes on following from now on. Must run inside an actix system.
pub(super) fn watch(store: Store, clock: Clock) {
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let (store, clock) = (store.clone(), clock.clone());
            let followed = actix_web::web::block(move || follow(&store, &clock)).await;
            if let Ok(Err(error)) = followed {
                log::debug!("the database's time could not be read: {error}");
            }
        }
    });
}

//! The upstream's lists as they were last fetched, so that a restart without the upstream still
//! has models to offer.

use super::Store;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::listings;
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// A list of the upstream as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredListing {
    /// The upstream's answer, byte for byte.
    pub body: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
}

impl Store {
    /// Keeps `body` as the last good list of this name (see `ListKind::name`), in place of an
    /// earlier one.
    pub fn save_listing(&self, name: &str, body: &str, at: Timestamp) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            diesel::sql_query(
                "INSERT INTO listings (name, fetched_at, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET fetched_at = excluded.fetched_at, body = excluded.body",
            )
            .bind::<Text, _>(name)
            .bind::<BigInt, _>(at.millis())
            .bind::<Text, _>(body)
            .execute(connection)?;
            news::tell(connection, Topic::Listings)
        })
    }

    /// When the last good list of this name was fetched, if there ever was one.
    pub fn listing_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = self.pool.read(|connection| {
            Ok(listings::table.find(name).select(listings::fetched_at).first(connection).optional()?)
        })?;
        Ok(at.map(Timestamp::from_millis))
    }

    /// The last good list of this name, if there ever was one.
    pub fn load_listing(&self, name: &str) -> Result<Option<StoredListing>, StoreError> {
        let row: Option<(String, i64)> = self.pool.read(|connection| {
            let columns = (listings::body, listings::fetched_at);
            Ok(listings::table.find(name).select(columns).first(connection).optional()?)
        })?;
        Ok(row.map(|(body, at)| StoredListing { body, fetched_at: Timestamp::from_millis(at) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Bench;

    #[test]
    fn the_latest_list_stays() {
        let bench = Bench::new();
        let store = bench.open();
        assert_eq!(store.load_listing("models").expect("a database"), None);
        store.save_listing("models", "{\"data\":[]}", Timestamp::from_millis(1)).expect("a database");
        store.save_listing("models", "{\"data\":[1]} \n", Timestamp::from_millis(2)).expect("a database");
        store.save_listing("embeddings_models", "{}", Timestamp::from_millis(3)).expect("a database");
        assert_eq!(store.listing_time("models").expect("a database"), Some(Timestamp::from_millis(2)));
        assert_eq!(store.listing_time("others").expect("a database"), None);
        drop(store);
        let expected =
            StoredListing { body: "{\"data\":[1]} \n".to_owned(), fetched_at: Timestamp::from_millis(2) };
        assert_eq!(bench.open().load_listing("models").expect("a database"), Some(expected));
    }
}

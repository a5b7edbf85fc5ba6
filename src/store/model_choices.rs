//! What the operator chose about models. A choice outlives every listing: a model that goes and comes
//! back is as it was.

use super::Store;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::model_choices;
use super::text::storable;
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

impl Store {
    /// Lets a model be used, or not.
    pub fn set_model_enabled(&self, model: &str, enabled: bool, at: Timestamp) -> Result<(), StoreError> {
        self.pool.write(|connection| {
            diesel::sql_query(
                "INSERT INTO model_choices (model, enabled, changed_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (model) DO UPDATE SET enabled = excluded.enabled, changed_at = excluded.changed_at",
            )
            .bind::<Text, _>(storable(model))
            .bind::<Bool, _>(enabled)
            .bind::<BigInt, _>(at.millis())
            .execute(connection)?;
            news::tell(connection, Topic::Models)
        })
    }

    /// The models that may not be used, by id.
    pub fn disabled_models(&self) -> Result<Vec<String>, StoreError> {
        self.pool.read(|connection| {
            let disabled = model_choices::table.filter(model_choices::enabled.eq(false));
            Ok(disabled.order(model_choices::model).select(model_choices::model).load(connection)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Bench;

    #[test]
    fn the_latest_choice_stays() {
        let bench = Bench::new();
        let store = bench.open();
        for (model, enabled) in [("b/c", false), ("a/b:free", false), ("b/c", true)] {
            store.set_model_enabled(model, enabled, Timestamp::from_millis(1)).expect("a database");
        }
        drop(store);
        assert_eq!(bench.open().disabled_models().expect("a database"), ["a/b:free"]);
    }
}

//! What the upstream said later of a request whose client had left: filled into the row it has, and
//! into the sums it counts in.

use super::{UsageLine, sums};
use crate::domain::usage::{Completion, Outcome};
use crate::store::schema::usage;
use crate::store::text::storable;
use crate::store::{Store, StoreError};
use diesel::prelude::*;
use diesel::result::OptionalEmptyChangesetExtension;
use std::borrow::Cow;

/// The columns that are filled; what the upstream did not say stays as it is.
#[derive(AsChangeset)]
#[diesel(table_name = usage)]
struct Filled<'a> {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cost: Option<f64>,
    provider: Option<Cow<'a, str>>,
    model_served: Option<Cow<'a, str>>,
}

impl Store {
    /// Fills what `completion` knows into the row of a cancelled request; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn complete_usage(&self, request_id: &str, completion: &Completion) -> Result<bool, StoreError> {
        let tokens = &completion.tokens;
        let filled = Filled {
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
            total_tokens: tokens.total,
            reasoning_tokens: tokens.reasoning,
            cached_tokens: tokens.cached,
            cost: tokens.cost.filter(|cost| cost.is_finite()),
            provider: completion.provider.as_deref().map(storable),
            model_served: completion.model.as_deref().map(storable),
        };
        let row = usage::table
            .filter(usage::request_id.eq(storable(request_id)))
            .filter(usage::outcome.eq(Outcome::Cancelled.word()));
        self.pool.write(|connection| {
            let before: Option<UsageLine<'_>> = row.clone().first(connection).optional()?;
            // Nothing to fill is no fault.
            let changed = diesel::update(row.clone()).set(&filled).execute(connection);
            let changed = changed.optional_empty_changeset()?.is_some_and(|changed| changed > 0);
            if changed && let Some(before) = before {
                let after: UsageLine<'_> = row.first(connection)?;
                sums::correct(connection, &before.into(), &after.into())?;
            }
            Ok(changed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::time::Timestamp;
    use crate::domain::usage::{TokenUsage, UsageRow};
    use crate::domain::usage_query::{UsageOrder, UsageQuery};
    use crate::store::testing::Bench;

    fn row(time: i64, outcome: Outcome) -> UsageRow {
        let at = Timestamp::from_millis(time);
        let tokens = TokenUsage { completion: Some(7), ..TokenUsage::default() };
        UsageRow {
            outcome: outcome.word().to_owned(),
            tokens,
            provider: Some("First".to_owned()),
            ..UsageRow::begin(RequestId::new(at), at, "chat/completions")
        }
    }

    #[test]
    fn only_what_is_known_is_filled_and_only_for_the_cancelled() {
        let bench = Bench::new();
        let store = bench.open();
        let rows = [row(1, Outcome::Cancelled), row(2, Outcome::Completed)];
        store.insert_usage(&rows).expect("rows");
        let tokens = TokenUsage { prompt: Some(10), cost: Some(0.5), ..TokenUsage::default() };
        let known = Completion { tokens, model: Some("a/b".to_owned()), provider: None };
        assert!(store.complete_usage(&rows[0].request_id, &known).expect("filled"));
        assert!(!store.complete_usage(&rows[1].request_id, &known).expect("passed over"));
        assert!(!store.complete_usage("nobody", &known).expect("passed over"));
        assert!(!store.complete_usage(&rows[0].request_id, &Completion::default()).expect("nothing to fill"));
        let order = UsageOrder::OldestFirst;
        let query = UsageQuery { order, limit: 10, ..UsageQuery::default() };
        let kept = store.usage_page(&query).expect("rows").rows;
        let filled = TokenUsage { completion: Some(7), ..tokens };
        let first = UsageRow { tokens: filled, model_served: Some("a/b".to_owned()), ..rows[0].clone() };
        assert_eq!(kept, [first, rows[1].clone()]);
        let sums = store.usage_stats(1, rows[0].time).expect("sums").days[0].sums;
        assert_eq!((sums.requests, sums.prompt_tokens, sums.completion_tokens, sums.cost), (2, 10, 14, 0.5));
    }
}

//! Times in buckets: how long requests took, counted so that percentiles can be told without the rows.
//!
//! Below 16 ms each millisecond has its bucket; above, each power of two is cut into eight, so a
//! percentile is off by at most an eighth. `migrations/2026-11-22-000005_usage_hours/up.sql` numbers the
//! same way.

use std::collections::BTreeMap;

/// Milliseconds below this have a bucket each.
const FINE: u64 = 16;
/// The last bucket: 2^27 ms, some 37 hours, and everything above.
const LAST: i32 = 200;

/// The bucket of a time in milliseconds; a negative one counts as zero.
pub fn bucket(millis: i64) -> i32 {
    let millis = u64::try_from(millis).unwrap_or(0);
    if millis < FINE {
        return i32::try_from(millis).unwrap_or(LAST);
    }
    let shift = millis.ilog2() - 3;
    let within = i32::try_from(millis >> shift).unwrap_or(LAST);
    i32::try_from(shift).map_or(LAST, |shift| (8 * shift).saturating_add(within)).min(LAST)
}

/// The middle of a bucket, in milliseconds.
fn middle(bucket: i32) -> u64 {
    let bucket = u64::try_from(bucket.clamp(0, LAST)).unwrap_or(0);
    if bucket < FINE {
        return bucket;
    }
    let shift = bucket / 8 - 1;
    let first = (bucket % 8 + 8) << shift;
    first + (1 << shift) / 2
}

/// How many requests fell into each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets(BTreeMap<i32, u64>);

impl Buckets {
    /// Counts `requests` more in `bucket`.
    pub fn add(&mut self, bucket: i32, requests: u64) {
        *self.0.entry(bucket).or_insert(0) += requests;
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Buckets) {
        for (bucket, requests) in &other.0 {
            self.add(*bucket, *requests);
        }
    }

    /// Each bucket that counted something, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> {
        self.0.iter().map(|(bucket, requests)| (*bucket, *requests))
    }

    /// The time in milliseconds that `percent` (1 to 100) of the requests did not exceed, to an eighth;
    /// `None` when nothing was counted.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.0.values().sum();
        let rank = (total * percent.clamp(1, 100)).div_ceil(100);
        let mut below = 0;
        for (bucket, requests) in &self.0 {
            below += requests;
            if below >= rank && *requests > 0 {
                return Some(middle(*bucket));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_without_a_gap() {
        let mut before = -1;
        for millis in 0..200_000 {
            let found = bucket(millis);
            assert!(found == before || found == before + 1, "{millis}");
            before = found;
        }
        for (millis, number) in
            [(-5, 0), (0, 0), (15, 15), (16, 16), (31, 23), (32, 24), (1 << 27, 200), (i64::MAX, 200)]
        {
            assert_eq!(bucket(millis), number, "{millis}");
        }
    }

    #[test]
    fn the_middle_is_within_an_eighth() {
        for millis in [1_u64, 15, 16, 17, 99, 100, 1_000, 12_345, 86_400_000] {
            let told = middle(bucket(i64::try_from(millis).unwrap()));
            assert!(told.abs_diff(millis) * 8 <= millis, "{millis} {told}");
            assert_eq!(bucket(i64::try_from(told).unwrap()), bucket(i64::try_from(millis).unwrap()));
        }
    }

    #[test]
    fn percentiles_of_what_was_counted() {
        let mut buckets = Buckets::default();
        assert_eq!(buckets.percentile(50), None);
        for millis in 1..=15 {
            buckets.add(bucket(millis), 1);
        }
        assert_eq!(
            (buckets.percentile(50), buckets.percentile(95), buckets.percentile(100)),
            (Some(8), Some(15), Some(15))
        );
        let mut both = buckets.clone();
        both.merge(&buckets);
        assert_eq!(
            (both.percentile(50), both.iter().map(|(_, requests)| requests).sum::<u64>()),
            (Some(8), 30)
        );
    }
}

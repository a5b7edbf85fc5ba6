//! Identities. A number or a name that means one thing each, so that they cannot be mixed up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// An upstream key of ours. Given by the store, never reused.
    KeyId
);
numeric_id!(
    /// An OpenRouter account: what quotas belong to.
    AccountId
);
numeric_id!(
    /// A client token that we issued.
    TokenId
);

/// One request of a client, from its first byte to its row. A UUID of version 7 (RFC 9562), so that
/// rows sort by the time they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A new id that begins at `at`; ids made within one millisecond still differ.
    pub fn new(at: super::time::Timestamp) -> RequestId {
        RequestIds::default().next(at)
    }

    /// The id of a request that another program recorded: the same for the same `record`, and in
    /// its place by time among the others. A UUID of version 8 (RFC 9562): nothing in it is random.
    pub fn derived(at: super::time::Timestamp, record: &[u8]) -> RequestId {
        let mut bytes = [0u8; 16];
        let hash = openssl::sha::sha256(record);
        let time = at.millis().max(0).to_be_bytes();
        for (byte, value) in bytes.iter_mut().zip(time.iter().skip(2).chain(&hash)) {
            *byte = *value;
        }
        RequestId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Gives ids that sort in the order they were given, also within one millisecond and when the clock
/// is set back: a counter stands behind the time (RFC 9562, 6.2, method 1). Takes no lock.
#[derive(Debug, Default)]
pub struct RequestIds(AtomicU64);

impl RequestIds {
    /// How many bits the counter has; what overflows goes into the time.
    const COUNTER: u32 = 18;

    /// The next id, for a request that begins at `at`.
    pub fn next(&self, at: super::time::Timestamp) -> RequestId {
        let first = u64::try_from(at.millis()).unwrap_or(0) << RequestIds::COUNTER;
        let after = |last: u64| first.max(last.wrapping_add(1));
        // The order of the ids is that of these updates alone; nothing else hangs on them.
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        let ([.., high, middle, low], millis) = split(after(last.unwrap_or(0)));
        let mut behind = [0u8; 10];
        for byte in &mut behind {
            *byte = fastrand::u8(..);
        }
        // Version and variant take the first 4 bits of the first byte and the first 2 of the third.
        let counter = [high << 2 | middle >> 6, middle << 2 | low >> 6, low & 0x3f];
        for (byte, value) in behind.iter_mut().zip(counter) {
            *byte = value;
        }
        RequestId(uuid::Builder::from_unix_timestamp_millis(millis, &behind).into_uuid())
    }
}

/// The bytes of the counter and the milliseconds.
fn split(packed: u64) -> ([u8; 8], u64) {
    let counter = packed & ((1 << RequestIds::COUNTER) - 1);
    (counter.to_be_bytes(), packed >> RequestIds::COUNTER)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::Timestamp;
    use super::{RequestId, RequestIds};

    #[test]
    fn ids_sort_in_the_order_they_were_given() {
        let ids = RequestIds::default();
        let at = |millis: i64| ids.next(Timestamp::from_millis(millis)).to_string();
        let start = 1_700_000_000_000;
        // Through every carry of the counter, and with a clock that is set back.
        let mut all: Vec<String> = (0..300_000).map(|_| at(start)).collect();
        all.extend([at(start - 5_000), at(start), at(start + 1_000), at(start + 1_000)]);
        assert!(all.is_sorted_by(|one, next| one < next));
        let version_and_variant = |id: &String| (id.as_bytes()[14], b"89ab".contains(&id.as_bytes()[19]));
        assert!(all.iter().all(|id| version_and_variant(id) == (b'7', true)));
        let late = at(start + 2_000);
        assert!(late.starts_with(&format!("{:012x}", start + 2_000)[..8]), "{late}");
        assert_ne!(RequestId::new(Timestamp::from_millis(5)), RequestId::new(Timestamp::from_millis(5)));
    }

    #[test]
    fn derived_ids_are_the_same_again_and_sort_by_time() {
        let id = |at, record: &str| RequestId::derived(Timestamp::from_millis(at), record.as_bytes());
        assert_eq!(id(5, "a"), id(5, "a"));
        assert_ne!(id(5, "a"), id(5, "b"));
        assert!(id(5, "b").to_string() < id(6, "a").to_string());
        assert!(
            RequestId::new(Timestamp::from_millis(1_700_000_000_000)).to_string()
                < id(1_700_000_000_001, "a").to_string()
        );
        assert_eq!(id(5, "a").to_string().chars().nth(14), Some('8'));
    }
}

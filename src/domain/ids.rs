//! Identities. A number or a name that means one thing each, so that they cannot be mixed up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        let mut random = [0u8; 10];
        for byte in &mut random {
            *byte = fastrand::u8(..);
        }
        RequestId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
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

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::Timestamp;
    use super::RequestId;

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

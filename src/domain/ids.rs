//! Identities. A number or a name that means one thing each, so that they cannot be mixed up.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

//! A process that shares the database with others: a replica, as all of them see it.

use super::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Who has been silent longer than this is not counted as living any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// New at each start; ids sort by the time of the start.
    pub id: String,
    /// Of the program.
    pub version: String,
    /// The name of its machine or container.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Where clients connect to.
    pub data_address: String,
    /// Where operators connect to.
    pub admin_address: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// A process as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// What it said of itself.
    pub instance: Instance,
    /// Its last heartbeat.
    pub beat_at: Timestamp,
    /// How long before the reading that was.
    pub silent_for: Duration,
    /// Whether it takes no new requests because it is about to end.
    pub draining: bool,
}

impl Instance {
    /// An id for a process that starts at `at`: a UUID of version 7 (RFC 9562).
    pub fn new_id(at: Timestamp) -> String {
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos)).to_string()
    }
}

impl InstanceRecord {
    /// Whether it was heard of lately.
    pub fn is_live(&self) -> bool {
        self.silent_for <= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_starts_and_differ() {
        let id = |millis| Instance::new_id(Timestamp::from_millis(millis));
        assert!(id(1_700_000_000_000) < id(1_700_000_000_001));
        assert_ne!(id(1), id(1));
    }

    #[test]
    fn who_is_silent_too_long_does_not_live() {
        let at = Timestamp::from_millis(0);
        let instance = Instance {
            id: "a".to_owned(),
            version: "1".to_owned(),
            host: "h".to_owned(),
            pid: 1,
            data_address: String::new(),
            admin_address: String::new(),
            started_at: at,
        };
        let record = |seconds| InstanceRecord {
            instance: instance.clone(),
            beat_at: at,
            silent_for: Duration::from_secs(seconds),
            draining: false,
        };
        assert!(record(10).is_live());
        assert!(!record(11).is_live());
    }
}

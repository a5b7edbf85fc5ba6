//! What processes on one database tell each other: that something of a topic was changed.
//!
//! Each topic has a number in the settings that rises with every change, in the same transaction:
//! whoever holds things of this topic in memory reads them again when it has risen. Postgres says so at
//! once to those who listen; a missed word is no harm, since everyone looks at the numbers each second.

use super::Store;
use super::connection::{self, AnyConnection};
use super::error::StoreError;
use super::settings;

/// What can be changed by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Upstream keys and accounts.
    Keys,
    /// Client tokens.
    Tokens,
    /// Which models the operator lets be used.
    Models,
    /// The upstream's lists of models.
    Listings,
    /// What rests.
    Cooldowns,
    /// The admin password.
    Password,
    /// Who is signed in.
    Sessions,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 7] = [
        Topic::Keys,
        Topic::Tokens,
        Topic::Models,
        Topic::Listings,
        Topic::Cooldowns,
        Topic::Password,
        Topic::Sessions,
    ];

    /// The setting that holds its number.
    fn setting(self) -> &'static str {
        match self {
            Topic::Keys => "keys_revision",
            Topic::Tokens => "tokens_revision",
            Topic::Models => "models_revision",
            Topic::Listings => "listings_revision",
            Topic::Cooldowns => "cooldowns_revision",
            Topic::Password => "password_revision",
            Topic::Sessions => "sessions_revision",
        }
    }
}

/// Says that something of `topic` was changed; it is heard when the transaction is over. Comes last in
/// it, so that those who change other rows need not wait for its end.
pub(super) fn tell(connection: &mut AnyConnection, topic: Topic) -> Result<(), StoreError> {
    settings::count_up(connection, topic.setting())?;
    connection::notify(connection, topic.setting())
}

/// The number of `topic`.
pub(super) fn revision(connection: &mut AnyConnection, topic: Topic) -> Result<i64, StoreError> {
    settings::number(connection, topic.setting())
}

impl Store {
    /// A number that rises with each change of this topic.
    pub fn revision(&self, topic: Topic) -> Result<i64, StoreError> {
        self.pool.read(|connection| revision(connection, topic))
    }

    /// Whether other processes' changes can be heard of; else there is only looking.
    pub fn can_listen(&self) -> bool {
        self.pool.can_listen()
    }

    /// Calls `hear` for what other processes change (and this one), until `is_over`. After a lost
    /// connection every topic is heard, since each may have been missed. Blocks.
    pub fn listen(&self, is_over: impl Fn() -> bool, mut hear: impl FnMut(Topic)) {
        self.pool.listen(is_over, |word| {
            for topic in Topic::ALL {
                if word.is_none_or(|word| word == topic.setting()) {
                    hear(topic);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::store::testing::{Bench, key, raw};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    #[test]
    fn each_change_of_a_topic_raises_its_number_alone() {
        let bench = Bench::new();
        let store = bench.open();
        let numbers = || Topic::ALL.map(|topic| store.revision(topic).expect("a database"));
        let before = numbers();
        store.set_model_enabled("a/b", false, Timestamp::from_millis(1)).expect("a database");
        let mut expected = before;
        expected[2] += 1;
        assert_eq!(numbers(), expected);
        store.save_listing("models", "{}", Timestamp::from_millis(1)).expect("a database");
        expected[3] += 1;
        assert_eq!(numbers(), expected);
    }

    #[test]
    fn on_postgres_others_hear_of_changes_even_after_a_lost_connection() {
        let bench = Bench::new();
        let store = bench.open();
        if !store.can_listen() {
            return store.listen(|| false, |_| unreachable!("nothing is heard of a file"));
        }
        let (heard, words) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let (listener, ended) = (bench.open(), Arc::clone(&over));
        let listening = std::thread::spawn(move || {
            listener.listen(
                || ended.load(Ordering::SeqCst),
                |topic| {
                    let _ = heard.send(topic);
                },
            );
        });
        let patience = Duration::from_secs(30);
        // At first everything may have been missed.
        let first: Vec<Topic> =
            Topic::ALL.iter().map(|_| words.recv_timeout(patience).expect("a word")).collect();
        assert_eq!(first, Topic::ALL);
        store.add_key(key("one"), Timestamp::from_millis(1)).expect("a key");
        assert_eq!(words.recv_timeout(patience), Ok(Topic::Keys));

        raw(
            &bench,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' \
                     AND datname = current_database()",
        );
        let again: Vec<Topic> =
            Topic::ALL.iter().map(|_| words.recv_timeout(patience).expect("a word")).collect();
        assert_eq!(again, Topic::ALL);
        store.set_model_enabled("a/b", false, Timestamp::from_millis(1)).expect("a database");
        assert_eq!(words.recv_timeout(patience), Ok(Topic::Models));
        over.store(true, Ordering::SeqCst);
        listening.join().expect("it ends");
    }
}

//! What is peculiar to Postgres: timeouts, the advisory lock, its words for trouble.
//!
//! Must never let a piece of the URL into an error: libpq quotes what it could not read, and a
//! password with an odd character ends up as a "host name".

use super::{Lock, postgres_url};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use diesel::connection::{AnsiTransactionManager, Connection, SimpleConnection};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel::{ConnectionError, PgConnection};
use std::time::Duration;

const SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
                       SET idle_in_transaction_session_timeout = '30s'";

/// The advisory lock of this program: any number that other programs are unlikely to use.
const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock(7239450183)";
/// For what goes through whole tables.
const LONG_TIMES: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1min'";

/// The channel on which replicas tell each other what they changed.
const LISTEN: &str = "LISTEN openrouter_proxy";
const NOTIFY: &str = "SELECT pg_notify('openrouter_proxy', $1)";
/// How often it is looked whether something was said: libpq's own look does not wait.
const GLANCE: Duration = Duration::from_millis(50);
/// After a lost connection the next one is tried this soon, doubling up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Connects, within seconds or not at all.
pub(super) fn connect(url: &Secret) -> Result<PgConnection, StoreError> {
    let url = postgres_url::complete(url);
    let connected = PgConnection::establish(&url).or_else(|error| {
        let again = postgres_url::with_system_roots(&url, &error.to_string());
        again.map_or(Err(error), |url| PgConnection::establish(&url))
    });
    let mut connection = connected.map_err(refused)?;
    connection.batch_execute(SESSION)?;
    Ok(connection)
}

/// Asks the server for a sign of life.
pub(super) fn ping(connection: &mut PgConnection) -> Result<(), StoreError> {
    R2D2Connection::ping(connection).map_err(StoreError::from)
}

/// The server's own time.
pub(super) fn time(connection: &mut PgConnection) -> Result<Timestamp, DieselError> {
    let millis = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
    diesel::select(sql::<BigInt>(millis)).get_result(connection).map(Timestamp::from_millis)
}

/// Says a word to all who listen, when the transaction is over.
pub(super) fn notify(connection: &mut PgConnection, word: &str) -> Result<(), DieselError> {
    diesel::sql_query(NOTIFY).bind::<Text, _>(word).execute(connection).map(|_| ())
}

/// Hears what is said until `is_over`; connects anew as often as it must.
pub(super) fn listen(url: &Secret, is_over: impl Fn() -> bool, mut hear: impl FnMut(Option<&str>)) {
    let mut retry = FIRST_RETRY;
    let mut was_told = false;
    while !is_over() {
        match listening(url) {
            Ok(mut connection) => {
                (retry, was_told) = (FIRST_RETRY, false);
                // What was said while nobody listened is not said again.
                hear(None);
                hear_all(&mut connection, &is_over, &mut hear);
            }
            Err(error) if !was_told => {
                was_told = true;
                log::warn!("changes by other replicas are looked for instead of heard of: {error}");
            }
            Err(_) => {}
        }
        let mut rest = retry;
        while !rest.is_zero() && !is_over() {
            std::thread::sleep(GLANCE.min(rest));
            rest = rest.saturating_sub(GLANCE);
        }
        retry = (retry * 2).min(LONGEST_RETRY);
    }
}

fn listening(url: &Secret) -> Result<PgConnection, StoreError> {
    let mut connection = connect(url)?;
    connection.batch_execute(LISTEN)?;
    Ok(connection)
}

/// Hears until the connection is lost: from then on it would yield errors for ever (stack facts 0).
fn hear_all(connection: &mut PgConnection, is_over: &impl Fn() -> bool, hear: &mut impl FnMut(Option<&str>)) {
    while !is_over() {
        for said in connection.notifications_iter() {
            match said {
                Ok(said) => hear(Some(&said.payload)),
                Err(error) => return log::debug!("the connection that listens was lost: {error}"),
            }
        }
        std::thread::sleep(GLANCE);
    }
}

/// Begins a transaction that sees one moment, only reads, and has time to go through whole tables.
pub(super) fn begin_snapshot(connection: &mut PgConnection) -> Result<(), DieselError> {
    AnsiTransactionManager::begin_transaction_sql(
        connection,
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    )?;
    connection.batch_execute(LONG_TIMES)
}

/// Waits for what `lock` asks for; it is given back with the transaction's end.
pub(super) fn take_lock(connection: &mut PgConnection, lock: Lock) -> Result<(), DieselError> {
    if lock == Lock::Whole {
        connection.batch_execute(LONG_TIMES)?;
    }
    if lock != Lock::Shared {
        connection.batch_execute(TAKE_LOCK)?;
    }
    Ok(())
}

/// The error behind Postgres's words, if we know them.
pub(super) fn explain(database: &str, text: &str) -> Option<StoreError> {
    let database = database.to_owned();
    let known = if text.contains("read-only transaction") {
        StoreError::ReadOnly { database }
    } else if text.contains("lock timeout") || text.contains("statement timeout") || text.contains("deadlock")
    {
        StoreError::Busy { database }
    } else if text.contains("No space left") {
        StoreError::Full { database }
    } else if text.contains("permission denied") {
        StoreError::Refused { reason: without_quotes(text) }
    } else if text.contains("server closed the connection") || text.contains("terminating connection") {
        StoreError::Unreachable { reason: "it closed the connection".to_owned() }
    } else {
        return None;
    };
    Some(known)
}

/// Only what the server or the network said about a connection is passed on, and of that nothing
/// quoted; libpq's remarks about the URL itself are not.
fn refused(error: ConnectionError) -> StoreError {
    let text = match error {
        ConnectionError::BadConnection(text) => text,
        _ => return StoreError::Refused { reason: "the url is not understood".to_owned() },
    };
    if text.contains("could not translate host name") {
        return StoreError::Unreachable { reason: "its host name is not known".to_owned() };
    }
    // Of several addresses the one that said more than that nobody is there.
    let said = text.split(" failed: ").skip(1).map(|said| said.lines().next().unwrap_or(""));
    let Some(said) = said.max_by_key(|said| !said.contains("Connection refused")) else {
        return StoreError::Refused { reason: "the url is not understood".to_owned() };
    };
    let reason = without_quotes(said);
    // What TLS has against the server's certificate, or the server against TLS, stays so until somebody
    // changes it; so does FATAL, the server's own answer, but for "starting up" and "too many".
    let of_tls =
        ["certificate", "SSL error:", "does not support SSL"].iter().any(|sign| reason.contains(sign));
    let passes = ["starting up", "shutting down", "too many", "remaining connection slots"]
        .iter()
        .any(|sign| reason.contains(sign));
    let passing = passes || !(of_tls || reason.starts_with("FATAL"));
    if passing { StoreError::Unreachable { reason } } else { StoreError::Refused { reason } }
}

fn without_quotes(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join("…").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_nothing_of_the_url() {
        for url in [
            "postgres://user:hunter2%zz@127.0.0.1/db",
            "postgres://user:p@hunter2@127.0.0.1:1/db",
            "postgres://user:12/hunter2@127.0.0.1:1/db",
            "postgres://user:pa/hunter2@127.0.0.1/db",
            "postgres://user:hunter2@127.0.0.1:1/db?hunter2=1",
            "postgres://user:hunter2@127.0.0.1:1/db",
            "postgres://user:hunter2@[::1/db",
        ] {
            let error = connect(&Secret::new(url)).err().map(|error| format!("{error} {error:?}"));
            let text = error.unwrap_or_else(|| panic!("{url} must not connect"));
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_absence() {
        let bad = |text: &str| refused(ConnectionError::BadConnection(text.to_owned()));
        let absent =
            bad("connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n\tIs it on?");
        assert!(!absent.is_configuration(), "{absent}");
        let uncertain =
            bad("connection to server at \"::1\", port 1 failed: Connection refused\n\tIs it on?\n\
             connection to server at \"127.0.0.1\", port 1 failed: SSL error: certificate verify failed");
        assert!(uncertain.is_configuration(), "{uncertain}");
        let wrong = bad(
            "connection to server at \"h\", port 1 failed: FATAL:  password authentication failed for user \"u\"",
        );
        assert!(wrong.is_configuration(), "{wrong}");
        assert!(wrong.to_string().contains("password authentication failed for user …"), "{wrong}");
        assert!(
            !bad("connection to server on socket \"/s\" failed: FATAL:  the database system is starting up")
                .is_configuration()
        );
    }
}

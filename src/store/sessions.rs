//! Who is signed in to the dashboard, for every process on this database.
//!
//! Must never hold a cookie, only its SHA-256.

use super::Store;
use super::connection::AnyConnection;
use super::error::StoreError;
use super::news::{self, Topic};
use super::schema::admin_sessions;
use crate::domain::secret::Digest;
use crate::domain::session::{SessionChanges, SessionRecord};
use crate::domain::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

impl Store {
    /// Every session that is kept, with the number of their topic.
    pub fn sessions(&self) -> Result<(i64, Vec<SessionRecord>), StoreError> {
        self.pool.read(|connection| {
            // The number first: what changes meanwhile raises it again.
            let revision = news::revision(connection, Topic::Sessions)?;
            let rows: Vec<SessionRow> = admin_sessions::table.load(connection)?;
            Ok((revision, rows.into_iter().filter_map(SessionRow::record).collect()))
        })
    }

    /// The session of this cookie, if it is kept.
    pub fn session(&self, cookie: &Digest) -> Result<Option<SessionRecord>, StoreError> {
        let row: Option<SessionRow> = self.pool.read(|connection| {
            Ok(admin_sessions::table.find(cookie.hex()).first(connection).optional()?)
        })?;
        Ok(row.and_then(SessionRow::record))
    }

    /// Keeps the sessions that began or were used, and removes those that ended or are over.
    pub fn save_sessions(&self, changes: &SessionChanges) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let SessionChanges { begun, used, ended, used_before, began_before } = changes;
        self.pool.write(|connection| {
            for session in begun {
                diesel::sql_query(
                    "INSERT INTO admin_sessions (cookie, password, began_at, used_at) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT (cookie) DO NOTHING",
                )
                .bind::<Text, _>(session.cookie.hex())
                .bind::<Text, _>(session.password.hex())
                .bind::<BigInt, _>(session.began.millis())
                .bind::<BigInt, _>(session.used.millis())
                .execute(connection)?;
            }
            // One that another process ended meanwhile stays ended.
            for session in used {
                let later = admin_sessions::table
                    .find(session.cookie.hex())
                    .filter(admin_sessions::used_at.lt(session.used.millis()));
                diesel::update(later)
                    .set(admin_sessions::used_at.eq(session.used.millis()))
                    .execute(connection)?;
            }
            let ended: Vec<String> = ended.iter().map(Digest::hex).collect();
            for some in ended.chunks(500) {
                diesel::delete(admin_sessions::table.filter(admin_sessions::cookie.eq_any(some)))
                    .execute(connection)?;
            }
            let is_over = admin_sessions::used_at
                .lt(used_before.millis())
                .or(admin_sessions::began_at.lt(began_before.millis()));
            diesel::delete(admin_sessions::table.filter(is_over)).execute(connection)?;
            // How lately a session was used is asked for when it matters.
            if begun.is_empty() && ended.is_empty() {
                Ok(())
            } else {
                news::tell(connection, Topic::Sessions)
            }
        })
    }
}

/// Ends every session.
pub(super) fn end_all(connection: &mut AnyConnection) -> Result<(), StoreError> {
    diesel::delete(admin_sessions::table).execute(connection)?;
    news::tell(connection, Topic::Sessions)
}

/// A session as the table holds it.
#[derive(Queryable)]
struct SessionRow {
    cookie: String,
    password: String,
    began_at: i64,
    used_at: i64,
}

impl SessionRow {
    /// What is no digest opens nothing.
    fn record(self) -> Option<SessionRecord> {
        Some(SessionRecord {
            cookie: Digest::from_hex(&self.cookie)?,
            password: Digest::from_hex(&self.password)?,
            began: Timestamp::from_millis(self.began_at),
            used: Timestamp::from_millis(self.used_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;
    use crate::store::testing::{Bench, raw};

    fn session(cookie: &[u8], used: i64) -> SessionRecord {
        SessionRecord {
            cookie: Digest::of(cookie),
            password: Digest::of(b"password"),
            began: Timestamp::from_millis(1),
            used: Timestamp::from_millis(used),
        }
    }

    fn changes(begun: &[SessionRecord], used: &[SessionRecord], ended: &[&[u8]]) -> SessionChanges {
        SessionChanges {
            begun: begun.to_vec(),
            used: used.to_vec(),
            ended: ended.iter().map(|cookie| Digest::of(cookie)).collect(),
            used_before: Timestamp::from_millis(1),
            began_before: Timestamp::from_millis(1),
        }
    }

    #[test]
    fn sessions_are_kept_used_and_ended() {
        let bench = Bench::new();
        let store = bench.open();
        store.save_sessions(&changes(&[session(b"a", 1), session(b"b", 1)], &[], &[])).expect("kept");
        let (first, _) = store.sessions().expect("sessions");
        store.save_sessions(&changes(&[], &[session(b"a", 9), session(b"c", 9)], &[])).expect("used");
        store.save_sessions(&changes(&[], &[session(b"a", 5)], &[])).expect("an older word");
        assert_eq!(store.session(&Digest::of(b"a")).expect("a database"), Some(session(b"a", 9)));
        assert_eq!(store.session(&Digest::of(b"c")).expect("a database"), None);
        raw(&bench, "INSERT INTO admin_sessions VALUES ('x', 'y', 1, 1)");
        let (second, all) = bench.open().sessions().expect("sessions");
        assert_eq!((first, all.len()), (second, 2));
        store.save_sessions(&changes(&[], &[], &[b"a"])).expect("ended");
        assert_eq!(store.sessions().expect("sessions"), (second + 1, vec![session(b"b", 1)]));
        let later = SessionChanges { used_before: Timestamp::from_millis(2), ..changes(&[], &[], &[b"x"]) };
        store.save_sessions(&later).expect("swept");
        assert_eq!(store.sessions().expect("sessions").1, []);
    }

    #[test]
    fn another_password_ends_them_all() {
        let bench = Bench::new();
        let store = bench.open();
        store.save_sessions(&changes(&[session(b"a", 1)], &[], &[])).expect("kept");
        store.set_admin_password(&Secret::new("another password")).expect("set");
        assert_eq!(store.sessions().expect("sessions").1, []);
    }

    #[test]
    fn a_given_password_has_one_mark_until_another_is_given() {
        let (bench, password) = (Bench::new(), Secret::new("given password"));
        let store = bench.open();
        let mark = store.given_password_mark(&password).expect("a mark");
        store.save_sessions(&changes(&[session(b"a", 1)], &[], &[])).expect("kept");
        assert_eq!(bench.open().given_password_mark(&password).expect("a mark"), mark);
        assert_ne!(mark, password.digest());
        assert_eq!(store.sessions().expect("sessions").1.len(), 1);
        let other = bench.open().given_password_mark(&Secret::new("another one")).expect("a mark");
        assert_ne!(other, mark);
        assert_eq!(store.sessions().expect("sessions").1, []);
    }
}

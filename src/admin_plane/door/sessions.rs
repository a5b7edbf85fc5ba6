//! Who is signed in. Pure: the time is an argument. Holds digests of cookies, never a cookie.
//!
//! What is here is a copy of what the database keeps for every process, with what is not there yet.

use crate::domain::secret::Digest;
use crate::domain::session::{SessionChanges, SessionRecord};
use crate::domain::time::Timestamp;
use std::time::Duration;

/// A session that nobody used for so long ends.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends so long after it began.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Sessions at a time; beyond it the one that was idle longest ends.
const MOST: usize = 200;
/// That a session was used is told to other processes so often.
const TELL_USE: Duration = Duration::from_secs(60);
/// Of sessions that ended here so many are remembered, so that none comes back by an older reading.
const ENDED: usize = 256;

/// The sessions that this process knows.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Vec<Session>,
    ended: Vec<Ended>,
}

#[derive(Debug)]
struct Session {
    record: SessionRecord,
    /// When it was last used, as the database has it; `None`: it is not there yet.
    stored: Option<Timestamp>,
}

#[derive(Debug)]
struct Ended {
    cookie: Digest,
    is_stored: bool,
}

/// What is left of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Until it ends, whatever happens.
    pub whole: Duration,
    /// Until it ends if nobody uses it.
    pub idle: Duration,
}

impl Sessions {
    /// Begins a session, with the mark of the password.
    pub fn begin(&mut self, cookie: Digest, password: Digest, now: Timestamp) {
        self.sweep(password, now);
        if self.all.len() >= MOST {
            let idlest = self.all.iter().min_by_key(|session| session.record.used);
            if let Some(cookie) = idlest.map(|session| session.record.cookie) {
                self.end(&cookie);
            }
        }
        let record = SessionRecord { cookie, password, began: now, used: now };
        self.all.push(Session { record, stored: None });
    }

    /// Uses the session of this cookie: what is left of it now, or `None` when there is none.
    pub fn enter(&mut self, cookie: &Digest, password: Digest, now: Timestamp) -> Option<Left> {
        self.sweep(password, now);
        let session = self.all.iter_mut().find(|session| session.record.cookie == *cookie)?;
        session.record.used = session.record.used.max(now);
        Some(left(&session.record, now))
    }

    /// What is left of the session of this cookie, without using it.
    pub fn left(&self, cookie: &Digest, password: Digest, now: Timestamp) -> Option<Left> {
        let session = self.all.iter().find(|session| session.record.cookie == *cookie)?;
        lives(&session.record, password, now).then(|| left(&session.record, now))
    }

    /// Ends the session of this cookie.
    pub fn end(&mut self, cookie: &Digest) {
        self.all.retain(|session| session.record.cookie != *cookie);
        self.ended.push(Ended { cookie: *cookie, is_stored: false });
    }

    /// Whether the session of this cookie was ended here.
    pub fn has_ended(&self, cookie: &Digest) -> bool {
        self.ended.iter().any(|ended| ended.cookie == *cookie)
    }

    /// Takes in one session that the database has.
    pub fn learn(&mut self, stored: &SessionRecord, password: Digest, now: Timestamp) {
        if self.has_ended(&stored.cookie) || !lives(stored, password, now) {
            return;
        }
        match self.all.iter_mut().find(|session| session.record.cookie == stored.cookie) {
            Some(known) => {
                known.record.used = known.record.used.max(stored.used);
                known.stored = Some(stored.used);
            }
            None => self.all.push(Session { record: *stored, stored: Some(stored.used) }),
        }
    }

    /// Takes in all sessions that the database has: those that are no longer there have ended.
    pub fn mirror(&mut self, stored: &[SessionRecord], password: Digest, now: Timestamp) {
        self.all.retain(|session| {
            session.stored.is_none() || stored.iter().any(|kept| kept.cookie == session.record.cookie)
        });
        for record in stored {
            self.learn(record, password, now);
        }
    }

    /// What the database does not have yet.
    pub fn changes(&self, now: Timestamp) -> SessionChanges {
        let unsaved = self.all.iter().filter(|session| session.stored.is_none());
        let is_untold = |session: &&Session| {
            session.stored.is_some_and(|stored| session.record.used.since(stored) >= TELL_USE)
        };
        SessionChanges {
            begun: unsaved.map(|session| session.record).collect(),
            used: self.all.iter().filter(is_untold).map(|session| session.record).collect(),
            ended: self.ended.iter().filter(|ended| !ended.is_stored).map(|ended| ended.cookie).collect(),
            // Others tell late that they used a session.
            used_before: now.before(IDLE + 2 * TELL_USE),
            began_before: now.before(LONGEST),
        }
    }

    /// Says that the database has these changes now.
    pub fn saved(&mut self, changes: &SessionChanges) {
        for saved in changes.begun.iter().chain(&changes.used) {
            for session in self.all.iter_mut().filter(|session| session.record.cookie == saved.cookie) {
                session.stored = Some(saved.used);
            }
        }
        for ended in self.ended.iter_mut().filter(|ended| changes.ended.contains(&ended.cookie)) {
            ended.is_stored = true;
        }
        let surplus = self.ended.len().saturating_sub(ENDED);
        let mut seen = 0;
        self.ended.retain(|ended| {
            seen += 1;
            seen > surplus || !ended.is_stored
        });
    }

    /// Forgets those that are over; whether the database keeps them is its own matter, since another
    /// process may have used them.
    fn sweep(&mut self, password: Digest, now: Timestamp) {
        self.all.retain(|session| lives(&session.record, password, now));
    }
}

fn lives(session: &SessionRecord, password: Digest, now: Timestamp) -> bool {
    session.password == password && now < session.began.after(LONGEST) && now < session.used.after(IDLE)
}

fn left(session: &SessionRecord, now: Timestamp) -> Left {
    let whole = session.began.after(LONGEST).since(now);
    Left { whole, idle: session.used.after(IDLE).since(now).min(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn password() -> Digest {
        Digest::of(b"password")
    }

    fn records(changes: &SessionChanges) -> Vec<SessionRecord> {
        changes.begun.clone()
    }

    #[test]
    fn a_session_ends_when_idle_and_after_its_whole_time() {
        let (mut sessions, cookie) = (Sessions::default(), Digest::of(b"cookie"));
        sessions.begin(cookie, password(), START);
        assert!(sessions.enter(&Digest::of(b"other"), password(), START).is_none());
        let mut now = START;
        while now < START.after(LONGEST) {
            assert!(sessions.enter(&cookie, password(), now).is_some(), "{now:?}");
            now = now.after(MINUTE * 29);
        }
        assert!(sessions.enter(&cookie, password(), now).is_none());

        sessions.begin(cookie, password(), now);
        let left = sessions.left(&cookie, password(), now.after(MINUTE));
        assert_eq!(left.map(|left| left.idle), Some(MINUTE * 29));
        assert!(sessions.left(&cookie, password(), now.after(IDLE)).is_none());
        assert!(sessions.enter(&cookie, password(), now.after(IDLE)).is_none());
    }

    #[test]
    fn signing_out_and_another_password_end_it() {
        let (mut sessions, one, two) = (Sessions::default(), Digest::of(b"1"), Digest::of(b"2"));
        let (other, later) = (Digest::of(b"another password"), START.after(MINUTE));
        sessions.begin(one, password(), START);
        sessions.begin(two, password(), START);
        sessions.end(&one);
        assert!(sessions.enter(&one, password(), later).is_none());
        assert!(sessions.enter(&two, password(), later).is_some());
        assert!(sessions.left(&two, other, later).is_none());
        assert!(sessions.enter(&two, other, later).is_none());
        assert!(sessions.enter(&two, password(), later).is_none(), "it does not come back");
    }

    #[test]
    fn the_idlest_makes_room() {
        let mut sessions = Sessions::default();
        for number in 0..=MOST {
            let cookie = Digest::of(&number.to_be_bytes());
            sessions.begin(cookie, password(), START.after(Duration::from_secs(number as u64)));
        }
        assert_eq!(sessions.all.len(), MOST);
        let first = Digest::of(&0_usize.to_be_bytes());
        assert!(sessions.left(&first, password(), START.after(MINUTE)).is_none());
        assert_eq!(sessions.changes(START).ended, [first]);
    }

    #[test]
    fn what_begins_and_ends_in_one_process_does_so_in_the_other() {
        let (mut here, mut there, cookie) = (Sessions::default(), Sessions::default(), Digest::of(b"1"));
        here.begin(cookie, password(), START);
        let changes = here.changes(START);
        // Not stored yet: the other's silence ends nothing.
        here.mirror(&[], password(), START);
        here.saved(&changes);
        assert!(here.changes(START).is_empty());
        there.mirror(&records(&changes), password(), START);
        assert!(there.enter(&cookie, password(), START.after(MINUTE * 29)).is_some());
        there.learn(&SessionRecord { password: Digest::of(b"x"), ..changes.begun[0] }, password(), START);

        // Used there, it lives here too, once that is told.
        let told = there.changes(START);
        assert_eq!((told.begun.len(), told.used.len()), (0, 1));
        there.saved(&told);
        assert!(there.changes(START).is_empty());
        let later = START.after(MINUTE * 40);
        assert!(here.enter(&cookie, password(), later).is_none());
        here.learn(&told.used[0], password(), later);
        assert!(here.enter(&cookie, password(), later).is_some());

        there.end(&cookie);
        let told = there.changes(START);
        there.saved(&told);
        there.mirror(&records(&changes), password(), START);
        assert!(there.left(&cookie, password(), START).is_none(), "an older reading brings nothing back");
        here.mirror(&[], password(), later);
        assert!(here.left(&cookie, password(), later).is_none());
    }
}

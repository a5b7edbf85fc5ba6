//! Who is signed in. Pure: the time is an argument. Holds digests of cookies, never a cookie.

use crate::domain::secret::Digest;
use std::time::Duration;

/// A session that nobody used for so long ends.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends so long after it began.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Sessions at a time; beyond it the one that was idle longest ends.
const MOST: usize = 200;

/// The sessions of one process.
#[derive(Debug, Default)]
pub struct Sessions(Vec<Session>);

#[derive(Debug)]
struct Session {
    cookie: Digest,
    began: Duration,
    used: Duration,
    /// The password's generation that it was signed in with.
    generation: u64,
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
    /// Begins a session.
    pub fn begin(&mut self, cookie: Digest, generation: u64, now: Duration) {
        self.sweep(generation, now);
        if self.0.len() >= MOST {
            let idlest = self.0.iter().enumerate().min_by_key(|(_, session)| session.used);
            if let Some((index, _)) = idlest {
                self.0.swap_remove(index);
            }
        }
        self.0.push(Session { cookie, began: now, used: now, generation });
    }

    /// Uses the session of this cookie: what is left of it now, or `None` when there is none.
    pub fn enter(&mut self, cookie: &Digest, generation: u64, now: Duration) -> Option<Left> {
        self.sweep(generation, now);
        let session = self.0.iter_mut().find(|session| session.cookie == *cookie)?;
        session.used = now;
        Some(session.left(now))
    }

    /// What is left of the session of this cookie, without using it.
    pub fn left(&self, cookie: &Digest, generation: u64, now: Duration) -> Option<Left> {
        let session = self.0.iter().find(|session| session.cookie == *cookie)?;
        session.lives(generation, now).then(|| session.left(now))
    }

    /// Ends the session of this cookie.
    pub fn end(&mut self, cookie: &Digest) {
        self.0.retain(|session| session.cookie != *cookie);
    }

    fn sweep(&mut self, generation: u64, now: Duration) {
        self.0.retain(|session| session.lives(generation, now));
    }
}

impl Session {
    fn lives(&self, generation: u64, now: Duration) -> bool {
        self.generation == generation && now < self.began + LONGEST && now < self.used + IDLE
    }

    fn left(&self, now: Duration) -> Left {
        let whole = (self.began + LONGEST).saturating_sub(now);
        Left { whole, idle: (self.used + IDLE).saturating_sub(now).min(whole) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_ends_when_idle_and_after_its_whole_time() {
        let (mut sessions, cookie) = (Sessions::default(), Digest::of(b"cookie"));
        sessions.begin(cookie, 0, Duration::ZERO);
        assert!(sessions.enter(&Digest::of(b"other"), 0, Duration::ZERO).is_none());
        let mut now = Duration::ZERO;
        while now < LONGEST {
            assert!(sessions.enter(&cookie, 0, now).is_some(), "{now:?}");
            now += MINUTE * 29;
        }
        assert!(sessions.enter(&cookie, 0, now).is_none());

        sessions.begin(cookie, 0, now);
        assert_eq!(sessions.left(&cookie, 0, now + MINUTE).map(|left| left.idle), Some(MINUTE * 29));
        assert!(sessions.left(&cookie, 0, now + IDLE).is_none());
        assert!(sessions.enter(&cookie, 0, now + IDLE).is_none());
    }

    #[test]
    fn signing_out_and_another_password_end_it() {
        let (mut sessions, one, two) = (Sessions::default(), Digest::of(b"1"), Digest::of(b"2"));
        sessions.begin(one, 0, Duration::ZERO);
        sessions.begin(two, 0, Duration::ZERO);
        sessions.end(&one);
        assert!(sessions.enter(&one, 0, MINUTE).is_none());
        assert!(sessions.enter(&two, 0, MINUTE).is_some());
        assert!(sessions.left(&two, 1, MINUTE).is_none());
        assert!(sessions.enter(&two, 1, MINUTE).is_none());
        assert!(sessions.enter(&two, 0, MINUTE).is_none(), "it does not come back");
    }

    #[test]
    fn the_idlest_makes_room() {
        let mut sessions = Sessions::default();
        for number in 0..=MOST {
            sessions.begin(Digest::of(&number.to_be_bytes()), 0, Duration::from_secs(number as u64));
        }
        assert_eq!(sessions.0.len(), MOST);
        assert!(sessions.left(&Digest::of(&0_usize.to_be_bytes()), 0, MINUTE).is_none());
    }
}

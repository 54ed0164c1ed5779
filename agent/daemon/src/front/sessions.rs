//! Who is logged in: sessions by their secret, with their age, their consoles and their bounds.
//!
//! Pure. Whether a password is right is not known here; who has which console open is in
//! [`super::visits`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;
use xenwarden_model::SessionKey;
use xenwarden_model::front::Role;

/// A session that nobody used for so long has expired, as in the original (24 hours).
const IDLE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Sessions of one user, as in the original: the one least recently used goes.
const PER_USER_MAX: usize = 500;
/// Sessions in all: each is a few hundred bytes.
const SESSIONS_MAX: usize = 5000;

/// One session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// A uuid that tells nothing of the secret.
    pub(crate) uuid: Uuid,
    /// Who logged in.
    pub(crate) user: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What the client calls itself.
    pub(crate) originator: String,
    /// When it was opened, in seconds since 1970.
    pub(crate) opened_s: u64,
    /// When it was last used, in seconds since 1970.
    pub(crate) used_s: u64,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    used: Instant,
    /// Consoles that it has open: as long as there are any, it does not expire.
    consoles: u32,
}

impl Slot {
    fn has_expired(&self, now: Instant) -> bool {
        self.consoles == 0 && now.saturating_duration_since(self.used) > IDLE_MAX
    }
}

/// Every session.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: BTreeMap<SessionKey, Slot>,
}

impl Sessions {
    /// Opens a session under a new key. Makes room for it where there is none; what had to go.
    pub(crate) fn open(
        &mut self,
        key: SessionKey,
        session: Session,
        now: Instant,
    ) -> Vec<SessionKey> {
        let mut gone: Vec<SessionKey> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.has_expired(now))
            .map(|(key, _)| *key)
            .collect();
        self.slots.retain(|key, _| !gone.contains(key));
        let is_users = |slot: &Slot| slot.session.user == session.user;
        if self.slots.values().filter(|slot| is_users(slot)).count() >= PER_USER_MAX {
            gone.extend(self.evict(is_users));
        }
        if self.slots.len() >= SESSIONS_MAX {
            gone.extend(self.evict(|_| true));
        }
        self.slots.insert(key, Slot { session, used: now, consoles: 0 });
        gone
    }

    /// Ends the least recently used session of some, one without a console before one with any.
    fn evict(&mut self, of: impl Fn(&Slot) -> bool) -> Option<SessionKey> {
        let some = self.slots.iter().filter(|(_, slot)| of(slot));
        let (key, _) = some.min_by_key(|(_, slot)| (slot.consoles > 0, slot.used))?;
        let key = *key;
        self.slots.remove(&key);
        Some(key)
    }

    /// The session of a key, which is used by this.
    pub(crate) fn find(&mut self, key: SessionKey, now: Instant, now_s: u64) -> Option<&Session> {
        if self.slots.get(&key)?.has_expired(now) {
            self.slots.remove(&key);
            return None;
        }
        let slot = self.slots.get_mut(&key)?;
        slot.used = now;
        slot.session.used_s = now_s;
        Some(&slot.session)
    }

    /// Ends a session.
    pub(crate) fn close(&mut self, key: SessionKey) -> Option<Session> {
        self.slots.remove(&key).map(|slot| slot.session)
    }

    pub(super) fn console_opened(&mut self, key: SessionKey) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.consoles = slot.consoles.saturating_add(1);
        }
    }

    pub(super) fn console_closed(&mut self, key: SessionKey, now: Instant) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.consoles = slot.consoles.saturating_sub(1);
            slot.used = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str) -> Session {
        Session {
            uuid: Uuid::new_v4(),
            user: user.into(),
            role: Role::Admin,
            originator: String::new(),
            opened_s: 0,
            used_s: 0,
        }
    }

    fn key(number: u32) -> SessionKey {
        format!("OpaqueRef:00000000-0000-0000-0000-{number:012}").parse().unwrap()
    }

    #[test]
    fn a_session_lives_as_long_as_it_is_used() {
        let mut sessions = Sessions::default();
        let begin = Instant::now();
        sessions.open(key(1), session("a"), begin);
        let mut now = begin;
        for _ in 0..3 {
            now += IDLE_MAX;
            assert!(sessions.find(key(1), now, 7).is_some_and(|session| session.used_s == 7));
        }
        now += IDLE_MAX + Duration::from_secs(1);
        assert!(sessions.find(key(1), now, 8).is_none());
        assert!(sessions.find(key(1), now, 8).is_none());
    }

    #[test]
    fn an_open_console_keeps_its_session_alive() {
        let mut sessions = Sessions::default();
        let begin = Instant::now();
        sessions.open(key(1), session("a"), begin);
        sessions.console_opened(key(1));
        let late = begin + IDLE_MAX * 3;
        assert!(sessions.find(key(1), late, 0).is_some());
        sessions.console_closed(key(1), late);
        let later = late + IDLE_MAX * 3;
        assert!(sessions.find(key(1), later, 0).is_none());
    }

    #[test]
    fn a_closed_session_is_nobodys() {
        let mut sessions = Sessions::default();
        let now = Instant::now();
        sessions.open(key(1), session("a"), now);
        assert!(sessions.close(key(1)).is_some());
        assert!(sessions.find(key(1), now, 0).is_none() && sessions.close(key(1)).is_none());
    }

    #[test]
    fn a_user_with_too_many_sessions_loses_the_one_least_recently_used() {
        let mut sessions = Sessions::default();
        let begin = Instant::now();
        sessions.open(key(9_999_999), session("other"), begin);
        for number in 0..u32::try_from(PER_USER_MAX).unwrap() {
            let now = begin + Duration::from_secs(u64::from(number));
            assert!(sessions.open(key(number), session("a"), now).is_empty());
        }
        let now = begin + Duration::from_secs(3600);
        assert!(sessions.find(key(0), now, 0).is_some());
        assert_eq!(sessions.open(key(1_000_000), session("a"), now), [key(1)]);
        assert!(sessions.find(key(9_999_999), now, 0).is_some());
    }

    #[test]
    fn there_is_a_bound_for_all_users_together() {
        let mut sessions = Sessions::default();
        let now = Instant::now();
        for number in 0..6000 {
            sessions.open(key(number), session(&format!("user{}", number % 100)), now);
        }
        assert_eq!(sessions.slots.len(), SESSIONS_MAX);
    }
}

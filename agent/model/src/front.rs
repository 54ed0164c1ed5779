//! What the network front may ask the agent, and nothing else: one call a line, one reply a call.
//!
//! The front only forwards what a client sent: each call but the log-in names a session, and the
//! agent decides by it. A front that was taken over can do what its sessions may, and no more, but
//! for typing where one may only look. The connection that a console came with belongs to that
//! console from then on: the agent says on it why the console closes, and its end is the console's
//! end.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::closing::Closing;
use crate::object::{Class, Map, Object};
use crate::protocol::VmMap;
use crate::reference::{Reference, SessionKey};

/// The longest call, in bytes: the largest map of the API's largest body, escaped.
pub const CALL_MAX: usize = 1024 * 1024;
/// The longest user name and password, in bytes.
pub const CREDENTIAL_MAX: usize = 256;
/// The longest name that a client gives itself, in bytes.
pub const ORIGINATOR_MAX: usize = 128;
/// The longest a change may be waited for at a time, in milliseconds.
pub const WAIT_MAX_MS: u32 = 120_000;

/// A password on its way: it never reaches a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// One question of the front's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call", deny_unknown_fields)]
pub enum Call {
    /// Log in. Answered with [`Opened`].
    Login {
        /// Who.
        user: String,
        /// The proof.
        password: Password,
        /// Where the client is.
        address: IpAddr,
        /// What the client calls itself.
        originator: String,
    },
    /// Whose session this is. Answered with [`SessionInfo`].
    Session {
        /// The session.
        session: SessionKey,
    },
    /// Log out.
    Logout {
        /// The session.
        session: SessionKey,
    },
    /// What changed since a moment, or everything. Answered with [`Changes`].
    Changes {
        /// The session.
        session: SessionKey,
        /// The moment.
        since: Option<Moment>,
    },
    /// Wait until anything has changed since a moment. Answered with the present [`Moment`], which
    /// is the same one where nothing has.
    Wait {
        /// The session.
        session: SessionKey,
        /// The moment.
        since: Moment,
        /// How long at most.
        limit_ms: u32,
    },
    /// Count an object as changed. Answered with the [`Moment`] before.
    Inject {
        /// The session.
        session: SessionKey,
        /// The object.
        object: Reference,
    },
    /// Set one key of a map.
    SetKey {
        /// The session.
        session: SessionKey,
        /// The object.
        object: Reference,
        /// Which of its maps.
        map: VmMap,
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Whether a key that is there already is refused.
        new_only: bool,
    },
    /// Remove one key of a map; one that is not there is no error.
    RemoveKey {
        /// The session.
        session: SessionKey,
        /// The object.
        object: Reference,
        /// Which of its maps.
        map: VmMap,
        /// The key.
        key: String,
    },
    /// Replace a map.
    SetMap {
        /// The session.
        session: SessionKey,
        /// The object.
        object: Reference,
        /// Which of its maps.
        map: VmMap,
        /// Its keys and values from now on.
        entries: Map,
    },
    /// Rename a VM that is halted.
    SetName {
        /// The session.
        session: SessionKey,
        /// The VM.
        object: Reference,
        /// The new name.
        name: String,
    },
    /// Make a task. Answered with its [`Reference`].
    CreateTask {
        /// The session.
        session: SessionKey,
        /// What people call it.
        label: String,
        /// What it is about.
        description: String,
    },
    /// Forget a task.
    DestroyTask {
        /// The session.
        session: SessionKey,
        /// The task.
        task: Reference,
    },
    /// Open a console. The reply carries one end of a connection whose other end has taken the
    /// viewer; a [`crate::Reply::Closed`] may come later.
    Open {
        /// The session.
        session: SessionKey,
        /// Which console.
        target: Target,
        /// Where the viewer is.
        address: IpAddr,
        /// Whether the viewer wants to watch only.
        view_only: bool,
        /// The position in a text console's output where the viewer goes on, if that is kept; 0 is
        /// none. Absent: it does not count, and sees the screen first.
        from: Option<u64>,
    },
    /// Why the front closes the console of this connection: the last thing said on it.
    Close {
        /// Why.
        closing: Closing,
    },
}

/// A console, as its URL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A VM's uuid, which means its screen, or a console's.
    Uuid(Uuid),
    /// A VM's reference, which means its screen, or a console's.
    Reference(Reference),
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Read everything, and watch the guests' consoles.
    Viewer,
    /// Read everything, and use the guests' consoles.
    Operator,
    /// Everything.
    Admin,
}

/// A new session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The secret.
    pub session: SessionKey,
    /// Whose it is.
    pub info: SessionInfo,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionInfo {
    /// A uuid that tells nothing of the secret.
    pub uuid: Uuid,
    /// Who logged in.
    pub user: String,
    /// What they may do.
    pub role: Role,
    /// What the client calls itself.
    pub originator: String,
    /// When it was opened, in seconds since 1970.
    pub opened_s: u64,
    /// When it was last used, in seconds since 1970.
    pub used_s: u64,
    /// The host.
    pub host: Reference,
}

/// A moment of the agent's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// Which run of the agent: moments of different runs can't be compared.
    pub instance: Uuid,
    /// The number of changes until then.
    pub generation: u64,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The present moment.
    pub now: Moment,
    /// Whether this is everything: what is not here is not there.
    pub whole: bool,
    /// Objects that are new or different, oldest change first.
    pub objects: Vec<Stamped>,
    /// Objects that have gone, oldest first.
    pub deleted: Vec<Deleted>,
}

/// An object, and when it came and changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// The generation that it came with.
    pub created: u64,
    /// The generation of its last change.
    pub changed: u64,
    /// The object.
    pub object: Object,
}

/// An object that has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The generation that it went with.
    pub generation: u64,
    /// What it was.
    pub class: Class,
    /// Its name in the API.
    pub reference: Reference,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_it_was_written() {
        let session = SessionKey::random();
        let call = Call::Open {
            session,
            target: Target::Uuid(Uuid::from_u128(7)),
            address: IpAddr::from([127, 0, 0, 1]),
            view_only: false,
            from: None,
        };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), call);
    }

    #[test]
    fn secrets_do_not_show_in_debug_texts() {
        let session = SessionKey::random();
        let login = Call::Login {
            user: "admin".into(),
            password: Password("open sesame".into()),
            address: IpAddr::from([127, 0, 0, 1]),
            originator: String::new(),
        };
        assert!(!format!("{login:?}").contains("sesame"));
        let logout = format!("{:?}", Call::Logout { session });
        assert!(!logout.contains(session.reveal().trim_start_matches("OpaqueRef:")), "{logout}");
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for text in [
            r#"{"call":"vms"}"#,
            r#"{"ask":"vms"}"#,
            r#"{"call":"logout","session":"OpaqueRef:1"}"#,
            r#"{"call":"logout","session":"OpaqueRef:NULL"}"#,
            r#"{"call":"logout"}"#,
        ] {
            assert!(serde_json::from_str::<Call>(text).is_err(), "{text}");
        }
    }
}

//! One log-in: slowed, checked, and a session where the password is right.
//!
//! This runs in the client's own task. Passwords are looked at by [`super::users`], or by the
//! program that asks PAM: this process never loads libpam.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;
use xenwarden_model::front::{CREDENTIAL_MAX, ORIGINATOR_MAX, Opened, Password, Role, SessionInfo};
use xenwarden_model::{Reference, Refusal, RefusalCode, Reply, SessionKey};

use super::gate::Gate;
use super::sessions::{Session, Sessions};
use super::users;
use crate::config::{self, Method};
use crate::run::now_s;

/// Passwords that are looked at together: each takes a processor and 19 MiB for a while, or a
/// process.
const TOGETHER_MAX: usize = 4;
/// How long one may take, waiting included.
const LOGIN_TIME: Duration = Duration::from_secs(30);

/// What came of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is right.
    Right(Role),
    /// It is right, and its user may not do anything here.
    Nobody,
    /// It is wrong.
    Wrong,
    /// Nobody could say.
    Unknown(String),
}

/// Checks passwords.
#[derive(Debug)]
pub(super) struct Checker {
    method: Method,
    places: Semaphore,
    gate: RefCell<Gate>,
}

impl Checker {
    pub(super) fn new(login: &config::Login) -> Self {
        let places = Semaphore::new(TOGETHER_MAX);
        Self { method: login.method.clone(), places, gate: RefCell::default() }
    }

    async fn check(&self, user: &str, password: &str) -> Verdict {
        let checked = timeout(LOGIN_TIME, async {
            // Never closed.
            let _place = self.places.acquire().await;
            match &self.method {
                Method::File(path) => by_file(path, user, password).await,
                Method::Pam { program, group, admin_group } => {
                    by_program(program, [group, admin_group], user, password).await
                }
            }
        });
        let late = |_| Verdict::Unknown("it took too long".to_owned());
        checked.await.unwrap_or_else(late)
    }
}

async fn by_file(path: &Path, user: &str, password: &str) -> Verdict {
    let (file, user, password) = (path.to_owned(), user.to_owned(), password.to_owned());
    match spawn_blocking(move || users::check(&file, &user, &password)).await {
        Ok(Ok(Some(role))) => Verdict::Right(role),
        Ok(Ok(None)) => Verdict::Wrong,
        Ok(Err(error)) => Verdict::Unknown(format!("{}: {error}", path.display())),
        Err(error) => Verdict::Unknown(error.to_string()),
    }
}

/// Runs the program for one log-in: user and password go in, each ended by a NUL, and one byte
/// comes out.
async fn by_program(
    program: &PathBuf,
    [group, admin_group]: [&str; 2],
    user: &str,
    password: &str,
) -> Verdict {
    let ask = async {
        let mut child = Command::new(program)
            .args([group, admin_group])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            let words = [user.as_bytes(), b"\0", password.as_bytes(), b"\0"].concat();
            // One that ends before it has read all says by its byte, or by none, what came of it.
            let _ = input.write_all(&words).await;
        }
        let mut said = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(2).read_to_end(&mut said).await?;
        }
        child.wait().await.map(|status| (status, said))
    };
    match ask.await {
        Ok((status, said)) => match said.as_slice() {
            b"A" if status.success() => Verdict::Right(Role::Admin),
            b"O" if status.success() => Verdict::Right(Role::Operator),
            b"-" if status.success() => Verdict::Nobody,
            b"N" if status.success() => Verdict::Wrong,
            _ => Verdict::Unknown(format!("{} ended with {status}", program.display())),
        },
        Err(error) => Verdict::Unknown(format!("{}: {error}", program.display())),
    }
}

/// A log-in before its password was looked at.
#[derive(Debug)]
pub(crate) struct LoggingIn {
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) address: IpAddr,
    pub(super) originator: String,
    pub(super) host: Reference,
    pub(super) checker: Rc<Checker>,
    pub(super) sessions: Rc<RefCell<Sessions>>,
}

impl LoggingIn {
    /// Looks at the password.
    pub(crate) async fn finish(self) -> Reply {
        self.try_finish().await.map_or_else(Reply::Refused, Reply::Opened)
    }

    async fn try_finish(self) -> Result<Opened, Refusal> {
        let refuse = |code, message| Err(Refusal { code, message });
        let (user, address) = (self.user.escape_debug().to_string(), self.address);
        // A NUL would end the name for C alone.
        let is_text = |text: &str| text.len() <= CREDENTIAL_MAX && !text.contains('\0');
        if !is_text(&self.user) || !is_text(&self.password.0) {
            return refuse(RefusalCode::WrongPassword, "the user name or password is none".into());
        }
        let gate = &self.checker.gate;
        if let Some(pause) = gate.borrow().pause(address, Instant::now()) {
            let seconds = pause.as_secs() + 1;
            let message = format!("too many wrong passwords: try again in {seconds} s");
            return refuse(RefusalCode::Slowed, message);
        }
        gate.borrow_mut().attempt(address, Instant::now());
        let role = match self.checker.check(&self.user, &self.password.0).await {
            Verdict::Right(role) => role,
            Verdict::Nobody => {
                gate.borrow_mut().forgive(address);
                tracing::warn!(user, %address, "log-in refused: the user is in no group of [login]");
                return refuse(RefusalCode::Forbidden, "this user may not log in here".into());
            }
            Verdict::Wrong => {
                tracing::warn!(user, %address, "log-in refused: wrong user or password");
                return refuse(RefusalCode::WrongPassword, "wrong user or password".into());
            }
            Verdict::Unknown(why) => {
                gate.borrow_mut().forgive(address);
                tracing::error!(user, %address, why, "a password could not be checked");
                return refuse(RefusalCode::Failed, "the password could not be checked".into());
            }
        };
        gate.borrow_mut().forgive(address);
        let session = Session {
            uuid: Uuid::new_v4(),
            user: self.user,
            role,
            originator: self.originator.chars().take(ORIGINATOR_MAX).collect(),
            opened_s: now_s(),
            used_s: now_s(),
        };
        let key = SessionKey::random();
        let info = info_of(&session, self.host);
        let gone = self.sessions.borrow_mut().open(key, session, Instant::now());
        let (session, role) = (key.hash(), format!("{role:?}"));
        tracing::info!(user, %address, role, session, ended = gone.len(), "logged in");
        Ok(Opened { session: key, info })
    }
}

/// What a client is told of its session.
pub(super) fn info_of(session: &Session, host: Reference) -> SessionInfo {
    SessionInfo {
        uuid: session.uuid,
        user: session.user.clone(),
        role: session.role,
        originator: session.originator.clone(),
        opened_s: session.opened_s,
        used_s: session.used_s,
        host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging_in(checker: &Rc<Checker>, user: &str, password: &str) -> LoggingIn {
        LoggingIn {
            user: user.into(),
            password: Password(password.into()),
            address: [10, 0, 0, 1].into(),
            originator: "test".into(),
            host: Reference::of(Uuid::nil(), "host", Uuid::nil()),
            checker: Rc::clone(checker),
            sessions: Rc::default(),
        }
    }

    /// A program that answers as `script` says.
    fn checker_by(folder: &Path, script: &str) -> Rc<Checker> {
        let program = folder.join("login");
        // Written by another process: one that this one forks meanwhile would hold it open for
        // writing, and it could not be executed.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", write, "sh"]).arg(&program).arg(script);
        assert!(shell.status().unwrap().success());
        let (group, admin_group) = ("users".into(), "admins".into());
        Rc::new(Checker::new(&config::Login {
            method: Method::Pam { program, group, admin_group },
        }))
    }

    async fn code(logging_in: LoggingIn) -> Option<RefusalCode> {
        match logging_in.finish().await {
            Reply::Refused(refusal) => Some(refusal.code),
            Reply::Opened(_) => None,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_programs_byte_is_the_verdict() {
        let folder = tempfile::tempdir().unwrap();
        for (script, expected) in [
            ("printf A", None),
            ("printf O", None),
            ("printf -- -", Some(RefusalCode::Forbidden)),
            ("printf N", Some(RefusalCode::WrongPassword)),
            ("printf A; exit 1", Some(RefusalCode::Failed)),
            ("printf AA", Some(RefusalCode::Failed)),
            ("true", Some(RefusalCode::Failed)),
            ("kill -9 $$", Some(RefusalCode::Failed)),
        ] {
            let checker = checker_by(folder.path(), script);
            assert_eq!(code(logging_in(&checker, "ann", "pie")).await, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn the_program_is_told_groups_user_and_password() {
        let folder = tempfile::tempdir().unwrap();
        let script = "[ \"$*\" = 'users admins' ] && \
                      [ \"$(tr '\\0' '|')\" = 'ann|apple pie|' ] && printf A";
        let checker = checker_by(folder.path(), script);
        assert_eq!(code(logging_in(&checker, "ann", "apple pie")).await, None);
    }

    #[tokio::test]
    async fn wrong_passwords_are_slowed_and_a_right_one_waits_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let script = "[ \"$(tr '\\0' '|')\" = 'ann|right|' ] && printf A || printf N";
        let checker = checker_by(folder.path(), script);
        for _ in 0..4 {
            let wrong = code(logging_in(&checker, "ann", "wrong")).await;
            assert_eq!(wrong, Some(RefusalCode::WrongPassword));
        }
        let slowed = code(logging_in(&checker, "ann", "right")).await;
        assert_eq!(slowed, Some(RefusalCode::Slowed));
    }

    #[tokio::test]
    async fn names_with_nul_or_without_end_reach_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let checker = checker_by(folder.path(), "printf A");
        for (user, password) in
            [("ann\0", "x"), ("ann", "x\0y"), (&*"x".repeat(257), "x"), ("x", &*"y".repeat(257))]
        {
            let refused = code(logging_in(&checker, user, password)).await;
            assert_eq!(refused, Some(RefusalCode::WrongPassword));
        }
    }
}

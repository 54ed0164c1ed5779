//! The front's calls, answered as far as the agent itself knows: by whose session they name.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use tokio::sync::oneshot;
use uuid::Uuid;
use xenwarden_model::front::{Call, Moment, Role, Target};
use xenwarden_model::{
    Class, Console, ConsoleProtocol, Object, Refusal, RefusalCode, Reply, SessionKey,
};

use super::Waiting;
use super::change::unknown;
use super::login::{LoggingIn, info_of};
use super::open::Opening;
use super::sessions::Session;
use super::visits::Visit;
use crate::answer::Draft;
use crate::run::{Agent, now_s};

/// How long after a change who waits for one is told: more of them come at once.
pub(crate) const TOLD_AFTER: Duration = Duration::from_millis(20);

impl Agent {
    /// Does what the front asks for, and drafts the answer.
    pub(crate) fn draft_call(&mut self, call: Call) -> Draft {
        self.try_call(call).unwrap_or_else(|refusal| Draft::Whole(Reply::Refused(refusal)))
    }

    fn try_call(&mut self, call: Call) -> Result<Draft, Refusal> {
        match call {
            Call::Login { user, password, address, originator } => {
                let identity = &self.front.identity;
                Ok(Draft::Login(Box::new(LoggingIn {
                    user,
                    password,
                    address,
                    originator,
                    host: identity.reference(Class::Host, identity.host()),
                    checker: Rc::clone(&self.front.checker),
                    sessions: Rc::clone(&self.front.sessions),
                })))
            }
            Call::Session { session } => {
                let identity = &self.front.identity;
                let host = identity.reference(Class::Host, identity.host());
                let info = info_of(&self.whose(session)?, host);
                Ok(Draft::Whole(Reply::Session(info)))
            }
            Call::Logout { session } => {
                let closed = self.front.sessions.borrow_mut().close(session);
                let user = closed.ok_or_else(no_session)?.user.escape_debug().to_string();
                tracing::info!(user, session = session.hash(), "logged out");
                Ok(Draft::Whole(Reply::Done))
            }
            Call::Changes { session, since } => {
                self.whose(session)?;
                self.refresh_stale_front();
                let changes = Box::new(self.front.ledger.since(since));
                Ok(Draft::Whole(Reply::Changes(changes)))
            }
            // Asked for by who waits, and answered when it is so.
            Call::Wait { since, .. } => Ok(Draft::Whole(Reply::Moment(since))),
            Call::Inject { session, object } => {
                self.whose(session)?;
                self.refresh_stale_front();
                let before = self.front.ledger.touch(object).ok_or_else(|| unknown(object))?;
                Ok(Draft::Whole(Reply::Moment(before)))
            }
            Call::Open { session, target, address, view_only, from } => {
                self.open(session, target, address, view_only, from)
            }
            // Said on the connection of an open console, and read there.
            Call::Close { .. } => {
                let message = "this connection has no console open".to_owned();
                Err(Refusal { code: RefusalCode::Malformed, message })
            }
            Call::CreateTask { session, .. } | Call::DestroyTask { session, .. } => {
                self.whose(session)?;
                self.change(call).map(Draft::Whole)
            }
            Call::SetKey { session, .. }
            | Call::RemoveKey { session, .. }
            | Call::SetMap { session, .. }
            | Call::SetName { session, .. } => {
                let who = self.whose(session)?;
                if who.role < Role::Admin {
                    let message = "only administrators change this".to_owned();
                    return Err(Refusal { code: RefusalCode::Forbidden, message });
                }
                self.change(call).map(Draft::Whole)
            }
        }
    }

    fn whose(&self, session: SessionKey) -> Result<Session, Refusal> {
        let mut sessions = self.front.sessions.borrow_mut();
        sessions.find(session, Instant::now(), now_s()).cloned().ok_or_else(no_session)
    }

    /// Has a client wait for a change, or tells it at once.
    pub(crate) fn wait(
        &mut self,
        session: SessionKey,
        since: Moment,
        asker: oneshot::Sender<Draft>,
    ) {
        if let Err(refusal) = self.whose(session) {
            // A client that went away needs no answer.
            let _ = asker.send(Draft::Whole(Reply::Refused(refusal)));
            return;
        }
        self.refresh_stale_front();
        self.front.waited += 1;
        self.front.waiting.insert(self.front.waited, Waiting { since, asker });
        self.tell_waiting();
    }

    /// Tells who waits for a change that there is one, and forgets who went away.
    pub(crate) fn tell_waiting(&mut self) {
        let now = self.front.ledger.now();
        for (number, waiting) in std::mem::take(&mut self.front.waiting) {
            if waiting.since != now {
                let _ = waiting.asker.send(Draft::Whole(Reply::Moment(now)));
            } else if !waiting.asker.is_closed() {
                self.front.waiting.insert(number, waiting);
            }
        }
    }

    fn open(
        &mut self,
        key: SessionKey,
        target: Target,
        address: IpAddr,
        view_only: bool,
        from: Option<u64>,
    ) -> Result<Draft, Refusal> {
        let session = self.whose(key)?;
        self.refresh_stale_front();
        let (vm, protocol) = self.find_console(target)?;
        let running = self.host.owner(vm).filter(|(_, entry)| entry.present);
        let Some((life, entry)) = running else {
            let name = self.records.book().get(vm).map(|record| record.name.clone());
            let name = name.unwrap_or_default();
            let message = format!("VM {} is halted", name.escape_debug());
            return Err(Refusal { code: RefusalCode::Halted, message });
        };
        let most = self.config.consoles.most;
        let full = self.front.visits.borrow().refuse(vm, &entry.name, most);
        if let Some(message) = full {
            return Err(Refusal { code: RefusalCode::ViewerLimit, message });
        }
        let (domid, role) = (entry.domain.number(), session.role);
        let draft = self.draft_console(vm, protocol, from, role == Role::Admin);
        let visit = Visit {
            user: session.user,
            address,
            vm,
            life,
            domid,
            protocol: protocol.word(),
            by_converter: matches!(draft, Draft::Console(..)),
            view_only: view_only || role == Role::Viewer,
        };
        let (sessions, visits) = (Rc::clone(&self.front.sessions), Rc::clone(&self.front.visits));
        Ok(Draft::Open(Opening { draft: Box::new(draft), key, visit, sessions, visits }))
    }

    /// The VM, and which of its consoles, that a URL means. A VM's uuid goes before a console's.
    fn find_console(&self, target: Target) -> Result<(Uuid, ConsoleProtocol), Refusal> {
        let unknown_uuid = |uuid: Uuid| {
            let message = format!("no VM and no console has the uuid {uuid}");
            Refusal { code: RefusalCode::UnknownObject, message }
        };
        match target {
            Target::Uuid(uuid) if self.records.book().get(uuid).is_some() => {
                Ok((uuid, ConsoleProtocol::Rfb))
            }
            // A console's uuid comes from its VM's, so that one which has no console now is known.
            Target::Uuid(uuid) => {
                let protocols = [ConsoleProtocol::Rfb, ConsoleProtocol::Vt100];
                let mut all = self
                    .records
                    .book()
                    .records()
                    .flat_map(|(vm, _)| protocols.map(|protocol| (vm, protocol)));
                let found = all.find(|(vm, protocol)| Console::uuid_of(*vm, *protocol) == uuid);
                found.ok_or_else(|| unknown_uuid(uuid))
            }
            Target::Reference(reference) => match self.front.ledger.get(reference) {
                Some(Object::Vm(vm)) => Ok((vm.uuid, ConsoleProtocol::Rfb)),
                Some(Object::Console(console)) => match self.front.ledger.get(console.vm) {
                    Some(Object::Vm(vm)) => Ok((vm.uuid, console.protocol)),
                    Some(_) | None => Err(unknown(reference)),
                },
                Some(Object::Pool(_) | Object::Host(_) | Object::Task(_)) | None => {
                    Err(unknown(reference))
                }
            },
        }
    }
}

/// Whose console it is: root's tools have all of them, and no session.
pub(crate) fn may_open_the_hosts(by: Uid) -> bool {
    by.is_root()
}

fn no_session() -> Refusal {
    let message = "there is no such session, or it has expired".to_owned();
    Refusal { code: RefusalCode::NoSession, message }
}

//! What CONTROL asks of the process rather than of the store: another program in its place, and a log.
//!
//! Who may ask was decided by the store: dom0 alone.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use xenstore_store::Answer;
use xenstore_wire::{ErrorCode, Message, Operation, Reply};

use super::{Server, ServerError};
use crate::door::Door;
use crate::handover::Arrival;
use crate::live_update::{Started, Step};
use crate::peer::Held;

/// The process has an empty root and opens nothing.
const NO_FILES: &str =
    "this store can open no file: its log is its service's, and a report is an answer";

/// Who goes on from here.
enum Verdict {
    /// Another program's store: this one is to end.
    Another,
    /// This one, for that reason.
    This(String),
}

impl Server {
    /// The answer to a request about the process; none where it is yet to come, or another process
    /// will give it.
    pub(super) fn control(
        &mut self,
        number: u64,
        message: &Message,
        words: &[Vec<u8>],
        now: Duration,
    ) -> Result<Option<Answer>, ServerError> {
        let words: Option<Vec<&str>> = words.iter().map(|word| str::from_utf8(word).ok()).collect();
        let text = match words.as_deref() {
            Some(["live-update", words @ ..]) => {
                match self.update.hear(number, words, self.installed.as_deref(), now) {
                    Step::Answer(text) => text,
                    Step::Start(started) => match self.start_update(number, started, now)? {
                        Some(text) => text,
                        None => {
                            self.wait_for_update(number, message, started);
                            return Ok(None);
                        }
                    },
                }
            }
            Some(["log"]) => format!("{}\n", if self.logs { "+io" } else { "-io" }),
            Some(["log", switch @ ("on" | "+io" | "off" | "-io")]) => {
                self.logs = matches!(*switch, "on" | "+io");
                "OK".to_owned()
            }
            Some(["logfile" | "memreport", _]) => NO_FILES.to_owned(),
            Some(_) | None => return Ok(Some(answer(Reply::Error(ErrorCode::Einval)))),
        };
        Ok(Some(answer(Reply::Text(text.into_bytes()))))
    }

    /// Has another program go on, where it may by now: the answer, and none where it is not known yet.
    fn start_update(
        &mut self,
        number: u64,
        started: Started,
        now: Duration,
    ) -> Result<Option<String>, ServerError> {
        let open = self.store.in_transactions();
        if !open.is_empty() && now < started.until {
            return Ok(None);
        }
        let text = if open.is_empty() || started.force {
            match self.ask_for_update(now)? {
                Verdict::Another => {
                    self.is_followed = true;
                    "OK".to_owned()
                }
                Verdict::This(reason) => reason,
            }
        } else {
            let open: Vec<String> = open.iter().map(ToString::to_string).collect();
            format!("domains with transactions open for too long: {}", open.join(" "))
        };
        self.update.forget(number);
        Ok(Some(text))
    }

    fn wait_for_update(&mut self, number: u64, message: &Message, started: Started) {
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.hold(Held::Request(message.clone()));
            self.waiting.wait(number, started.until);
        }
    }

    /// Looks again whether an update that waits may happen: a transaction may have ended.
    pub(super) fn look_at_update(&mut self) {
        if let Some(number) = self.update.waits()
            && self.store.in_transactions().is_empty()
        {
            self.line_up(number);
        }
    }

    /// Has the parent try the installed program on what is written down, and go on with it. Nothing
    /// else is done meanwhile: what is tried is what that program's store would go on from.
    fn ask_for_update(&mut self, now: Duration) -> Result<Verdict, ServerError> {
        self.commit();
        if self.ledger.is_none() {
            return Ok(Verdict::This(
                "the store has outgrown what another could go on from".into(),
            ));
        }
        let Some(door) = &self.door else {
            return Err(ServerError::Update(io::ErrorKind::NotConnected.into()));
        };
        // Who was given up in this turn must not come back as somebody new.
        self.let_go.retain(|number| !door.let_go(*number));
        while let Err(error) = door.ask_for_update(self.update.options()) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(ServerError::Update(error));
            }
            // The parent has yet to take what it was told before.
            wait_for(door, PollFlags::POLLOUT)?;
        }
        let mut came = Vec::new();
        let verdict = loop {
            match door.accept() {
                Ok(Arrival::Granted) => return Ok(Verdict::Another),
                Ok(Arrival::Refused(reason)) => break Verdict::This(reason),
                Ok(Arrival::Client(client, caller, parents)) => {
                    came.push((client, caller, parents))
                }
                Ok(Arrival::Nobody | Arrival::AllThere) => (),
                // Told to end, as it is heard again.
                Ok(Arrival::End) => break Verdict::This("the store ends".to_owned()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(door, PollFlags::POLLIN)?;
                }
                Err(error) => return Err(ServerError::Update(error)),
            }
        };
        for (client, caller, parents) in came {
            self.welcome(client, caller, parents, now);
        }
        Ok(verdict)
    }

    /// Writes what is asked and answered, where that is wanted.
    pub(super) fn log(&self, number: u64, message: &Message, reply: &Reply) {
        if !self.logs {
            return;
        }
        let domain = self.peers.get(&number).and_then(|peer| self.store.caller(peer.id));
        let domain = domain.map_or_else(String::new, |caller| caller.domain().to_string());
        let operation = message.operation().map_or("?", Operation::name);
        let answer = match reply {
            Reply::Error(code) => code.name(),
            _ => "OK",
        };
        let shown = message.payload.get(..LOGGED_BYTES_MAX).unwrap_or(&message.payload);
        let shown = shown.escape_ascii();
        eprintln!("xenstored: io {number} domain {domain} {operation} {shown}: {answer}");
    }
}

fn wait_for(door: &Door, events: PollFlags) -> Result<(), ServerError> {
    let mut fds = [PollFd::new(door.as_fd(), events)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(ServerError::Wait(errno)),
    }
}

/// So much of a request is logged: the path, and how its value begins.
const LOGGED_BYTES_MAX: usize = 256;

fn answer(reply: Reply) -> Answer {
    Answer { reply, notices: vec![], ended: vec![] }
}

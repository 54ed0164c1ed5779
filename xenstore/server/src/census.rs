//! Which domains live, asked by the store and answered by its parent, in packets.
//!
//! The parent's answers are the hypervisor's; it answers nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use xenstore_hypervisor::Lives;
use xenstore_store::Life;
use xenstore_wire::DomainId;

/// Domains that are asked after in one packet; more are asked after in several.
const DOMAINS_MAX: usize = 512;
const QUESTION_BYTES: usize = size_of::<u16>();
/// How the domain is, and its identity.
const ANSWER_BYTES: usize = 1 + size_of::<u128>();

const RUNNING: u8 = 0;
const SHUT_DOWN: u8 = 1;
const GONE: u8 = 2;
/// A packet of this alone: it has no answer's length.
const NO_ANSWER: u8 = u8::MAX;

/// The store's end.
#[derive(Debug)]
pub(crate) struct Asking {
    parent: File,
}

/// The parent's end.
#[derive(Debug)]
pub(crate) struct Answering {
    store: OwnedFd,
    lives: Box<dyn Lives>,
}

impl Asking {
    /// Asks over a socket of packets, which gives up waiting after a time of its own.
    pub(crate) fn new(parent: OwnedFd) -> Self {
        Self { parent: parent.into() }
    }
}

impl Lives for Asking {
    fn lives(&mut self, domains: &[DomainId]) -> io::Result<Vec<Life>> {
        let mut lives = Vec::with_capacity(domains.len());
        for domains in domains.chunks(DOMAINS_MAX) {
            let question: Vec<u8> =
                domains.iter().flat_map(|domain| domain.number().to_le_bytes()).collect();
            self.parent.write_all(&question)?;
            let mut answer = vec![0; domains.len() * ANSWER_BYTES];
            let size = loop {
                match self.parent.read(&mut answer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                    read => break read?,
                }
            };
            if size != answer.len() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let answers = answer.as_chunks::<ANSWER_BYTES>().0;
            lives.extend(answers.iter().map(decode));
        }
        Ok(lives)
    }
}

impl Answering {
    /// Answers over a socket of packets.
    pub(crate) fn new(store: OwnedFd, lives: Box<dyn Lives>) -> Self {
        Self { store, lives }
    }

    /// Answers a question that has come; false when none will come any more. It never waits: a
    /// store that asks without taking its answers is an error.
    ///
    /// In place of one that couldn't be had comes one that is none.
    pub(crate) fn answer(&mut self) -> io::Result<bool> {
        let mut question = [0; DOMAINS_MAX * QUESTION_BYTES];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let size = match recv(self.store.as_raw_fd(), &mut question, flags) {
            Ok(0) => return Ok(false),
            Ok(size) => size,
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        };
        let numbers = question.get(..size).unwrap_or_default().as_chunks::<QUESTION_BYTES>().0;
        let domains = numbers.iter().map(|number| DomainId::new(u16::from_le_bytes(*number)));
        let lives = match domains.collect::<Result<Vec<_>, _>>() {
            Ok(domains) => self.lives.lives(&domains),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        };
        let answer: Vec<u8> = match &lives {
            Ok(lives) => lives.iter().flat_map(encode).collect(),
            Err(error) => {
                eprintln!("xenstored: ask Xen which domains live: {error}");
                Vec::from([NO_ANSWER])
            }
        };
        // A packet goes whole or not at all.
        send(self.store.as_raw_fd(), &answer, flags)?;
        Ok(true)
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.store
    }
}

fn encode(life: &Life) -> [u8; ANSWER_BYTES] {
    let (state, identity) = match life {
        Life::Running(identity) => (RUNNING, *identity),
        Life::ShutDown(identity) => (SHUT_DOWN, *identity),
        Life::Gone => (GONE, 0),
    };
    let mut bytes = [0; ANSWER_BYTES];
    bytes[0] = state;
    bytes[1..].copy_from_slice(&identity.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; ANSWER_BYTES]) -> Life {
    let [state, identity @ ..] = *bytes;
    let identity = u128::from_le_bytes(identity);
    match state {
        RUNNING => Life::Running(identity),
        SHUT_DOWN => Life::ShutDown(identity),
        // There are three, and the parent is trusted.
        _ => Life::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// Knows of a domain what its number says.
    #[derive(Debug)]
    struct ByNumber;

    impl Lives for ByNumber {
        fn lives(&mut self, domains: &[DomainId]) -> io::Result<Vec<Life>> {
            if domains.iter().any(|domain| domain.number() == 13) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let life = |domain: &DomainId| match domain.number() % 3 {
                0 => Life::Running(u128::MAX - u128::from(domain.number())),
                1 => Life::ShutDown(u128::from(domain.number())),
                _ => Life::Gone,
            };
            Ok(domains.iter().map(life).collect())
        }
    }

    fn pair() -> (Asking, OwnedFd) {
        let kind = SockType::SeqPacket;
        let (parent, store) =
            socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).expect("a pair");
        (Asking::new(store), parent)
    }

    fn domains(numbers: impl Iterator<Item = u16>) -> Vec<DomainId> {
        numbers.map(|number| DomainId::new(number).expect("a domain's number")).collect()
    }

    #[test]
    fn every_domain_is_answered_for_however_many_there_are() {
        let (mut asking, parent) = pair();
        let parent = thread::spawn(move || {
            let mut answering = Answering::new(parent, Box::new(ByNumber));
            let mut goes_on = true;
            while goes_on {
                let mut asked = [PollFd::new(answering.socket().as_fd(), PollFlags::POLLIN)];
                poll(&mut asked, PollTimeout::NONE).expect("it can be waited for");
                goes_on = answering.answer().expect("the store lives");
            }
        });
        for count in [0, 1, 512, 513, 2000] {
            let domains = domains(100..100 + count);
            let expected = ByNumber.lives(&domains).expect("no thirteen");
            assert_eq!(asking.lives(&domains).expect("an answer"), expected);
        }
        let failed = asking.lives(&domains(12..14)).expect_err("there is no answer");
        assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
        drop(asking);
        parent.join().expect("it ends with the store");
    }

    #[test]
    fn a_store_that_takes_no_answers_does_not_hold_the_parent_up() {
        let (mut asking, parent) = pair();
        let mut answering = Answering::new(parent, Box::new(ByNumber));
        assert!(answering.answer().expect("nothing was asked yet"));
        let failed = (0..10_000).find_map(|_| {
            asking.parent.write_all(&[5, 0].repeat(DOMAINS_MAX)).expect("the parent takes it");
            answering.answer().err()
        });
        assert_eq!(failed.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }

    #[test]
    fn a_parent_that_is_gone_is_an_error() {
        let (mut asking, parent) = pair();
        drop(parent);
        assert!(asking.lives(&domains(1..2)).is_err());
    }
}

//! A server, its dom0 and its guests, and turns that are taken until nothing is left to be done.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use xenstore_hypervisor::fake::{FakeHypervisor, Guest, Machine};
use xenstore_store::{Caller, Life, Limits};
use xenstore_wire::{Decoder, DomainId, Message, Operation, PAYLOAD_MAX, Progress};

use crate::door::Door;
use crate::guests::Guests;
use crate::handover;
use crate::ledger::{self, Ledger};
use crate::server::{Before, Go, Server, ServerError};
use crate::wakeups::Sleep;

/// More turns than anything takes that ends by itself.
const TURNS_MAX: usize = 20_000;

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) server: Server,
    pub(super) now: Duration,
    pub(super) kernel: Speaker<Guest>,
    dom0: Speaker<UnixStream>,
    last_identity: u128,
    /// What outlives the server.
    memory: OwnedFd,
}

/// Whoever speaks to the store, and what it has heard.
pub(super) struct Speaker<End> {
    pub(super) end: End,
    decoder: Decoder,
    last_request: u32,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let machine = Machine::default();
        let kernel = Speaker::new(machine.start(DomainId::DOM0, 0));
        let memory = ledger::create().expect("memory");
        let server = serve(&machine, &memory, limits).expect("a server");
        Self::around(machine, kernel, memory, server)
    }

    /// A server that goes on from what an earlier one left; refused where that makes no sense.
    #[cfg(feature = "fuzz")]
    pub(super) fn going_on(left: &[u8]) -> Result<Self, ServerError> {
        let machine = Machine::default();
        let kernel = Speaker::new(machine.start(DomainId::DOM0, 0));
        let memory = ledger::create().expect("memory");
        ledger::forge(&memory, left).expect("memory");
        let server = serve(&machine, &memory, Limits::default())?;
        Ok(Self::around(machine, kernel, memory, server))
    }

    fn around(
        machine: Machine,
        kernel: Speaker<Guest>,
        memory: OwnedFd,
        mut server: Server,
    ) -> Self {
        let dom0 = connect(&mut server, Caller::Dom0);
        let mut world =
            Self { machine, server, now: Duration::ZERO, kernel, dom0, last_identity: 100, memory };
        world.run();
        world
    }

    /// Has a domain's life change while no server is there.
    pub(super) fn die_unheard(&mut self, domain: DomainId, life: Life) {
        let gone = Server::new(None, None, Limits::default(), None).expect("a server");
        drop(std::mem::replace(&mut self.server, gone));
        self.machine.set_life(domain, life);
        self.kill();
    }

    /// Has the server end without a word, and another one go on. Clients on sockets are gone.
    pub(super) fn kill(&mut self) {
        let gone = Server::new(None, None, Limits::default(), None).expect("a server");
        drop(std::mem::replace(&mut self.server, gone));
        self.server = serve(&self.machine, &self.memory, Limits::default()).expect("a server");
        self.dom0 = connect(&mut self.server, Caller::Dom0);
        self.run();
    }

    /// Has the server end without a word, and one go on that a parent can talk to: its end.
    pub(super) fn begin_behind_a_door(&mut self, installed: &str) -> OwnedFd {
        let gone = Server::new(None, None, Limits::default(), None).expect("a server");
        drop(std::mem::replace(&mut self.server, gone));
        let kind = SockType::SeqPacket;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (parent, store) = socketpair(AddressFamily::Unix, kind, None, flags).expect("a pair");
        handover::send_all_there(parent.as_fd()).expect("there is room");
        let guests = hypervisor(&self.machine);
        let ledger = Ledger::open(&self.memory).expect("a ledger");
        let door = Some(Door::Parent(store));
        let server = Server::new(door, Some(guests), Limits::default(), Some(ledger));
        self.server = server.expect("a server").followed_by(Some(installed.to_owned()));
        self.dom0 = connect(&mut self.server, Caller::Dom0);
        self.run();
        parent
    }

    /// Has dom0 ask for something that ends the server.
    pub(super) fn end_by(&mut self, request: &str) {
        let bytes = self.dom0.encode(request);
        self.dom0.end.write_all(&bytes).expect("the server listens");
        for _ in 0..TURNS_MAX {
            let wakes = self.server.wakeups.wait(Sleep::NotAtAll).expect("nothing to wait for");
            if self.server.act(wakes, self.now).expect("the server goes on") == Go::Stop {
                return;
            }
        }
        panic!("the server never ends");
    }

    /// Has the server crash at somebody's request, and another one go on.
    pub(super) fn crash(&mut self, number: u64) {
        self.server.do_for(number);
        let gone = Server::new(None, None, Limits::default(), None).expect("a server");
        drop(std::mem::replace(&mut self.server, gone));
        let ledger = Some(Ledger::open(&self.memory).expect("a ledger"));
        let guests = Some(hypervisor(&self.machine));
        let before = Before { stream: None, crash: true };
        let server = Server::follow(None, guests, Limits::default(), ledger, &before);
        self.server = server.expect("a server");
        self.dom0 = connect(&mut self.server, Caller::Dom0);
        self.run();
    }

    /// Has the server end without a word, and another one go on from a stream alone.
    pub(super) fn follow(&mut self, stream: &[u8]) {
        let gone = Server::new(None, None, Limits::default(), None).expect("a server");
        drop(std::mem::replace(&mut self.server, gone));
        self.memory = ledger::create().expect("memory");
        let ledger = Some(Ledger::open(&self.memory).expect("a ledger"));
        let guests = Some(hypervisor(&self.machine));
        let before = Before { stream: Some(stream), crash: false };
        let server = Server::follow(None, guests, Limits::default(), ledger, &before);
        self.server = server.expect("a server");
        self.dom0 = connect(&mut self.server, Caller::Dom0);
        self.run();
    }

    /// A domain that runs, has its home, and is introduced.
    pub(super) fn guest(&mut self, number: u16) -> Speaker<Guest> {
        let guest = self.start(number);
        let introduced = self.introduce(&guest);
        assert_eq!(introduced, "OK|");
        guest
    }

    /// A domain that runs and has its home.
    pub(super) fn start(&mut self, number: u16) -> Speaker<Guest> {
        self.last_identity += 1;
        let domain = DomainId::new(number).expect("a domain's number");
        let guest = self.machine.start(domain, self.last_identity);
        self.dom0(&format!("MKDIR /local/domain/{number}|"));
        self.dom0(&format!("SET_PERMS /local/domain/{number}|n{number}|"));
        Speaker::new(guest)
    }

    pub(super) fn introduce(&mut self, guest: &Speaker<Guest>) -> String {
        self.dom0(&format!("INTRODUCE {}|1|{}|", guest.end.domain(), guest.end.port()))
    }

    /// The number that the domain that was started last is told by.
    pub(super) fn identity(&self) -> u128 {
        self.last_identity
    }

    /// A client on a socket, on somebody's behalf.
    pub(super) fn client(&mut self, caller: Caller) -> Speaker<UnixStream> {
        connect(&mut self.server, caller)
    }

    /// Takes turns until there is nothing to do but to wait.
    pub(super) fn run(&mut self) {
        for _ in 0..TURNS_MAX {
            let wakes = self.server.wakeups.wait(Sleep::NotAtAll).expect("nothing to wait for");
            let quiet = wakes.is_empty()
                && self.server.line.is_empty()
                && self.server.touched.is_empty()
                && self.server.due(self.now).is_empty();
            if quiet {
                return;
            }
            let go = self.server.act(wakes, self.now).expect("the server goes on");
            assert_eq!(go, Go::On);
        }
        panic!("the server never rests");
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.run();
    }

    /// What dom0 gets for an answer, events left out.
    pub(super) fn dom0(&mut self, request: &str) -> String {
        let bytes = self.dom0.encode(request);
        self.dom0.end.write_all(&bytes).expect("the server listens");
        self.run();
        let heard = self.dom0.hear();
        heard.into_iter().find(|line| !line.starts_with('!')).expect("an answer")
    }

    /// What has come for dom0 that it didn't ask for.
    pub(super) fn dom0_hears(&mut self) -> Vec<String> {
        self.run();
        self.dom0.hear()
    }

    /// What a guest gets for a request that it sends whole, with a kick.
    pub(super) fn ask(&mut self, guest: &mut Speaker<Guest>, request: &str) -> String {
        guest.send(request);
        self.run();
        let heard = guest.hear();
        assert_eq!(heard.len(), 1, "{request}: {heard:?}");
        heard.into_iter().next().unwrap_or_default()
    }

    /// What a client on a socket gets for a request.
    pub(super) fn ask_on(&mut self, client: &mut Speaker<UnixStream>, request: &str) -> String {
        let bytes = client.encode(request);
        client.end.write_all(&bytes).expect("the server listens");
        self.run();
        client.hear().into_iter().next().unwrap_or_default()
    }
}

fn hypervisor(machine: &Machine) -> Guests {
    Guests::new(Box::new(FakeHypervisor::new(machine))).expect("a hypervisor")
}

fn serve(machine: &Machine, memory: &OwnedFd, limits: Limits) -> Result<Server, ServerError> {
    let guests = hypervisor(machine);
    let ledger = Ledger::open(memory).expect("a ledger");
    Server::new(None, Some(guests), limits, Some(ledger))
}

fn connect(server: &mut Server, caller: Caller) -> Speaker<UnixStream> {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    for end in [&ours, &theirs] {
        end.set_nonblocking(true).expect("a socket");
    }
    server.welcome(theirs, caller, None, Duration::ZERO);
    Speaker::new(ours)
}

impl<End> Speaker<End> {
    pub(super) fn new(end: End) -> Self {
        Self { end, decoder: Decoder::new(PAYLOAD_MAX), last_request: 0 }
    }

    /// A request's bytes: `OPERATION payload`, or `OPERATION@7 payload` within transaction 7; `|` in
    /// a payload is a NUL.
    pub(super) fn encode(&mut self, request: &str) -> Vec<u8> {
        self.last_request += 1;
        let (operation, payload) = request.split_once(' ').unwrap_or((request, ""));
        let (operation, transaction) = operation.split_once('@').unwrap_or((operation, "0"));
        let known = Operation::ALL.iter().find(|known| known.name() == operation);
        let number = known.expect("an operation's name").number();
        let payload = payload.replace('|', "\0");
        let length = u32::try_from(payload.len()).expect("a short payload");
        let transaction: u32 = transaction.parse().expect("a number");
        let header = [number, self.last_request, transaction, length];
        header.iter().flat_map(|field| field.to_le_bytes()).chain(payload.bytes()).collect()
    }

    /// The messages that bytes complete: an answer as its payload or its error's name, an event
    /// with `! ` before it.
    fn decode(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = vec![];
        let mut rest = bytes;
        loop {
            let (taken, progress) = self.decoder.feed(rest);
            rest = &rest[taken..];
            match progress {
                Progress::Message(message) => lines.push(line(&message)),
                Progress::Need(_) => return lines,
                Progress::Refused(refusal) => panic!("the server speaks nonsense: {refusal}"),
            }
        }
    }
}

fn line(message: &Message) -> String {
    let text = String::from_utf8_lossy(&message.payload).replace('\0', "|");
    match message.operation() {
        Some(Operation::Error) => text.trim_end_matches('|').to_owned(),
        Some(Operation::WatchEvent) => format!("! {text}"),
        Some(_) | None => text,
    }
}

impl Speaker<Guest> {
    /// Writes a whole request and kicks.
    pub(super) fn send(&mut self, request: &str) {
        let bytes = self.encode(request);
        assert_eq!(self.end.write(&bytes), bytes.len(), "the ring is full");
        self.end.kick();
    }

    /// What has come.
    pub(super) fn hear(&mut self) -> Vec<String> {
        let bytes = self.end.read();
        self.decode(&bytes)
    }

    /// Forgets a reply that was half read: it begins anew.
    pub(super) fn begin_anew(&mut self) {
        self.decoder = Decoder::new(PAYLOAD_MAX);
    }
}

impl Speaker<UnixStream> {
    /// What has come.
    pub(super) fn hear(&mut self) -> Vec<String> {
        let mut bytes = vec![];
        match self.end.read_to_end(&mut bytes) {
            Ok(_) => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => panic!("read what the server says: {error}"),
        }
        self.decode(&bytes)
    }
}

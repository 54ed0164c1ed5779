//! A store and named callers that talk to it in payloads as people write them: `|` for NUL.

use std::collections::BTreeMap;
use std::time::Duration;

use xenstore_store::{Answer, Caller, ConnectionId, Limits, Notice, Outcome, Store, Way};
use xenstore_wire::{DomainId, Message, Operation, Reply, TransactionId};

/// A store, and who is connected to it under which name.
pub(crate) struct Dialogue {
    pub(crate) store: Store,
    pub(crate) now: Duration,
    callers: BTreeMap<String, ConnectionId>,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The error's name, or the reply's payload.
    pub(crate) reply: String,
    /// Who heard of what, as `who name|token|`.
    pub(crate) notices: Vec<String>,
}

impl Dialogue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { store: Store::new(limits), now: Duration::ZERO, callers: BTreeMap::new() }
    }

    /// The connection of `dom5`, or of `dom5.another`, opened when the name comes up.
    pub(crate) fn caller(&mut self, who: &str) -> ConnectionId {
        if let Some(id) = self.callers.get(who) {
            return *id;
        }
        let number = who.strip_prefix("dom").expect("callers are called dom<number>");
        let number = number.split('.').next().unwrap_or(number);
        let caller = match DomainId::parse(number.as_bytes()).expect("a domain id") {
            DomainId::DOM0 => Caller::Dom0,
            domain => Caller::Domain(domain),
        };
        let id = self.store.connect(caller, Way::Socket, self.now);
        self.callers.insert(who.to_owned(), id);
        id
    }

    /// Asks something and takes whatever the store says.
    pub(crate) fn ask(&mut self, who: &str, transaction: u32, request: &str) -> Outcome {
        let (operation, payload) = request.split_once(' ').unwrap_or((request, ""));
        let message = Message {
            number: number_of(operation),
            request_id: 0,
            transaction: TransactionId(transaction),
            payload: payload.replace('|', "\0").into_bytes(),
        };
        let from = self.caller(who);
        self.store.handle(from, &message, self.now)
    }

    /// Asks something within a transaction that is answered at once.
    pub(crate) fn say_in(&mut self, who: &str, transaction: u32, request: &str) -> Heard {
        match self.ask(who, transaction, request) {
            Outcome::Answered(answer) => self.heard(&answer),
            Outcome::Introduce(introduction) => {
                let answer = self.store.introduce(introduction, self.now);
                self.heard(&answer)
            }
            Outcome::Process(words) => panic!("that is not the store's to answer: {words:?}"),
            Outcome::Waiting(wait) => panic!("{who} has to wait {wait:?}: {request}"),
            Outcome::Ended => panic!("{who} has gone: {request}"),
        }
    }

    /// Asks something that is answered at once.
    pub(crate) fn say(&mut self, who: &str, request: &str) -> Heard {
        self.say_in(who, 0, request)
    }

    /// The reply alone.
    pub(crate) fn reply(&mut self, who: &str, request: &str) -> String {
        self.say(who, request).reply
    }

    fn heard(&self, answer: &Answer) -> Heard {
        let reply = match &answer.reply {
            Reply::Error(code) => code.name().to_owned(),
            reply => payload(|out| reply.encode(0, TransactionId::NONE, out)),
        };
        Heard { reply, notices: answer.notices.iter().map(|notice| self.written(notice)).collect() }
    }

    fn written(&self, notice: &Notice) -> String {
        let who = self.callers.iter().find(|(_, id)| **id == notice.to);
        let (who, _) = who.expect("only callers hear");
        format!("{who} {}", payload(|out| notice.event.encode(out)))
    }
}

/// The number of an operation's name, or a number as it is.
fn number_of(operation: &str) -> u32 {
    let known = Operation::ALL.iter().find(|known| known.name() == operation);
    known
        .map(|known| known.number())
        .or_else(|| operation.parse().ok())
        .unwrap_or_else(|| panic!("no operation is called {operation}"))
}

/// What follows the header of an encoded message, as people write it.
fn payload<E: std::fmt::Debug>(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> String {
    let mut bytes = vec![];
    encode(&mut bytes).expect("it fits one message");
    String::from_utf8_lossy(&bytes[16..]).replace('\0', "|")
}

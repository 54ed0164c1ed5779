//! One connection: a task that sends requests, matches replies to them, and passes events on.
//!
//! Which reply fits which request's meaning is for the calls.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use xenstore_wire::{
    Decoder, Message, Operation, Progress, Reply, ReplyRefusal, Request, TransactionId, WatchEvent,
};

use crate::error::{Attempt, ClientError, Ending};
use crate::events::{self, Events, Feed};

/// The longest payload of a reply. Today's protocol ends at 4096 bytes; older oxenstored, and the
/// one of XenServer, send the whole listing of a large directory.
const REPLY_MAX: usize = 64 * 1024;
/// The most requests under way; the next call waits. It hides any latency of a local socket, and
/// with 4 KiB each holds at most a megabyte.
const UNDER_WAY_MAX: usize = 256;
/// What one read takes: several replies of the usual size.
const READ_SIZE: usize = 16 * 1024;

/// A handle to the connection's task, which ends when the last handle goes.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    calls: mpsc::UnboundedSender<Call>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    next_id: AtomicU32,
    /// Bounds the calls that the channel above may hold, save for the ends of transactions, of
    /// which there are no more than transactions.
    slots: Arc<Semaphore>,
    /// Set before any waiting call is told.
    ending: OnceLock<Ending>,
}

/// A transaction that the store has opened. Dropped, it is abandoned in the background.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    id: TransactionId,
    connection: Connection,
    ended: bool,
}

/// A request on its way to the task.
#[derive(Debug)]
struct Call {
    request_id: u32,
    bytes: Vec<u8>,
    waiting: Waiting,
}

/// A request whose reply has not come.
#[derive(Debug)]
struct Waiting {
    operation: Operation,
    answer: oneshot::Sender<Answer>,
    /// Given back when the reply has come, not when the caller loses interest.
    _slot: Option<OwnedSemaphorePermit>,
}

/// What came for a request.
#[derive(Debug)]
struct Answer {
    reply: Result<Reply, ReplyRefusal>,
    /// Travels as a value that ends itself, so that no caller who gives up, at whatever moment,
    /// leaves a transaction open in the store.
    opened: Option<OpenTransaction>,
}

/// Starts the task of a connection on the current runtime.
pub(crate) fn start(stream: UnixStream) -> (Connection, Events) {
    let (calls, incoming) = mpsc::unbounded_channel();
    let (feed, events) = events::queue();
    let shared = Arc::new(Shared {
        next_id: AtomicU32::new(1),
        slots: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        ending: OnceLock::new(),
    });
    let driver = Driver {
        incoming,
        calls: calls.downgrade(),
        shared: Arc::clone(&shared),
        feed,
        decoder: Decoder::new(REPLY_MAX),
        waiting: HashMap::new(),
        output: Vec::new(),
    };
    tokio::spawn(driver.run(stream));
    (Connection { calls, shared }, events)
}

impl Connection {
    /// Sends a request and waits for its reply; a refusal is an error.
    pub(crate) async fn call(
        &self,
        transaction: TransactionId,
        request: &Request,
    ) -> Result<Reply, ClientError> {
        let slot = self.slot().await?;
        let answer = self.send(transaction, request, Some(slot))?;
        let answer = answer.await.map_err(|_| self.disconnected())?;
        judge(request, answer.reply)
    }

    /// Opens a transaction.
    pub(crate) async fn open(&self) -> Result<OpenTransaction, ClientError> {
        let request = Request::TransactionStart;
        let slot = self.slot().await?;
        let answer = self.send(TransactionId::NONE, &request, Some(slot))?;
        let answer = answer.await.map_err(|_| self.disconnected())?;
        let reply = judge(&request, answer.reply)?;
        answer.opened.ok_or_else(|| unexpected(&request, &reply))
    }

    /// Resolves when the task has ended.
    pub(crate) async fn closed(&self) {
        self.calls.closed().await;
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, ClientError> {
        let slots = Arc::clone(&self.shared.slots);
        slots.acquire_owned().await.map_err(|_| self.disconnected())
    }

    /// Hands a request to the task, without waiting.
    fn send(
        &self,
        transaction: TransactionId,
        request: &Request,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<oneshot::Receiver<Answer>, ClientError> {
        // Numbers come round after 2^32 requests, of which few can still be under way.
        let request_id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        request
            .encode(request_id, transaction, &mut bytes)
            .map_err(|_| ClientError::TooLong { attempt: Attempt::of(request) })?;
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting { operation: request.operation(), answer, _slot: slot };
        self.calls.send(Call { request_id, bytes, waiting }).map_err(|_| self.disconnected())?;
        Ok(receiver)
    }

    fn disconnected(&self) -> ClientError {
        ClientError::Disconnected(self.shared.ending.get().cloned().unwrap_or(Ending::Stopped))
    }
}

fn judge(request: &Request, reply: Result<Reply, ReplyRefusal>) -> Result<Reply, ClientError> {
    match reply {
        Ok(Reply::Error(code)) => Err(ClientError::Refused { attempt: Attempt::of(request), code }),
        Ok(reply) => Ok(reply),
        Err(refusal) => {
            Err(ClientError::Malformed { attempt: Attempt::of(request), source: Some(refusal) })
        }
    }
}

/// The error for a reply whose kind is not the one that the request's operation has.
///
/// The task compares the operations' numbers, so only a table that drifted could lead here.
pub(crate) fn unexpected(request: &Request, reply: &Reply) -> ClientError {
    let source = ReplyRefusal::Malformed(reply.operation());
    ClientError::Malformed { attempt: Attempt::of(request), source: Some(source) }
}

impl OpenTransaction {
    pub(crate) fn id(&self) -> TransactionId {
        self.id
    }

    /// Ends the transaction and waits for the store's verdict.
    pub(crate) async fn end(mut self, commit: bool) -> Result<(), ClientError> {
        self.ended = true;
        let request = Request::TransactionEnd { commit };
        let answer = self.connection.send(self.id, &request, None)?;
        let answer = answer.await.map_err(|_| self.connection.disconnected())?;
        judge(&request, answer.reply).map(|_| ())
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if !self.ended {
            let abandon = Request::TransactionEnd { commit: false };
            // Nobody waits for the verdict; where the connection has ended, so has the transaction.
            drop(self.connection.send(self.id, &abandon, None));
        }
    }
}

/// The task's state.
struct Driver {
    incoming: mpsc::UnboundedReceiver<Call>,
    /// Weak, so that the last handle's going ends the task.
    calls: mpsc::WeakUnboundedSender<Call>,
    shared: Arc<Shared>,
    feed: Feed,
    decoder: Decoder,
    waiting: HashMap<u32, Waiting>,
    output: Vec<u8>,
}

impl Driver {
    async fn run(mut self, stream: UnixStream) {
        if let Err(ending) = self.serve(stream).await {
            // The only place that sets it, once.
            self.shared.ending.get_or_init(|| ending);
        }
        // Everything that waited is dropped with `self`, and thereby told.
    }

    /// Serves until the connection ends, or until nobody can call any more.
    async fn serve(&mut self, mut stream: UnixStream) -> Result<(), Ending> {
        let (mut reader, mut writer) = stream.split();
        let mut input = vec![0; READ_SIZE];
        loop {
            tokio::select! {
                call = self.incoming.recv() => match call {
                    Some(call) => self.accept(call),
                    None => return Ok(()),
                },
                read = reader.read(&mut input) => match read {
                    Ok(0) => return Err(Ending::Closed),
                    Ok(length) => self.take(input.get(..length).unwrap_or_default())?,
                    Err(error) => return Err(failed(error)),
                },
                written = writer.write(&self.output), if !self.output.is_empty() => match written {
                    Ok(length) => drop(self.output.drain(..length)),
                    // The reader says how it ended, after what came before.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.output.clear(),
                    Err(error) => return Err(failed(error)),
                },
            }
        }
    }

    /// Queues a call and every other that is there, so that one write carries them all.
    fn accept(&mut self, call: Call) {
        let mut next = Some(call);
        while let Some(Call { request_id, bytes, waiting }) = next {
            self.output.extend_from_slice(&bytes);
            self.waiting.insert(request_id, waiting);
            next = self.incoming.try_recv().ok();
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        loop {
            let (taken, progress) = self.decoder.feed(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            match progress {
                Progress::Need(_) => return Ok(()),
                Progress::Message(message) => self.deliver(&message)?,
                Progress::Refused(refusal) => return Err(Ending::Oversize(refusal)),
            }
        }
    }

    fn deliver(&mut self, message: &Message) -> Result<(), Ending> {
        if message.operation() == Some(Operation::WatchEvent) {
            let event = WatchEvent::parse(&message.payload)
                .map_err(|_| Ending::Breach("a watch event is malformed"))?;
            self.feed.push(event);
            return Ok(());
        }
        let waiting = self
            .waiting
            .remove(&message.request_id)
            .ok_or(Ending::Breach("a reply to no request"))?;
        if message.operation() != Some(Operation::Error)
            && message.operation() != Some(waiting.operation)
        {
            return Err(Ending::Breach("a reply to another operation than was asked for"));
        }
        let reply = Reply::parse(message.number, &message.payload);
        let opened = if let Ok(Reply::Transaction(id)) = reply { self.opened(id) } else { None };
        // A caller that has gone is no reason to stop; what it opened ends itself.
        drop(waiting.answer.send(Answer { reply, opened }));
        Ok(())
    }

    fn opened(&self, id: TransactionId) -> Option<OpenTransaction> {
        let calls = self.calls.upgrade()?;
        let connection = Connection { calls, shared: Arc::clone(&self.shared) };
        Some(OpenTransaction { id, connection, ended: false })
    }
}

fn failed(error: io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::ConnectionReset => Ending::Closed,
        _ => Ending::Failed(Arc::new(error)),
    }
}

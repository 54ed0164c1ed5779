//! The client against a scripted store at the other end of a socket pair.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use xenstore_wire::{
    Component, Decoder, DomainId, ErrorCode, Message, Operation, PAYLOAD_MAX, Path, PathOperation,
    Progress, Reply, Request, Token, TransactionId, Watch, WatchEvent,
};

use crate::{Client, ClientError, Ending, Event, Events};

/// How long any exchange may take before a test calls it stuck.
const STUCK: Duration = Duration::from_secs(10);

/// The store's end of a connection: the test says what it answers, and when.
struct Store {
    stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

impl Store {
    /// The next request, as it stands on the wire.
    async fn message(&mut self) -> Option<Message> {
        loop {
            let (taken, progress) = self.decoder.feed(&self.unread);
            self.unread.drain(..taken);
            match progress {
                Progress::Message(message) => return Some(message),
                Progress::Refused(refusal) => panic!("the client broke the protocol: {refusal}"),
                Progress::Need(_) => {
                    let mut bytes = [0; 4096];
                    match self.stream.read(&mut bytes).await.expect("the pair is whole") {
                        0 => return None,
                        length => self.unread.extend_from_slice(&bytes[..length]),
                    }
                }
            }
        }
    }

    /// The next request, which must be this one.
    async fn expect(&mut self, request: &Request) -> Message {
        let message = self.message().await.expect("a request comes");
        let parsed = Request::parse(message.number, &message.payload, &DomainId::DOM0.home());
        assert_eq!(parsed.as_ref(), Ok(request));
        message
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the client reads");
    }

    async fn answer(&mut self, message: &Message, reply: &Reply) {
        self.send(&reply_bytes(message, reply)).await;
    }

    /// Answers what must come next.
    async fn serve(&mut self, request: &Request, reply: &Reply) -> Message {
        let message = self.expect(request).await;
        self.answer(&message, reply).await;
        message
    }
}

fn pair() -> (Client, Events, Store) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let (client, events) = Client::from_stream(ours);
    let decoder = Decoder::new(PAYLOAD_MAX);
    (client, events, Store { stream: theirs, decoder, unread: vec![] })
}

/// Runs both ends to their end.
async fn both<A, B>(ours: impl Future<Output = A>, theirs: impl Future<Output = B>) -> (A, B) {
    let run = async { tokio::join!(ours, theirs) };
    tokio::time::timeout(STUCK, run).await.expect("the exchange comes to its end")
}

/// What a future says when it is polled once: it must not have to wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it has to wait"),
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(STUCK, future).await.expect("it happens")
}

fn path(text: &str) -> Path {
    text.parse().expect("a path")
}

fn names(texts: &[&str]) -> Vec<Component> {
    texts.iter().map(|text| text.parse().expect("a component")).collect()
}

fn event(at: &str, token: &str) -> WatchEvent {
    let token = Token::new(token.as_bytes()).expect("a token");
    WatchEvent { name: at.parse().expect("a name"), token }
}

fn watch(at: &str, token: &str) -> Watch {
    let WatchEvent { name, token } = event(at, token);
    Watch { name, token }
}

fn read(at: &str) -> Request {
    Request::Path(path(at), PathOperation::Read)
}

fn value(text: &str) -> Reply {
    Reply::Value(text.as_bytes().into())
}

fn reply_bytes(message: &Message, reply: &Reply) -> Vec<u8> {
    let mut bytes = vec![];
    reply.encode(message.request_id, message.transaction, &mut bytes).expect("it fits");
    bytes
}

fn event_bytes(event: &WatchEvent) -> Vec<u8> {
    let mut bytes = vec![];
    event.encode(&mut bytes).expect("it fits");
    bytes
}

/// A message whose header is written by hand, for what the wire crate would not write.
fn raw(number: u32, request_id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let header = [number, request_id, 0, length];
    header.iter().flat_map(|field| field.to_le_bytes()).chain(payload.iter().copied()).collect()
}

#[tokio::test]
async fn a_value_is_read_and_a_refusal_names_what_was_asked_for() {
    let (client, _events, mut store) = pair();
    let ours = async {
        assert_eq!(client.read(&path("/a")).await.expect("a value"), b"1");
        assert_eq!(client.read_optional(&path("/b")).await.expect("no error"), None);
        client.read(&path("/c")).await.expect_err("a refusal")
    };
    let theirs = async {
        store.serve(&read("/a"), &value("1")).await;
        store.serve(&read("/b"), &Reply::Error(ErrorCode::Enoent)).await;
        store.serve(&read("/c"), &Reply::Error(ErrorCode::Eacces)).await;
    };
    let (refused, ()) = both(ours, theirs).await;
    assert_eq!(refused.to_string(), "xenstore refused READ /c");
    assert_eq!(refused.code(), Some(ErrorCode::Eacces));
}

#[tokio::test]
async fn replies_out_of_order_reach_the_calls_they_answer() {
    let (client, _events, mut store) = pair();
    let ours = async {
        let (a, b) = (path("/a"), path("/b"));
        tokio::join!(client.read(&a), client.read(&b))
    };
    let theirs = async {
        let first = store.expect(&read("/a")).await;
        let second = store.expect(&read("/b")).await;
        store.answer(&second, &value("of b")).await;
        store.answer(&first, &value("of a")).await;
    };
    let ((a, b), ()) = both(ours, theirs).await;
    assert_eq!((a.expect("a value"), b.expect("a value")), (b"of a".to_vec(), b"of b".to_vec()));
}

#[tokio::test]
async fn an_event_before_the_reply_is_there_when_the_call_returns() {
    let (client, mut events, mut store) = pair();
    let change = event("/w/x", "t");
    let request = Request::Path(path("/w/x"), PathOperation::Write(b"1"[..].into()));
    let ours = async {
        client.write(&path("/w/x"), b"1").await.expect("written");
        now(events.next())
    };
    let theirs = async {
        let message = store.expect(&request).await;
        let mut bytes = event_bytes(&change);
        bytes.extend(reply_bytes(&message, &Reply::Done(Operation::Write)));
        store.send(&bytes).await;
    };
    let (told, ()) = both(ours, theirs).await;
    assert_eq!(told, Some(Event::Changed(change.clone())));
}

#[tokio::test]
async fn an_event_after_the_reply_is_waited_for() {
    let (client, mut events, mut store) = pair();
    let watched = watch("/w", "t");
    let ours = async {
        client.watch(&watched).await.expect("watched");
        events.next().await
    };
    let theirs = async {
        let message = store.expect(&Request::Watch(watched.clone())).await;
        store.answer(&message, &Reply::Done(Operation::Watch)).await;
        store.send(&event_bytes(&event("/w", "t"))).await;
    };
    let (told, ()) = both(ours, theirs).await;
    assert_eq!(told, Some(Event::Changed(event("/w", "t"))));
}

#[tokio::test]
async fn messages_cut_at_every_byte_are_put_together() {
    let (client, mut events, mut store) = pair();
    let ours = async { (client.read(&path("/a")).await, events.next().await) };
    let theirs = async {
        let message = store.expect(&read("/a")).await;
        let mut bytes = event_bytes(&event("/w", "t"));
        bytes.extend(reply_bytes(&message, &value("whole")));
        for byte in bytes {
            store.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
    };
    let ((read, told), ()) = both(ours, theirs).await;
    assert_eq!(read.expect("a value"), b"whole");
    assert_eq!(told, Some(Event::Changed(event("/w", "t"))));
}

#[tokio::test]
async fn a_listing_above_the_limit_of_today_is_taken_from_older_stores() {
    let (client, _events, mut store) = pair();
    let expected: Vec<String> = (0..1000).map(|number| format!("node{number:05}")).collect();
    let ours = async { client.directory(&path("/big")).await.expect("a listing") };
    let theirs = async {
        let message = store.message().await.expect("a request");
        let payload = expected.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat());
        let payload: Vec<u8> = payload.collect();
        store.send(&raw(Operation::Directory.number(), message.request_id, &payload)).await;
    };
    let (listed, ()) = both(ours, theirs).await;
    assert!(listed.iter().map(Component::as_str).eq(expected.iter().map(String::as_str)));
}

#[tokio::test]
async fn a_reply_above_the_larger_limit_ends_the_connection() {
    let (client, mut events, mut store) = pair();
    let ours = async { (client.read(&path("/a")).await, events.next().await) };
    let theirs = async {
        let message = store.message().await.expect("a request");
        let header = raw(Operation::Read.number(), message.request_id, &[]);
        store.send(&header[..12]).await;
        store.send(&u32::MAX.to_le_bytes()).await;
    };
    let ((read, told), ()) = both(ours, theirs).await;
    assert!(matches!(read, Err(ClientError::Disconnected(Ending::Oversize(_)))), "{read:?}");
    assert_eq!(told, None);
}

#[tokio::test]
async fn a_store_that_goes_in_the_middle_of_a_reply_ends_every_call_and_the_events() {
    let (client, mut events, mut store) = pair();
    let ours = async {
        let (a, b) = (path("/a"), path("/b"));
        let both = tokio::join!(client.read(&a), client.read(&b));
        client.closed().await;
        (both, client.read(&path("/c")).await, events.next().await, events.next().await)
    };
    let theirs = async {
        let message = store.message().await.expect("a request");
        let bytes = reply_bytes(&message, &value("cut"));
        store.send(&event_bytes(&event("/w", "t"))).await;
        store.send(&bytes[..bytes.len() - 1]).await;
        store.message().await.expect("the second request");
        drop(store);
    };
    let (((a, b), later, told, end), ()) = both(ours, theirs).await;
    for result in [a, b, later] {
        assert!(matches!(result, Err(ClientError::Disconnected(Ending::Closed))), "{result:?}");
    }
    assert_eq!(told, Some(Event::Changed(event("/w", "t"))), "what had come is still told");
    assert_eq!(end, None);
}

#[tokio::test]
async fn what_is_not_of_the_protocol_ends_the_connection() {
    let read = Operation::Read.number();
    let breaches = [
        raw(read, 77, b"to no request"),
        raw(Operation::Write.number(), 1, b"OK\0"),
        raw(Operation::WatchEvent.number(), 0, b"no NUL"),
        raw(9999, 1, b""),
    ];
    for breach in breaches {
        let (client, _events, mut store) = pair();
        let ours = async { client.read(&path("/a")).await };
        let theirs = async {
            store.message().await.expect("a request");
            store.send(&breach).await;
        };
        let (result, ()) = both(ours, theirs).await;
        assert!(matches!(result, Err(ClientError::Disconnected(Ending::Breach(_)))), "{result:?}");
    }
}

#[tokio::test]
async fn a_malformed_reply_fails_its_call_alone() {
    let (client, _events, mut store) = pair();
    let ours = async { (client.permissions(&path("/a")).await, client.read(&path("/b")).await) };
    let theirs = async {
        let message = store.message().await.expect("a request");
        // DOMID_IDLE, which no domain has.
        let operation = Operation::GetPermissions.number();
        store.send(&raw(operation, message.request_id, b"n0\0r32767\0")).await;
        store.serve(&read("/b"), &value("fine")).await;
    };
    let ((permissions, value), ()) = both(ours, theirs).await;
    assert!(matches!(permissions, Err(ClientError::Malformed { .. })), "{permissions:?}");
    assert_eq!(value.expect("a value"), b"fine");
}

fn part(offset: u64) -> Request {
    Request::Path(path("/d"), PathOperation::DirectoryPart(offset))
}

#[tokio::test]
async fn a_long_listing_is_read_in_parts_and_begun_again_when_it_changes() {
    let (client, _events, mut store) = pair();
    let ours = async { client.directory(&path("/d")).await };
    let theirs = async {
        let whole = Request::Path(path("/d"), PathOperation::Directory);
        store.serve(&whole, &Reply::Error(ErrorCode::E2big)).await;
        let piece = |generation, texts: &[&str], last| Reply::Part {
            generation,
            names: names(texts),
            last,
        };
        store.serve(&part(0), &piece(1, &["old", "gone"], false)).await;
        store.serve(&part(9), &piece(2, &["new"], true)).await;
        store.serve(&part(0), &piece(2, &["a", "bc"], false)).await;
        store.serve(&part(5), &piece(2, &["d"], true)).await;
    };
    let (listed, ()) = both(ours, theirs).await;
    assert_eq!(listed.expect("a listing"), names(&["a", "bc", "d"]));
}

#[tokio::test]
async fn a_listing_that_never_settles_or_never_ends_is_given_up() {
    for stuck in [false, true] {
        let (client, _events, mut store) = pair();
        let ours = async {
            let result = client.directory(&path("/d")).await;
            assert!(matches!(result, Err(ClientError::Unlistable { .. })), "{result:?}");
            drop(client);
        };
        let theirs = async {
            let message = store.message().await.expect("a request");
            store.answer(&message, &Reply::Error(ErrorCode::E2big)).await;
            let mut generation = 0;
            while let Some(message) = store.message().await {
                let names = if stuck { vec![] } else { names(&["a"]) };
                store.answer(&message, &Reply::Part { generation, names, last: false }).await;
                generation += 1;
            }
        };
        both(ours, theirs).await;
    }
}

/// Serves a transaction's begin, with this number.
async fn begin(store: &mut Store, id: u32) {
    store.serve(&Request::TransactionStart, &Reply::Transaction(TransactionId(id))).await;
}

fn end(commit: bool) -> Request {
    Request::TransactionEnd { commit }
}

const ENDED: Reply = Reply::Done(Operation::TransactionEnd);

#[tokio::test]
async fn a_transaction_is_tried_again_on_conflict_and_carries_its_number() {
    let (client, _events, mut store) = pair();
    let mut runs = 0;
    let attempts = NonZeroU32::new(3).expect("not zero");
    let ours = client.transact(attempts, async |tree| {
        runs += 1;
        tree.read(&path("/n")).await
    });
    let theirs = async {
        for (id, text) in [(1, "old"), (2, "new")] {
            begin(&mut store, id).await;
            let message = store.serve(&read("/n"), &value(text)).await;
            assert_eq!(message.transaction, TransactionId(id));
            let verdict = if id == 1 { Reply::Error(ErrorCode::Eagain) } else { ENDED };
            let message = store.serve(&end(true), &verdict).await;
            assert_eq!(message.transaction, TransactionId(id));
        }
    };
    let (read, ()) = both(ours, theirs).await;
    assert_eq!(read.expect("a value"), b"new");
    assert_eq!(runs, 2);
}

#[tokio::test]
async fn a_conflict_that_stays_is_reported_after_the_last_attempt() {
    let (client, _events, mut store) = pair();
    let attempts = NonZeroU32::new(2).expect("not zero");
    let ours = client.transact(attempts, async |_| Ok::<(), ClientError>(()));
    let theirs = async {
        for id in 1..=2 {
            begin(&mut store, id).await;
            store.serve(&end(true), &Reply::Error(ErrorCode::Eagain)).await;
        }
    };
    let (result, ()) = both(ours, theirs).await;
    assert_eq!(result.expect_err("a conflict").code(), Some(ErrorCode::Eagain));
}

#[tokio::test]
async fn a_body_that_fails_aborts_its_transaction() {
    let (client, _events, mut store) = pair();
    let attempts = NonZeroU32::new(2).expect("not zero");
    let ours = client.transact(attempts, async |tree| tree.read(&path("/n")).await);
    let theirs = async {
        begin(&mut store, 1).await;
        store.serve(&read("/n"), &Reply::Error(ErrorCode::Enoent)).await;
        store.serve(&end(false), &ENDED).await;
    };
    let (result, ()) = both(ours, theirs).await;
    assert_eq!(result.expect_err("a refusal").code(), Some(ErrorCode::Enoent));
}

#[tokio::test]
async fn a_begin_that_nobody_waits_for_any_more_is_aborted() {
    let (client, _events, mut store) = pair();
    let message = soon(async {
        tokio::select! {
            _ = client.transaction() => panic!("nothing has answered"),
            message = store.expect(&Request::TransactionStart) => message,
        }
    })
    .await;
    soon(store.answer(&message, &Reply::Transaction(TransactionId(5)))).await;
    let message = soon(store.serve(&end(false), &ENDED)).await;
    assert_eq!(message.transaction, TransactionId(5));
}

#[tokio::test]
async fn a_request_too_long_for_a_message_is_not_sent() {
    let (client, _events, mut store) = pair();
    let ours = async {
        let long = client.write(&path("/a"), &[0; PAYLOAD_MAX]).await;
        (long, client.read(&path("/b")).await)
    };
    let theirs = async { store.serve(&read("/b"), &value("1")).await };
    let ((long, value), _) = both(ours, theirs).await;
    assert!(matches!(long, Err(ClientError::TooLong { .. })), "{long:?}");
    assert_eq!(value.expect("a value"), b"1");
}

#[tokio::test]
async fn more_calls_than_may_be_under_way_are_all_answered() {
    let (client, _events, mut store) = pair();
    let ours = async {
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.read(&path("/a")).await })
            })
            .collect();
        for call in calls {
            call.await.expect("no panic").expect("a value");
        }
    };
    let theirs = async {
        for _ in 0..1000 {
            store.serve(&read("/a"), &value("1")).await;
        }
    };
    both(ours, theirs).await;
}

#[tokio::test]
async fn the_connection_is_closed_when_the_last_client_has_gone() {
    let (client, mut events, mut store) = pair();
    let other = client.clone();
    drop(client);
    let ours = async { other.read(&path("/a")).await };
    both(ours, store.serve(&read("/a"), &value("1"))).await.0.expect("a clone still calls");
    drop(other);
    assert_eq!(soon(store.message()).await, None);
    assert_eq!(soon(events.next()).await, None);
}

#[tokio::test]
async fn connecting_to_no_socket_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Client::connect(folder.path().join("none")).await.expect_err("no socket");
    let expected = format!("can't connect to xenstore at {}/none", folder.path().display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn calls_and_transactions_can_be_spawned() {
    fn sendable<T: Send>(_: T) {}
    async fn all(client: Client) -> Result<(), ClientError> {
        let attempts = NonZeroU32::MIN;
        let read = client.transact(attempts, async |tree| tree.read(&Path::root()).await);
        read.await?;
        client.transaction().await?.commit().await
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (client, events, _store) = runtime.block_on(async { pair() });
    sendable(all(client));
    sendable(events);
}

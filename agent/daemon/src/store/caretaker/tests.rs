//! One domain's work against a store that says yes to everything.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{LocalSet, spawn_local};
use xenstore_client::Events;
use xenstore_wire::{Decoder, Operation, PAYLOAD_MAX, PathOperation, Progress, Reply, Request};

use super::*;

/// Keys in the guest's directory.
const KEYS: usize = 30;
/// How long anything may take before a test calls it stuck.
const STUCK: Duration = Duration::from_secs(20);

/// What was asked of the store, in order.
type Asked = Rc<RefCell<Vec<Operation>>>;

fn domain() -> DomainId {
    DomainId::new(7).unwrap()
}

fn answer(request: &Request) -> Reply {
    match request {
        Request::Path(path, PathOperation::Directory) if *path == paths::vm_data(domain()) => {
            let keys = (0..KEYS).map(|key| format!("k{key}").parse().unwrap());
            Reply::Names(keys.collect())
        }
        Request::Path(_, PathOperation::Directory) => Reply::Names(Vec::new()),
        Request::Path(_, PathOperation::Read) => Reply::Value(b"value".as_slice().into()),
        Request::Watch(_) => Reply::Done(Operation::Watch),
        Request::Unwatch(_) => Reply::Done(Operation::Unwatch),
        other => panic!("{other:?}"),
    }
}

/// The store. A watch on the guest's directory fires at once, as every watch does.
async fn serve(mut stream: UnixStream, asked: Asked, desk: Arc<Desk>) {
    let mut decoder = Decoder::new(PAYLOAD_MAX);
    let mut unread = Vec::new();
    loop {
        let (taken, progress) = decoder.feed(&unread);
        unread.drain(..taken);
        match progress {
            Progress::Message(message) => {
                let home = DomainId::DOM0.home();
                let request = Request::parse(message.number, &message.payload, &home).unwrap();
                asked.borrow_mut().extend(message.operation());
                let mut bytes = Vec::new();
                let reply = answer(&request);
                reply.encode(message.request_id, message.transaction, &mut bytes).unwrap();
                stream.write_all(&bytes).await.unwrap();
                if request == Request::Watch(guest_watch(domain())) {
                    desk.guest_changed();
                }
            }
            Progress::Need(_) => {
                let mut bytes = [0; 4096];
                match stream.read(&mut bytes).await.unwrap() {
                    0 => return,
                    length => unread.extend_from_slice(&bytes[..length]),
                }
            }
            Progress::Refused(refusal) => panic!("{refusal}"),
        }
    }
}

fn connect(asked: &Asked, desk: &Arc<Desk>) -> (Client, Events) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    spawn_local(serve(theirs, Rc::clone(asked), Arc::clone(desk)));
    Client::from_stream(ours)
}

fn count(asked: &Asked, operation: Operation) -> usize {
    asked.borrow().iter().filter(|one| **one == operation).count()
}

#[test]
fn a_guest_over_its_limit_is_heard_again_and_its_data_read_back_in_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async {
        let desk = Arc::new(Desk::default());
        let (asked_own, asked) = (Asked::default(), Asked::default());
        let (own, _own_events) = connect(&asked_own, &desk);
        let (guests, _guest_events) = connect(&asked, &desk);
        let rates = Rates::new(100, 100, 20).unwrap();
        let (reports, mut heard) = mpsc::unbounded_channel();
        let (missing, _) = mpsc::unbounded_channel();
        let connections = Connections { own, guests };
        let caretaker =
            Caretaker::new(domain(), connections, Arc::clone(&desk), rates, reports, missing);
        spawn_local(caretaker.work());
        let mut read_back = async || match heard.recv().await {
            Some(Report::ReadBack { found, .. }) => found.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(read_back().await, KEYS);
        assert_eq!((count(&asked, Operation::Watch), count(&asked, Operation::Unwatch)), (1, 0));
        (0..150).for_each(|_| desk.guest_changed());
        assert_eq!(read_back().await, KEYS);
        // The look after the new watch is paid from a bucket that has filled meanwhile.
        assert_eq!(read_back().await, KEYS);
        assert_eq!((count(&asked, Operation::Watch), count(&asked, Operation::Unwatch)), (2, 1));
    };
    let in_time = async { tokio::time::timeout(STUCK, story).await.expect("it goes on") };
    LocalSet::new().block_on(&runtime, in_time);
}

#[test]
fn a_bucket_that_fills_slowly_is_not_waited_for_for_ever() {
    assert_eq!(refill_time(Rates::new(200, 2000, 20).unwrap()), Duration::from_secs(10));
    assert_eq!(refill_time(Rates::new(1, 1_000_000_000, 20).unwrap()), REFILL_MAX);
}

//! Exchanges with a C xenstored (Xen's main branch, 2026), byte by byte: what we write and read is
//! what it read and wrote.

use xenstore_wire::{
    Decoder, DomainId, Message, Operation, PAYLOAD_MAX, Path, PathOperation, Progress, Reply,
    Request, WatchEvent,
};

const EXCHANGES: &str = include_str!("goldens.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().collect();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(text, 16).expect("hexadecimal")
    };
    digits.chunks(2).map(pair).collect()
}

fn messages(bytes: &[u8]) -> Vec<Message> {
    let mut decoder = Decoder::new(PAYLOAD_MAX);
    let mut rest = bytes;
    let mut messages = vec![];
    while !rest.is_empty() {
        let (taken, Progress::Message(message)) = decoder.feed(rest) else {
            panic!("the golden ends within a message");
        };
        rest = &rest[taken..];
        messages.push(message);
    }
    messages
}

/// The lines of the file: operation, request, reply with the events around it.
fn exchanges() -> impl Iterator<Item = (&'static str, Vec<u8>, Vec<u8>)> {
    EXCHANGES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let (name, rest) = line.split_once('>').expect("a request");
        let (request, reply) = rest.split_once('<').expect("a reply");
        (name.trim(), bytes(request.trim()), bytes(reply.trim()))
    })
}

#[test]
fn requests_are_read_and_written_as_the_peer_read_them() {
    let mut seen = 0;
    for (name, request, _) in exchanges() {
        let [message] = &messages(&request)[..] else { panic!("{name}: not one request") };
        assert_eq!(message.operation().map(Operation::name), Some(name));
        let parsed = Request::parse(message.number, &message.payload, &Path::root())
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let mut written = vec![];
        parsed.encode(message.request_id, message.transaction, &mut written).expect("it fits");
        assert_eq!(written, request, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[test]
fn replies_and_events_are_read_and_written_as_the_peer_wrote_them() {
    for (name, _, answer) in exchanges() {
        let mut written = vec![];
        for message in messages(&answer) {
            if message.operation() == Some(Operation::WatchEvent) {
                let event = WatchEvent::parse(&message.payload).expect("an event");
                event.encode(&mut written).expect("it fits");
            } else {
                let reply = Reply::parse(message.number, &message.payload)
                    .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
                reply
                    .encode(message.request_id, message.transaction, &mut written)
                    .expect("it fits");
            }
        }
        assert_eq!(written, answer, "{name}");
    }
}

#[test]
fn what_the_peer_answered_means_what_it_says() {
    let mut replies = exchanges().map(|(name, _, answer)| {
        let message = messages(&answer)
            .into_iter()
            .find(|message| message.operation() != Some(Operation::WatchEvent))
            .expect("a reply");
        (name, Reply::parse(message.number, &message.payload).expect("a known reply"))
    });
    let mut next = || replies.next().expect("another exchange");
    assert_eq!(next(), ("WRITE", Reply::Done(Operation::Write)));
    assert_eq!(next(), ("READ", Reply::Value(b"hi"[..].into())));
    assert_eq!(next(), ("READ", Reply::Error(xenstore_wire::ErrorCode::Enoent)));
    let names = vec!["b".parse().expect("a component")];
    assert_eq!(next(), ("DIRECTORY", Reply::Names(names.clone())));
    assert_eq!(next(), ("DIRECTORY_PART", Reply::Part { generation: 7, names, last: true }));
}

#[test]
fn the_first_request_is_the_one_that_was_meant() {
    let (_, request, _) = exchanges().next().expect("an exchange");
    let [message] = &messages(&request)[..] else { panic!("not one request") };
    let write =
        Request::Path("/a/b".parse().expect("a path"), PathOperation::Write(b"hi"[..].into()));
    let home = DomainId::DOM0.home();
    assert_eq!(Request::parse(message.number, &message.payload, &home), Ok(write));
}

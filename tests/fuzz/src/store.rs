//! What the fuzz targets of the store do with their bytes.
//!
//! Those that need the whole server are the server's own (`xenstored::fuzz`): the ring, and what an
//! earlier store left. A reader of another stream has its place here.

use xenstore_wire::{
    Decoder, DomainId, Header, Message, PAYLOAD_MAX, Progress, Reply, Request, TransactionId,
    WatchEvent,
};

/// What a peer sends, whole and cut anywhere: the same messages, each of which reads back as what it
/// says.
pub fn wire(bytes: &[u8]) {
    let (whole, end) = decode(bytes, bytes.len().max(1));
    let (cut, cut_end) = decode(bytes, 7);
    assert_eq!((&whole, &end), (&cut, &cut_end), "bytes cut elsewhere mean something else");
    for message in &whole {
        assert!(message.payload.len() <= PAYLOAD_MAX);
        read(message);
    }
}

/// The messages of a stream, and what is to be said of its end.
fn decode(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<Progress>) {
    let mut decoder = Decoder::new(PAYLOAD_MAX);
    let (mut messages, mut end) = (Vec::new(), None);
    for mut rest in bytes.chunks(piece) {
        while !rest.is_empty() {
            let (taken, progress) = decoder.feed(rest);
            rest = rest.get(taken..).expect("no more is taken than was given");
            assert!(decoder.held().len() <= Header::SIZE + PAYLOAD_MAX);
            match progress {
                Progress::Message(message) => messages.push(message),
                Progress::Need(more) => {
                    assert!(rest.is_empty() && more > 0);
                    end = Some(Progress::Need(more));
                }
                refused @ Progress::Refused(_) => return (messages, Some(refused)),
            }
        }
    }
    // Between two messages a whole header is missing, whoever asks.
    if decoder.is_idle() {
        end = None;
    }
    (messages, end)
}

/// Whatever a payload is read as, written again it reads the same.
fn read(message: &Message) {
    let home = DomainId::DOM0.home();
    let again = |encoded: Vec<u8>| encoded.get(Header::SIZE..).unwrap_or_default().to_vec();
    let Message { number, payload, .. } = message;
    let mut encoded = Vec::new();
    // A relative path is written absolute, which may be too long then.
    if let Ok(request) = Request::parse(*number, payload, &home)
        && request.encode(1, TransactionId::NONE, &mut encoded).is_ok()
    {
        let number = request.operation().number();
        assert_eq!(Request::parse(number, &again(encoded), &home), Ok(request));
    }
    let mut encoded = Vec::new();
    if let Ok(reply) = Reply::parse(*number, payload)
        && reply.encode(1, TransactionId::NONE, &mut encoded).is_ok()
    {
        let number = reply.operation().number();
        assert_eq!(Reply::parse(number, &again(encoded)), Ok(reply));
    }
    let mut encoded = Vec::new();
    if let Ok(event) = WatchEvent::parse(payload)
        && event.encode(&mut encoded).is_ok()
    {
        assert_eq!(WatchEvent::parse(&again(encoded)), Ok(event));
    }
}

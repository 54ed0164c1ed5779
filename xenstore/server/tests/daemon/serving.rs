//! Requests and their answers over the socket.

use std::io::Write;
use std::net::Shutdown;

use crate::process::Process;

#[test]
fn what_is_written_can_be_read_and_watched() {
    let server = Process::start(&[]);
    let (mut writer, mut watcher) = (server.connect(), server.connect());
    assert_eq!(watcher.ask("WATCH /a|tok|"), "OK|");
    assert_eq!(watcher.heard(), (0, "/a|tok|".into()));
    assert_eq!(writer.ask("WRITE /a/b|hello"), "OK|");
    assert_eq!(watcher.heard(), (0, "/a/b|tok|".into()));
    assert_eq!(watcher.ask("READ /a/b|"), "hello");
    assert_eq!(writer.ask("READ /nope|"), "ENOENT");
}

#[test]
fn who_writes_what_it_watches_hears_the_reply_first() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WATCH /a|tok|"), "OK|");
    assert_eq!(client.heard().1, "/a|tok|");
    assert_eq!(client.ask("WRITE /a|1"), "OK|");
    assert_eq!(client.heard().1, "/a|tok|");
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    let mut bytes = vec![];
    for number in 0..3000 {
        bytes.extend(client.encode(&format!("WRITE /n/{}|{number}", number % 7)));
        bytes.extend(client.encode(&format!("READ /n/{}|", number % 7)));
    }
    let mut stream = client.stream.try_clone().expect("a descriptor");
    let sender = std::thread::spawn(move || stream.write_all(&bytes).expect("the server reads"));
    for number in 0..3000 {
        assert_eq!(client.heard(), (2 * number + 1, "OK|".into()));
        assert_eq!(client.heard(), (2 * number + 2, number.to_string()));
    }
    sender.join().expect("all is sent");
}

#[test]
fn requests_in_many_pieces_are_answered_too() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    let bytes = client.encode("WRITE /a|hello");
    for byte in bytes {
        client.stream.write_all(&[byte]).expect("the server reads");
    }
    assert_eq!(client.heard(), (1, "OK|".into()));
    assert_eq!(client.ask("READ /a|"), "hello");
}

#[test]
fn a_transaction_is_its_connections_own() {
    let server = Process::start(&[]);
    let (mut one, mut other) = (server.connect(), server.connect());
    assert_eq!(one.ask("TRANSACTION_START |"), "1|");
    assert_eq!(one.ask("WRITE@1 /a|1"), "OK|");
    assert_eq!(other.ask("READ@1 /a|"), "ENOENT");
    assert_eq!(other.ask("READ /a|"), "ENOENT");
    assert_eq!(one.ask("TRANSACTION_END@1 T|"), "OK|");
    assert_eq!(other.ask("READ /a|"), "1");
}

#[test]
fn who_leaves_takes_its_watches_and_transactions_along() {
    let server = Process::start(&[]);
    let mut stays = server.connect();
    let mut leaves = server.connect();
    assert_eq!(leaves.ask("WATCH /a|tok|"), "OK|");
    assert_eq!(leaves.heard().1, "/a|tok|");
    assert_eq!(leaves.ask("TRANSACTION_START |"), "1|");
    assert_eq!(leaves.ask("WRITE@1 /a|never"), "OK|");
    drop(leaves);
    assert_eq!(stays.ask("WRITE /a|1"), "OK|");
    assert_eq!(stays.ask("READ /a|"), "1");
}

#[test]
fn a_payload_may_be_empty() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("RESET_WATCHES"), "OK|");
    assert_eq!(client.ask("READ"), "EINVAL");
    assert_eq!(client.ask("TRANSACTION_START"), "1|");
}

#[test]
fn who_says_nothing_more_still_gets_its_answers() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    client.send("WRITE /a|1");
    client.send("READ /a|");
    client.stream.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(client.heard().1, "OK|");
    assert_eq!(client.heard().1, "1");
    assert!(client.next().is_none());
}

#[test]
fn a_restricted_connection_stays_restricted() {
    let server = Process::start(&[]);
    let mut dom0 = server.connect();
    assert_eq!(dom0.ask("WRITE /secret|1"), "OK|");
    let mut client = server.connect_as_domain(5);
    assert_eq!(client.ask("READ /secret|"), "EACCES");
    assert_eq!(client.ask("WRITE /local/domain/5/x|1"), "OK|");
    assert_eq!(client.ask("INTRODUCE 6|1|1|"), "EACCES");
    for domid in ["0", "5", "6"] {
        let refused = client.ask(&format!("RESTRICT {domid}|"));
        assert!(["EACCES", "EINVAL"].contains(&refused.as_str()), "{refused}");
        assert_eq!(client.ask("READ /secret|"), "EACCES");
    }
    assert_eq!(dom0.ask("READ /secret|"), "1");
}

#[test]
fn a_domains_connections_end_with_it() {
    let server = Process::start(&[]);
    let mut dom0 = server.connect();
    assert_eq!(dom0.ask("INTRODUCE 5|1|1|"), "OK|");
    let mut client = server.connect_as_domain(5);
    assert_eq!(client.ask("WRITE /local/domain/5/x|1"), "OK|");
    assert_eq!(dom0.ask("RELEASE 5|"), "OK|");
    assert!(client.is_closed());
    assert_eq!(dom0.ask("READ /local/domain/5|"), "ENOENT");
}

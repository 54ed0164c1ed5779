//! Clients that speak nonsense, stall, or never read: each loses its own connection and no more.

use std::io::Write;
use std::time::Duration;

use crate::client::Client;
use crate::process::Process;

fn is_served(client: &mut Client) {
    assert_eq!(client.ask("READ /tool|"), "");
}

#[test]
fn a_length_above_the_limit_closes_that_connection_only() {
    let server = Process::start(&[]);
    let mut good = server.connect();
    for length in [4097_u32, 5000, 0x8000_0000, u32::MAX] {
        let mut bad = server.connect();
        let header = [2, 1, 0, length];
        let bytes: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        bad.stream.write_all(&bytes).expect("the server listens");
        assert!(bad.is_closed());
        is_served(&mut good);
    }
}

#[test]
fn what_came_before_the_nonsense_is_answered() {
    let server = Process::start(&[]);
    let mut bad = server.connect();
    let mut bytes = bad.encode("WRITE /a|1");
    bytes.extend([0xff; 16]);
    bad.stream.write_all(&bytes).expect("the server listens");
    assert_eq!(bad.heard().1, "OK|");
    assert!(bad.is_closed());
}

#[test]
fn half_a_request_holds_nothing() {
    let server = Process::start(&["--operations-per-second", "1", "--burst", "20"]);
    let mut good = server.connect_as_domain(5);
    let mut stalled = vec![];
    for cut in [1, 15, 16, 20] {
        let mut client = server.connect_as_domain(5);
        let bytes = client.encode("TRANSACTION_START and a payload that never ends");
        client.stream.write_all(&bytes[..cut]).expect("the server listens");
        stalled.push(client);
    }
    // All twenty tokens are there for who asks for them.
    assert_eq!(good.ask("TRANSACTION_START |"), "1|");
    is_served(&mut server.connect());
}

#[test]
fn who_never_reads_is_read_no_more_and_loses_no_reply() {
    let server = Process::start(&[]);
    let mut deaf = server.connect();
    assert_eq!(deaf.ask(&format!("WRITE /long|{}", "v".repeat(4000))), "OK|");
    let request = deaf.encode("READ /long|");
    deaf.stream.set_nonblocking(true).expect("a socket");
    let mut sent = 0;
    // Until the socket takes no more though the server has had its time: it serves others, and
    // each of their answers is a turn of its loop.
    let mut good = server.connect();
    let mut refusals = 0;
    while refusals < 100 {
        let start = sent % request.len();
        match (&deaf.stream).write(&request[start..]) {
            Ok(written) => {
                sent += written;
                refusals = 0;
            }
            Err(_) => {
                is_served(&mut good);
                refusals += 1;
            }
        }
        assert!(sent < 64 << 20, "the server takes everything");
    }
    deaf.stream.set_nonblocking(false).expect("a socket");
    for _ in 0..sent / request.len() {
        assert_eq!(deaf.heard().1.len(), 4000);
    }
}

#[test]
fn who_never_reads_its_events_is_given_up_at_last() {
    let server = Process::start(&[]);
    let mut deaf = server.connect_as_domain(5);
    let mut dom0 = server.connect();
    assert_eq!(dom0.ask("WRITE /shared|"), "OK|");
    assert_eq!(dom0.ask("SET_PERMS /shared|r0|"), "OK|");
    let token = "t".repeat(3900);
    assert_eq!(deaf.ask(&format!("WATCH /shared|{token}|")), "OK|");
    // Each event is another, so none can be left out.
    for number in 0..2000 {
        assert_eq!(dom0.ask(&format!("WRITE /shared/{number}|")), "OK|");
    }
    let mut events = 0;
    while deaf.next().is_some() {
        events += 1;
    }
    assert!(events < 2000, "all {events} events were kept");
    is_served(&mut dom0);
}

#[test]
fn identical_events_that_were_not_read_are_not_kept_twice() {
    let server = Process::start(&[]);
    let mut deaf = server.connect_as_domain(5);
    let mut dom0 = server.connect();
    assert_eq!(dom0.ask("WRITE /shared|"), "OK|");
    assert_eq!(dom0.ask("SET_PERMS /shared|r0|"), "OK|");
    let token = "t".repeat(3900);
    assert_eq!(deaf.ask(&format!("WATCH /shared|{token}|")), "OK|");
    // As many as would be given up, were they kept.
    for number in 0..2000 {
        assert_eq!(dom0.ask(&format!("WRITE /shared|{number}")), "OK|");
    }
    deaf.send("READ /shared|");
    let mut events = 0;
    while deaf.heard().1 != "1999" {
        events += 1;
    }
    assert!(events < 2000, "all {events} events were kept");
}

#[test]
fn many_come_and_go_without_a_word() {
    let server = Process::start(&[]);
    for round in 0..300 {
        let mut client = server.connect();
        let bytes = client.encode("READ /tool|");
        client.stream.write_all(&bytes[..round % bytes.len()]).expect("the server listens");
    }
    let mut good = server.connect();
    good.stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    is_served(&mut good);
}

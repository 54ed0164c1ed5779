//! The token bucket over the socket: requests wait, in order, exactly as long as they must, and
//! nobody else waits with them.

use std::io::{self, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::encode;
use crate::process::Process;

#[test]
fn requests_above_the_limit_wait_in_order_until_their_tokens_are_there() {
    let server = Process::start(&["--operations-per-second", "100", "--burst", "20"]);
    let mut client = server.connect_as_domain(5);
    let started = Instant::now();
    let bytes: Vec<u8> = (0..40)
        .flat_map(|number| client.encode(&format!("WRITE /local/domain/5/n|{number}")))
        .collect();
    client.stream.write_all(&bytes).expect("the server listens");
    for number in 1..=40_u32 {
        let (_, reply) = client.heard();
        assert_eq!(reply, "OK|");
        let tokens_to_come = number.saturating_sub(20);
        let due = Duration::from_millis(10) * tokens_to_come;
        assert!(started.elapsed() >= due, "reply {number} after {:?}", started.elapsed());
    }
    // Twenty tokens take 200 ms; that the machine is busy may add to it, but not this much.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn opening_a_transaction_takes_as_many_tokens_as_were_set() {
    let server = Process::start(&[
        "--operations-per-second",
        "100",
        "--burst",
        "30",
        "--transaction-cost",
        "25",
    ]);
    let mut client = server.connect_as_domain(5);
    let started = Instant::now();
    assert_eq!(client.ask("TRANSACTION_START |"), "1|");
    assert_eq!(client.ask("TRANSACTION_START |"), "2|");
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}

#[test]
fn a_waiting_request_wakes_nobody_until_it_is_due() {
    let server = Process::start(&["--operations-per-second", "2", "--burst", "20"]);
    let mut client = server.connect_as_domain(5);
    assert_eq!(client.ask("TRANSACTION_START |"), "1|");
    let (slept, started) = (server.sleeps(), Instant::now());
    assert_eq!(client.ask("READ /|"), "EACCES");
    assert!(started.elapsed() >= Duration::from_millis(400));
    let slept = server.sleeps() - slept;
    assert!(slept <= 10, "woke {slept} times for one request");
}

#[test]
fn connections_of_a_domain_share_its_tokens_and_each_gets_its_turn() {
    let server = Process::start(&["--operations-per-second", "100", "--burst", "20"]);
    let mut greedy = server.connect_as_domain(5);
    let mut patient = server.connect_as_domain(5);
    assert_eq!(greedy.ask("TRANSACTION_START |"), "1|");
    let started = Instant::now();
    let bytes: Vec<u8> = (0..200).flat_map(|_| greedy.encode("READ /|")).collect();
    greedy.stream.write_all(&bytes).expect("the server listens");
    assert_eq!(greedy.heard().1, "EACCES");
    // Two hundred requests are two seconds' worth; a transaction is a fifth of one.
    assert_eq!(patient.ask("TRANSACTION_START |"), "1|");
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[test]
fn who_leaves_while_it_waits_holds_nobody_up() {
    let server = Process::start(&["--operations-per-second", "10", "--burst", "20"]);
    let mut leaves = server.connect_as_domain(5);
    let mut stays = server.connect_as_domain(5);
    assert_eq!(leaves.ask("TRANSACTION_START |"), "1|");
    leaves.send("TRANSACTION_START |");
    drop(leaves);
    let started = Instant::now();
    assert_eq!(stays.ask("READ /|"), "EACCES");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[test]
fn a_flooding_domain_does_not_keep_dom0_from_being_served() {
    let server = Process::start(&[]);
    let flooder = server.connect_as_domain(5);
    flooder.stream.set_nonblocking(true).expect("a socket");
    let mut flood: Vec<u8> = vec![];
    for id in 0..500 {
        flood.extend(encode(id, "TRANSACTION_START |"));
        flood.extend(encode(id, "WRITE /local/domain/5/flood|1"));
    }
    let mut dom0 = server.connect();
    let mut slowest = Duration::ZERO;
    let mut refused = false;
    for _ in 0..300 {
        // What the server does not take stays in the socket, and then the socket takes no more.
        // What was taken in part makes the next piece nonsense: a flooder does not care.
        match (&flooder.stream).write(&flood) {
            Ok(_) => (),
            Err(error) => {
                refused |= error.kind() == io::ErrorKind::WouldBlock;
            }
        }
        let asked = Instant::now();
        assert_eq!(dom0.ask("WRITE /x|1"), "OK|");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(refused, "the server took all of the flood");
    assert!(slowest < Duration::from_millis(500), "dom0 waited {slowest:?}");
}

#[test]
fn dom0_is_not_limited() {
    let server = Process::start(&["--operations-per-second", "1", "--burst", "20"]);
    let mut client = server.connect();
    for _ in 0..200 {
        assert_eq!(client.ask("READ /tool|"), "");
    }
}

#[test]
fn xsa_206_dom0s_transactions_commit_though_a_domain_writes_what_they_read() {
    let server = Process::start(&[]);
    let mut flooder = server.connect_as_domain(5);
    assert_eq!(flooder.ask("WRITE /local/domain/5/n|0"), "OK|");
    let bytes: Vec<u8> =
        (0..3000_u32).flat_map(|id| encode(id, &format!("WRITE /local/domain/5/n|{id}"))).collect();
    let mut stream = flooder.stream.try_clone().expect("a descriptor");
    let flood = thread::spawn(move || {
        // The end of the test closes the connection in the middle of it.
        let _ = stream.write_all(&bytes);
    });
    let mut dom0 = server.connect();
    for _ in 0..20 {
        let committed = (0..50).any(|_| {
            let id = dom0.ask("TRANSACTION_START |");
            let id = id.trim_end_matches('|');
            dom0.ask(&format!("READ@{id} /local/domain/5/n|"));
            dom0.ask(&format!("WRITE@{id} /local/domain/5/seen|1"));
            dom0.ask(&format!("TRANSACTION_END@{id} T|")) == "OK|"
        });
        assert!(committed, "fifty attempts were in vain");
    }
    flooder.stream.shutdown(Shutdown::Both).expect("connected");
    flood.join().expect("no panic");
}

//! Who is who: root is dom0, a user of the range is its domain, everybody else is turned away.
#![allow(unsafe_code, reason = "the C library has no way to change one thread's user")]

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use crate::client::Client;
use crate::process::Process;

/// Far from any user there is.
pub(crate) const BASE: u32 = 1_900_000_000;

/// Connects as another user, in a thread that is that user and ends with it.
pub(crate) fn connect_as(uid: u32, path: &Path) -> Client {
    let path = path.to_owned();
    let connected = thread::spawn(move || {
        // SAFETY: the bare system call, unlike the C library's function, changes the user of the
        // calling thread alone, and it takes three numbers.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
        assert_eq!(changed, 0, "only root becomes other users");
        UnixStream::connect(path)
    });
    Client::new(connected.join().expect("no panic").expect("the server listens"))
}

#[test]
fn a_user_of_the_range_is_its_domain_from_the_start() {
    let range = BASE.to_string();
    let server = Process::start(&["--uid-range", &range]);
    let mut dom0 = server.connect();
    assert_eq!(dom0.ask("MKDIR /local/domain/5|"), "OK|");
    assert_eq!(dom0.ask("SET_PERMS /local/domain/5|n5|"), "OK|");
    let mut five = connect_as(BASE + 5, &server.socket());
    assert_eq!(five.ask("WRITE data|1"), "OK|");
    assert_eq!(five.ask("GET_PERMS data|"), "n5|");
    assert_eq!(five.ask("READ /tool|"), "EACCES");
    assert_eq!(five.ask("RESTRICT 6|"), "EACCES");
    assert_eq!(dom0.ask("READ /local/domain/5/data|"), "1");
}

#[test]
fn everybody_else_is_turned_away() {
    let range = BASE.to_string();
    let server = Process::start(&["--uid-range", &range]);
    for uid in [1, BASE - 1, BASE, BASE + 32_752] {
        assert!(connect_as(uid, &server.socket()).is_closed(), "{uid}");
    }
    assert_eq!(server.connect().ask("READ /tool|"), "");
}

#[test]
fn one_domains_users_can_not_take_all_connections() {
    let range = BASE.to_string();
    let server = Process::start(&["--uid-range", &range]);
    let mut kept: Vec<Client> = (0..32).map(|_| connect_as(BASE + 5, &server.socket())).collect();
    assert!(connect_as(BASE + 5, &server.socket()).is_closed());
    let mut six = connect_as(BASE + 6, &server.socket());
    assert_eq!(six.ask("READ /|"), "EACCES");
    for client in &mut kept {
        assert_eq!(client.ask("READ /|"), "EACCES");
    }
}

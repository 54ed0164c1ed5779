//! A program that enters the released plan for converters, and then does the deed it is told.
//!
//! `captive DEED UID own|join`, with the descriptors of `cell.rs`. The tests in
//! `tests/confinement` start it and watch how it ends. It shows as well how a program is written
//! that confines itself: the plan first, and everything else with what [`Confined`] kept.

#![allow(unsafe_code, reason = "the deeds are raw system calls, most of them forbidden")]

mod calls;
mod cell;
mod deeds;

use std::io::Write;
use std::os::unix::net::UnixStream;

use restrict::{Confined, Network, Uid, enter};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, deed, uid, network] = arguments.as_slice() else { panic!("captive DEED UID NETWORK") };
    let network = if network == "join" { Network::Join(cell::NETWORK) } else { Network::Own };
    let uid = Uid::new(uid.parse().expect("a number")).expect("a plain user");
    deeds::before(deed);
    match enter(&cell::plan(uid, network), cell::REPORT) {
        Ok(confined) => serve(confined, deed),
        Err(error) => {
            eprintln!("captive: {error}");
            std::process::exit(1);
        }
    }
}

fn serve(mut confined: Confined, deed: &str) {
    let mut control = UnixStream::from(confined.take(cell::CONTROL).expect("planned"));
    let outcome = deeds::perform(deed, &mut confined, &mut control);
    writeln!(control, "{outcome}").expect("the test listens");
}

//! The floor: a server that cuts requests apart and answers each with as many bytes as a store would,
//! without looking at what it asks.
//!
//! It is this program again, in a process of its own, as the stores are.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Failure;

/// The argument with which this program is the floor.
pub(crate) const ECHO: &str = "--echo";

const HEADER: usize = 16;
const READ: u32 = 2;
/// What a store answers with: the value that the measures write, or "OK".
const VALUE: &[u8] = b"0123456789abcdef";
const DONE: &[u8] = b"OK\0";
/// The listener's number among the connections'.
const DOOR: u64 = 0;

/// Serves until it is killed.
pub(crate) fn serve(socket: &Path) -> Result<(), Failure> {
    let door = UnixListener::bind(socket)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&door, EpollEvent::new(EpollFlags::EPOLLIN, DOOR))?;
    let mut clients: BTreeMap<u64, (UnixStream, Vec<u8>)> = BTreeMap::new();
    let mut last = DOOR;
    let mut events = [EpollEvent::empty(); 64];
    let mut scratch = vec![0; 64 << 10];
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in events.iter().take(count) {
            if event.data() == DOOR {
                let (stream, _) = door.accept()?;
                last += 1;
                epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, last))?;
                clients.insert(last, (stream, Vec::new()));
                continue;
            }
            let Some((stream, held)) = clients.get_mut(&event.data()) else { continue };
            let gone = match stream.read(&mut scratch) {
                Ok(0) => true,
                Ok(size) => {
                    held.extend_from_slice(scratch.get(..size).unwrap_or_default());
                    stream.write_all(&answers(held)).is_err()
                }
                Err(error) => error.kind() != ErrorKind::Interrupted,
            };
            if gone {
                clients.remove(&event.data());
            }
        }
    }
}

/// An answer to each whole request; what is left is the beginning of another.
fn answers(held: &mut Vec<u8>) -> Vec<u8> {
    let mut answers = Vec::new();
    let mut taken = 0;
    while let Some(header) = held.get(taken..).and_then(|rest| rest.first_chunk::<HEADER>()) {
        let word = |at: usize| header[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let length = usize::try_from(word(12)).unwrap_or(usize::MAX);
        if held.len() - taken - HEADER < length {
            break;
        }
        let payload = if word(0) == READ { VALUE } else { DONE };
        answers.extend_from_slice(&header[..12]);
        answers.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_le_bytes());
        answers.extend_from_slice(payload);
        taken += HEADER + length;
    }
    held.drain(..taken);
    answers
}

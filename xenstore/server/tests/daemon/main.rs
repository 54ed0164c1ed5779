//! The `xenstored` program as its clients and its host meet it: a process, and bytes on a socket.
//!
//! Root alone is dom0 to it, so these tests run as root. What requests mean is tested in
//! `xenstore-store`, whose transcripts are played here too.

mod bad_clients;
mod client;
mod confinement;
mod lifecycle;
mod limits;
mod live_update;
mod process;
mod serving;
mod survival;
mod transcripts;
mod users;

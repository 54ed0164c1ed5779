//! Real programs at this terminal: recorded ones, and ones that run now on a pty.

mod guests;
mod portrait;
mod pty;
mod sessions;
mod vttest;

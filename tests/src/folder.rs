//! Waits for files to appear in a folder.

use std::os::fd::AsFd;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::deadline::Deadline;

/// Waits until a folder, which is there, has a file of this name; false when the deadline passes
/// first, or when `give_up`, asked at least every half second, says so.
///
/// # Panics
/// When the folder can't be watched.
#[must_use]
pub fn has(
    folder: &Path,
    name: &str,
    deadline: Deadline,
    mut give_up: impl FnMut() -> bool,
) -> bool {
    let watcher = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
    let watcher = watcher.expect("inotify is there");
    let kinds = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    watcher.add_watch(folder, kinds).expect("the folder can be watched");
    while !folder.join(name).exists() {
        let Some(left) = deadline.left() else { return false };
        if give_up() {
            return false;
        }
        let time = u16::try_from(left.as_millis().min(500)).unwrap_or(500);
        let mut wait = [PollFd::new(watcher.as_fd(), PollFlags::POLLIN)];
        let _woken = poll(&mut wait, PollTimeout::from(time));
        // What happened doesn't matter: the folder is looked at again.
        let _events = watcher.read_events();
    }
    true
}

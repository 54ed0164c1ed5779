//! The end of a process: waited for by its pidfd, or by looking where the kernel has none.

use std::os::fd::OwnedFd;
use std::time::Duration;

use restrict::Child;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use super::watched::watch;

/// How often a process is looked for, on kernels without pidfds (before Linux 5.3).
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The end of a process, which can be waited for.
#[derive(Debug)]
pub(super) struct End {
    child: Child,
    pidfd: Option<AsyncFd<OwnedFd>>,
}

impl End {
    /// The end of this process.
    pub(super) fn of(child: Child) -> Self {
        let pidfd = child.pidfd().ok().flatten();
        let watched = pidfd.and_then(|fd| watch(fd, Interest::READABLE).ok());
        // The descriptor may be of a process that got the pid since; looking tells.
        Self { child, pidfd: watched.filter(|_| child.is_alive()) }
    }

    /// Waits for it.
    pub(super) async fn reached(&self) {
        if let Some(pidfd) = &self.pidfd {
            // It is readable from the process's end on, and never before.
            let _ = pidfd.readable().await.map(|mut ready| ready.retain_ready());
            return;
        }
        while self.child.is_alive() {
            sleep(LOOK_EVERY).await;
        }
    }
}

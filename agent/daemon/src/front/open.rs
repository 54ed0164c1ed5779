//! A console on its way to a viewer of the front's: opened as for anybody, and noted.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use xenwarden_model::{Reply, SessionKey};

use super::sessions::Sessions;
use super::visits::{OpenConsole, Visit, Visits};
use crate::answer::Draft;

/// A console that is about to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) draft: Box<Draft>,
    pub(super) key: SessionKey,
    pub(super) visit: Visit,
    pub(super) sessions: Rc<RefCell<Sessions>>,
    pub(super) visits: Rc<RefCell<Visits>>,
}

impl Opening {
    /// Opens it. The session has it open as long as the last value lives.
    pub(crate) async fn finish(self) -> (Reply, Option<OwnedFd>, Option<OpenConsole>) {
        let finished = Box::pin(self.draft.finish()).await;
        let mut reply = finished.reply;
        if let Reply::Console(opened) = &mut reply {
            opened.view_only = self.visit.view_only;
        }
        let open = finished
            .descriptor
            .is_some()
            .then(|| OpenConsole::begin(self.visits, self.sessions, self.key, self.visit));
        (reply, finished.descriptor, open)
    }
}

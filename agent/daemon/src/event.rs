//! Everything that can wake the agent.

use nix::unistd::Uid;
use tokio::sync::oneshot;
use xenwarden_model::Ask;

use crate::answer::Draft;
use crate::host::Life;
use crate::{converter, store};

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The store's tasks tell something.
    Store(store::Report),
    /// A converter's keeper tells something.
    Converter(Life, converter::Report),
    /// The rest of a life is over.
    Due(Life),
    /// A client asks something.
    Asked(Question),
    /// Time has passed: records and screens grow old.
    Age,
    /// This process is told to end.
    End,
}

/// A client's question, and where the answer's draft goes.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is asked.
    pub(crate) ask: Ask,
    /// Whose process asks.
    pub(crate) by: Uid,
    /// Who waits.
    pub(crate) asker: oneshot::Sender<Draft>,
}

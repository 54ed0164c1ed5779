//! Everything that can wake the agent.

use nix::unistd::Uid;
use tokio::sync::oneshot;
use xenwarden_model::Ask;
use xenwarden_model::front::Call;

use crate::answer::Draft;
use crate::host::Life;
use crate::{converter, nic, store};

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The store's tasks tell something.
    Store(store::Report),
    /// A converter's keeper tells something.
    Converter(Life, converter::Report),
    /// The rest of a life is over.
    Due(Life),
    /// Who keeps network interfaces tells something.
    Nics(nic::Report),
    /// A client asks something.
    Asked(Question),
    /// Time has passed: records and screens grow old.
    Age,
    /// Clients of the network front may be told of changes.
    Tell,
    /// This process is told to end.
    End,
}

impl Event {
    /// Whether the objects that the network front sees may be different after it.
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Store(_) | Self::Converter(..) | Self::Due(_) | Self::Age => true,
            Self::Asked(Question { request, .. }) => match request {
                Request::Ask(ask) => match ask {
                    Ask::Register { .. }
                    | Ask::Forget { .. }
                    | Ask::SetKey { .. }
                    | Ask::RemoveKey { .. }
                    | Ask::AddVif { .. }
                    | Ask::SetNicKey { .. }
                    | Ask::RemoveNicKey { .. }
                    | Ask::SetName { .. } => true,
                    Ask::Status
                    | Ask::Vms
                    | Ask::Audit
                    | Ask::Nics
                    | Ask::Ready { .. }
                    | Ask::Console { .. } => false,
                },
                Request::Call(call) => match call {
                    Call::Inject { .. }
                    | Call::SetKey { .. }
                    | Call::RemoveKey { .. }
                    | Call::SetMap { .. }
                    | Call::SetName { .. }
                    | Call::CreateTask { .. }
                    | Call::DestroyTask { .. } => true,
                    Call::Login { .. }
                    | Call::Session { .. }
                    | Call::Logout { .. }
                    | Call::Changes { .. }
                    | Call::Wait { .. }
                    | Call::Open { .. }
                    | Call::Close { .. } => false,
                },
            },
            Self::Nics(_) | Self::Tell | Self::End => false,
        }
    }
}

/// What may be asked, by who asks.
#[derive(Debug)]
pub(crate) enum Request {
    /// By root.
    Ask(Ask),
    /// By the network front.
    Call(Call),
}

/// A client's question, and where the answer's draft goes.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is asked.
    pub(crate) request: Request,
    /// Whose process asks.
    pub(crate) by: Uid,
    /// Who waits.
    pub(crate) asker: oneshot::Sender<Draft>,
}

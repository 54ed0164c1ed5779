//! The front's confinement: its own user, the host's network, the agent's folder, nothing else.

use std::net::TcpListener;
use std::os::fd::AsRawFd;

use restrict::{Confined, EnterError, IdentityError, Kept, Kind, Plan, PlanError, Uid, enter_here};

use crate::settings::Settings;

/// Why it is not confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfinementError {
    /// The user is none that a confined process may have.
    #[error("become the user of [agent] user")]
    User(#[from] IdentityError),
    /// The plan is none.
    #[error("plan the confinement")]
    Plan(#[from] PlanError),
    /// It could not be entered.
    #[error("enter the confinement")]
    Enter(#[from] EnterError),
    /// The listener got lost on the way.
    #[error("keep the listener")]
    Listener,
}

/// Gives up everything but what serving takes.
pub(crate) fn enter(
    settings: &Settings,
    listener: TcpListener,
) -> Result<(Confined, TcpListener), ConfinementError> {
    let uid = Uid::new(settings.uid)?;
    // The plan takes it over by its number.
    let number = listener.as_raw_fd();
    std::mem::forget(listener);
    let kept = vec![Kept { number, kind: Kind::Socket, purpose: "the listener" }];
    let plan = Plan::front(uid, uid.into(), kept, settings.run_dir.clone())?;
    let mut confined = enter_here(&plan)?;
    let listener = confined.take(number).ok_or(ConfinementError::Listener)?;
    Ok((confined, listener.into()))
}

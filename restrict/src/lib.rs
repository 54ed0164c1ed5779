//! Plans a process's confinement, enters it, and attests it from outside.
//!
//! A [`Plan`] is a value: what a process keeps. The program that reads hostile bytes calls
//! [`enter()`] first in its `main`, and gets a [`Confined`] that its serving functions ask for. Its
//! spawner starts it with [`Launch`] and believes nothing until [`attest()`] has looked at it from
//! outside. Both are in one crate so that what is entered and what is attested are read side by
//! side; the two never run in one process.
//!
//! A handle of one of Xen's device nodes that such a process is given reaches one domain: [`xen`].
//!
//! A program that is not ours and cannot confine itself is executed by one that does so before:
//! [`execute()`].
//!
//! What is not here: what the programs do once they are confined, who may be served, and every
//! decision about what a failed attestation leads to. There is one policy for each kind of
//! process, and no switch that weakens it.
//!
//! Linux on x86-64 alone, from 4.19 on.

mod attest;
mod child;
mod confined;
mod descriptors;
mod ending;
mod enter;
mod identity;
mod leftovers;
mod limit;
mod netns;
mod plan;
mod policy;
mod range;
mod report;
mod spawn;
mod status;
mod wrap;
pub mod xen;

pub use attest::{
    Attestation, Expected, Moment, Property, StoreLook, attest, look_at_device_model, look_at_store,
};
pub use caps::Capability;
pub use child::{Child, Ending, Reaped, become_subreaper};
pub use confined::Confined;
pub use ending::end_on_sigterm;
pub use enter::{EnterError, Leak, PrivilegeError, RootError, enter, enter_here};
pub use identity::{Gid, IdentityError, Uid};
pub use leftovers::LeftoverError;
pub use limit::Limit;
pub use netns::{NetworkError, empty_network};
pub use plan::{Kept, Kind, Network, Opened, Plan, PlanError, SHOWN};
pub use policy::{Policy, PolicyError};
pub use range::{RangeError, UidRange};
pub use spawn::{FileId, Launch, Launching, Program, SpawnError};
pub use wrap::{Executed, Part, Stage, StageError, Wrap, WrapError, execute};

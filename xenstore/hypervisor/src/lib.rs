//! What xenstored needs of a hypervisor, behind one small trait: the rings that guests share with
//! it, event channels, and word of who lives.
//!
//! Everything that is `unsafe` about shared memory and devices is here. What the bytes of a ring
//! mean is not, nor who gets a turn.

#[cfg(feature = "fake")]
pub mod fake;
mod hypervisor;
mod ioctl;
mod lives;
mod page;
mod privcmd;
mod ring;
mod xen;

pub use hypervisor::{Hypervisor, HypervisorError, Port};
pub use lives::Lives;
pub use page::Page;
pub use privcmd::Privcmd;
pub use ring::{Broken, Ring, Trouble};
pub use xen::{Handles, Xen};

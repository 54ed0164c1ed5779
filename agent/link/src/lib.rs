//! Reads and sets network interfaces: ethtool's ioctls, rtnetlink, and traffic control's mirrors.
//!
//! Calls wait for the kernel, which may take its time over a device: they belong into a thread
//! that may wait. What is to be set, and in which order, is `xenwarden-nic`'s.

mod apply;
mod ethtool;
mod fault;
mod link;
mod message;
mod route;
mod traffic;

pub use apply::Devices;
pub use fault::Fault;
pub use link::{Kind, Link};
pub use route::{LinkEvents, News};

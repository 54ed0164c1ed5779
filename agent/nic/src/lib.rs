//! Settings of network interfaces: keys and values, the order they are applied in, and what came
//! of each.
//!
//! Pure: no device is touched here, and none is looked at. Who reads and writes devices is
//! `xenwarden-link`.

#![no_std]

extern crate alloc;

mod account;
mod device;
mod key;
mod mirror;
mod plan;
mod setting;
mod state;

pub use account::{Failure, Line, Reason, account};
pub use device::{GuestNic, Side};
pub use key::{Key, NoSuchKey, Offload};
pub use mirror::{Direction, Frames, Mac, Port, Rule, Rules, mirrors};
pub use plan::{LinkWish, Step, plan};
pub use setting::{BadValue, Duplex, Setting, Wanted};
pub use state::{Active, Feature, LinkMode};

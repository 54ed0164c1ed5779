//! The whole server on a fake hypervisor: real ring pages, guests that lie, and a clock that stands
//! still until a test moves it.
//!
//! What requests mean is tested in `xenstore-store`.

mod advisories;
mod behaviour;
mod flood;
mod hostile;
mod lives;
mod rings;
mod seeded;
mod survival;
mod tokens;
mod turns;
mod updating;

use super::world;

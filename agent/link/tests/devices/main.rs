//! Settings on real devices, in network namespaces of the tests' own, with `ethtool` and `ip` of
//! the distribution as judges.
//!
//! They need root, and say so where it is missing.

mod capture;
mod cost;
mod keys;
mod mirrors;
mod world;

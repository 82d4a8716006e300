//! The rules of breakerbox, and nothing but the rules.
//!
//! Every policy is a state machine that takes the present as an argument and returns what is to be
//! done: no I/O, no runtime, no thread, no clock, no randomness and no log of its own. The library
//! `breakerbox`, the gateway and the lab are thin faces over these machines; each rule lives here,
//! once.
//!
//! - [`breaker`]: the circuit breaker.
//! - [`endpoints`]: several endpoints of one upstream, each behind a breaker.
//! - [`classify`]: what the answers of protocols count as.
//! - [`retry`]: what is repeated, how often and after how long, and within which budget.
//! - [`pipeline`]: the way of one call through all policies.
//!
//! Use the crate `breakerbox` to protect calls; use this one to drive the machines yourself.

pub mod breaker;
pub mod classify;
pub mod endpoints;
mod histogram;
mod outcome;
pub mod pipeline;
mod random;
pub mod retry;
mod slot;
mod sync;
mod time;

pub use breaker::SettingsError;
pub use histogram::{Durations, Histogram};
pub use outcome::Outcome;
pub use random::SplitMix64;
pub use time::Timestamp;

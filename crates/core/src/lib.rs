//! The rules of breakerbox, and nothing but the rules.
//!
//! Every policy is a state machine that takes the present as an argument and returns what is to be
//! done: no I/O, no runtime, no thread, no clock, no randomness and no log of its own. The library
//! `breakerbox`, the gateway and the lab are thin faces over these machines; each rule lives here,
//! once.
//!
//! - [`breaker`]: the circuit breaker.
//! - [`bulkhead`]: so many calls at once, and a short queue.
//! - [`cache`]: how long an answer may be given again.
//! - [`coalesce`]: equal calls in flight share one result.
//! - [`endpoints`]: several endpoints of one upstream, each behind a breaker.
//! - [`classify`]: what the answers of protocols count as.
//! - [`retry`]: what is repeated, how often and after how long, and within which budget.
//! - [`hedge`]: when a second attempt is started beside a slow first one.
//! - [`throttle`]: fewer calls to an upstream that accepts fewer.
//! - [`shed`]: which calls are dropped first when there is too much to do.
//! - [`adaptive_limit`]: how many calls the other side can work on at once.
//! - [`pipeline`]: the way of one call through all policies.
//!
//! Use the crate `breakerbox` to protect calls; use this one to drive the machines yourself.
//!
//! ```
//! use breakerbox_core::breaker::{Breaker, Settings, State};
//! use breakerbox_core::{Outcome, Timestamp};
//! use std::time::Duration;
//!
//! let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
//! let settings = Settings { consecutive_failures: Some(1), ..Settings::default() };
//! let breaker = Breaker::new(settings.check().unwrap().into(), at(0), 0);
//! let permit = breaker.admit(at(1), &mut |_| {}).unwrap();
//! breaker.finish(permit, at(2), Outcome::Failure, &mut |_| {});
//! assert_eq!(breaker.state(at(2)), State::Open);
//! // Nobody has waited for this: the present is what the caller says it is.
//! assert_eq!(breaker.state(at(30)), State::HalfOpen);
//! ```

pub mod adaptive_limit;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod chaos;
pub mod classify;
pub mod coalesce;
pub mod endpoints;
mod first;
pub mod hedge;
mod histogram;
#[cfg(all(test, loom))]
mod interleavings;
pub mod keyed;
mod outcome;
pub mod pipeline;
mod random;
pub mod rate_limit;
pub mod retry;
mod settings_error;
pub mod shed;
mod slot;
mod sync;
pub mod throttle;
mod time;
#[cfg(all(test, not(loom)))]
mod trials;
mod waiter;

pub use histogram::{Durations, Histogram};
pub use outcome::Outcome;
pub use random::SplitMix64;
pub use settings_error::SettingsError;
pub use time::Timestamp;

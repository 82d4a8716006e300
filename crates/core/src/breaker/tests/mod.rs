//! Tests of the circuit breaker: its rules one by one, against a naive model, with threads, and
//! under loom.

#[cfg(loom)]
mod loom_control;
#[cfg(loom)]
mod loom_windows;

#[cfg(not(loom))]
mod closed;
#[cfg(not(loom))]
mod control;
#[cfg(not(loom))]
mod driver;
#[cfg(not(loom))]
mod exhaustive;
#[cfg(not(loom))]
mod half_open;
#[cfg(not(loom))]
mod late;
#[cfg(not(loom))]
mod lease;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod open;
#[cfg(not(loom))]
mod reads;
#[cfg(not(loom))]
mod rejections;
#[cfg(not(loom))]
mod rig;
#[cfg(not(loom))]
mod settings;
#[cfg(not(loom))]
mod shrinking;
#[cfg(not(loom))]
mod slow;
#[cfg(not(loom))]
mod sweep;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod windows;

//! Tests of the throttle: its numbers, a naive model, an outage, and the ring under loom.

#[cfg(loom)]
mod loom_throttle;

#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod numbers;
#[cfg(not(loom))]
mod outage;

//! Tests of the delay before a hedge: its numbers, a naive model, and its parts under loom.

#[cfg(loom)]
mod loom_hedge;

#[cfg(not(loom))]
mod delay;
#[cfg(not(loom))]
mod model;

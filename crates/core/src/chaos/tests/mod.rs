//! Tests of chaos: its rules one by one, its numbers to the bit, against a naive model, and under
//! loom.

#[cfg(loom)]
mod loom_chaos;

#[cfg(not(loom))]
mod latencies;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod rules;
#[cfg(not(loom))]
mod settings;

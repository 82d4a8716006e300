//! The rate limit at exact instants, against a simple model, and with threads.

#[cfg(loom)]
mod loom_rate_limit;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod numbers;

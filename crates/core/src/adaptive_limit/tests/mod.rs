//! Tests of the adaptive limit: its steps, its windows against a naive model, a service under
//! overload, and the counting under loom.

#[cfg(loom)]
mod loom_limit;

#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod plant;
#[cfg(not(loom))]
mod settings;
#[cfg(not(loom))]
mod steps;

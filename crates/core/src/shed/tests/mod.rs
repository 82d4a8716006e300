//! Tests of load shedding: its numbers, what holds whatever comes, an overloaded service, and the
//! counting under loom.

#[cfg(loom)]
mod loom_shed;

#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod numbers;
#[cfg(not(loom))]
mod plant;

//! What every Tower layer must keep to.

mod contract;
mod readiness;
mod stacked;
mod support;
mod together;

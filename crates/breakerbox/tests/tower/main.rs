//! What every Tower layer must keep to.

mod contract;
mod readiness;
mod support;
mod together;

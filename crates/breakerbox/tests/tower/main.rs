//! What every Tower layer must keep to.

mod contract;
#[cfg(feature = "http")]
mod over_http;
mod readiness;
mod stacked;
mod support;
mod together;

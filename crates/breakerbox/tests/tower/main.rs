//! What every Tower layer must keep to.

mod contract;
mod stacked;
mod support;
mod together;

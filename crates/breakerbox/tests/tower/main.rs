//! What every Tower layer must keep to.

mod contract;
mod support;
mod together;

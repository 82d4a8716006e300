//! The lab: the policies that run in production, on virtual time and on paper.
//!
//! - [`policy_test`]: tests of a policy, from a file;
//! - [`simulate`](mod@simulate): what a policy does in an outage, from a file;
//! - [`capacity`]: what policies allow at worst, worked out without running them.

pub mod capacity;
mod policy_source;
pub mod policy_test;
pub mod simulate;

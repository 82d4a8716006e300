//! The lab: the policies that run in production, on virtual time.
//!
//! - [`policy_test`]: tests of a policy, from a file;
//! - [`simulate`](mod@simulate): what a policy does in an outage, from a file.

mod policy_source;
pub mod policy_test;
pub mod simulate;

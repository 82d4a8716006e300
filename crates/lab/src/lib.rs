//! The lab: the policies that run in production, on virtual time.
//!
//! - [`policy_test`]: tests of a policy, from a file.

pub mod policy_test;

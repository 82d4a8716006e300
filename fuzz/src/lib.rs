//! What must never break, whatever comes in.
//!
//! Each module is one target: a function that takes any bytes and panics where something that must
//! hold does not. The programs in `targets/` hand these functions to the fuzzer; `tests/seeds.rs`
//! runs them over all kept seeds, so that what was found once stays found.
//!
//! | module | what comes in | what must hold |
//! |---|---|---|
//! | [`file`](mod@file) | a file | every complaint has a place; what has none can be run |
//! | [`policy_test`] | a file of policy tests | the same; every case ends, and twice the same way |
//! | [`headers`] | values of headers, and whole heads | values in their bounds; nothing ambiguous goes on |
//! | [`state`] | a state file | what is taken up is written the same |
//! | [`http`](mod@http) | a client's bytes, or an upstream's | never two requests for one, nor two answers |
//! | [`machine`] | settings and a course of events | the accounts add up, and nothing is left behind |

mod diagnostics;
pub mod file;
pub mod headers;
pub mod http;
pub mod machine;
pub mod policy_test;
pub mod state;

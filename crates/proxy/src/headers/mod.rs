//! What a proxy does to headers: refuse what is ambiguous, drop what is meant for one hop only,
//! and say who asked.

mod check;
mod forwarded;
mod hop_by_hop;

pub(crate) use check::host;
pub use check::{Refusal, check};
pub use forwarded::{Peer, prepare_request, prepare_response};

pub use breakerbox::http::{
    BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON,
    grpc_timeout, retry_after_of, tell_time_left, time_left, to_grpc_timeout, urgency,
};

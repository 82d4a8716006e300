//! What a proxy does to headers: refuse what is ambiguous, drop what is meant for one hop only,
//! and say who asked.

mod check;
mod forwarded;
mod hop_by_hop;

pub(crate) use check::host;
pub use check::{Refusal, check};
pub use forwarded::{Peer, prepare_request, prepare_response};

pub use crate::policies::retry_after_of;
pub use crate::start::{grpc_timeout, to_grpc_timeout, urgency};

use http::HeaderName;

/// Why an answer is the gateway's own and not the upstream's.
pub const BREAKERBOX_REASON: HeaderName = HeaderName::from_static("breakerbox-reason");

/// Set on answers that a fallback gave.
pub const BREAKERBOX_FALLBACK: HeaderName = HeaderName::from_static("breakerbox-fallback");

/// Milliseconds that are left of the caller's deadline.
pub const BREAKERBOX_DEADLINE_MS: HeaderName = HeaderName::from_static("breakerbox-deadline-ms");

/// Number of the attempt, counted from 1.
pub const BREAKERBOX_ATTEMPT: HeaderName = HeaderName::from_static("breakerbox-attempt");

/// How much time a trusted client has left, as `breakerbox-deadline-ms` or `grpc-timeout` say it;
/// what is no number is as good as nothing.
pub fn time_left(headers: &http::HeaderMap) -> Option<std::time::Duration> {
    let ours = || headers.get(BREAKERBOX_DEADLINE_MS)?.to_str().ok()?.trim().parse().ok();
    let ours = ours().map(std::time::Duration::from_millis);
    let grpc = grpc_timeout(headers);
    [ours, grpc].into_iter().flatten().min()
}

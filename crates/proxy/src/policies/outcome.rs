//! What a request that got no response counts as. What responses count as is the library's.

use breakerbox::Outcome;
use breakerbox::core::pipeline::Hint;
use breakerbox::core::retry::Failure;

use crate::pool::{SendError, SendErrorKind};

/// Whether a request that got no response is the upstream's failure. That an upstream ends a
/// connection in peace says nothing about it.
pub(super) fn of_error(error: &SendError) -> Outcome {
    match error.kind() {
        _ if error.is_goodbye() => Outcome::Ignored,
        SendErrorKind::ClientBody => Outcome::Ignored,
        SendErrorKind::Connect
        | SendErrorKind::RefusedStream
        | SendErrorKind::Reset
        | SendErrorKind::Protocol => Outcome::Failure,
    }
}

/// What a retry policy is told of a request that got no response.
pub(super) fn hint_of_error(error: &SendError) -> Hint {
    let failure = match error.kind() {
        SendErrorKind::Connect => Failure::Connect,
        SendErrorKind::RefusedStream => Failure::RefusedStream,
        SendErrorKind::Reset => Failure::Reset,
        SendErrorKind::Protocol | SendErrorKind::ClientBody => Failure::Other,
    };
    Hint { failure, never_sent: error.never_sent(), ..Hint::NONE }
}

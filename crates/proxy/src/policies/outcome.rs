//! What an upstream's answer counts as; the rules are core's.

use breakerbox::Outcome;
use breakerbox::core::classify;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};

use crate::pool::{SendError, SendErrorKind};

/// Whether a request that got no response is the upstream's failure.
pub(super) fn of_error(error: &SendError) -> Outcome {
    match error.kind() {
        SendErrorKind::ClientBody => Outcome::Ignored,
        SendErrorKind::Connect
        | SendErrorKind::RefusedStream
        | SendErrorKind::Reset
        | SendErrorKind::Protocol => Outcome::Failure,
    }
}

/// What can be told from the headers of a response. gRPC says it here only if there is no body.
pub(super) fn of_headers<B>(response: &Response<B>) -> Outcome {
    match grpc_status(response.headers()) {
        Some(code) if is_grpc(response.headers()) => classify::grpc_status(code),
        _ => classify::http_status(response.status().as_u16()),
    }
}

/// What can be told from the trailers of a gRPC response; one without a status was cut off.
pub(super) fn of_grpc_trailers(trailers: Option<&HeaderMap>) -> Outcome {
    match trailers.and_then(grpc_status) {
        Some(code) => classify::grpc_status(code),
        None => Outcome::Failure,
    }
}

/// Whether the status of the call is still to come, in the trailers.
pub(super) fn comes_in_trailers(headers: &HeaderMap) -> bool {
    is_grpc(headers) && grpc_status(headers).is_none()
}

/// `application/grpc`, with a message format or a parameter or without. gRPC-Web is another thing:
/// it has its status in the body.
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return false };
    let Some((start, rest)) = content_type.as_bytes().split_at_checked(GRPC.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

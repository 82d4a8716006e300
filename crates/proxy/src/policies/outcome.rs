//! What an upstream's answer counts as; the rules are core's.

use std::time::{Duration, SystemTime};

use breakerbox::Outcome;
use breakerbox::core::classify;
use breakerbox::core::pipeline::Hint;
use breakerbox::core::retry::Failure;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Response};

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

/// What a retry policy is told of the headers of a response.
pub(super) fn hint_of_headers<B>(response: &Response<B>) -> Hint {
    let headers = response.headers();
    let failure = match grpc_status(headers).filter(|_| is_grpc(headers)) {
        Some(code) => Failure::Grpc(code),
        None => Failure::Status(response.status().as_u16()),
    };
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| retry_after_of(value, SystemTime::now()));
    Hint { failure, retry_after, ..Hint::NONE }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3); a date that has passed is now.
///
/// ```
/// use breakerbox_proxy::headers::retry_after_of;
/// use std::time::{Duration, SystemTime};
///
/// assert_eq!(retry_after_of("120", SystemTime::now()), Some(Duration::from_secs(120)));
/// ```
pub fn retry_after_of(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |value| retry_after_of(value, now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of(" 0 "), Some(Duration::ZERO));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Sun, 06 Nov 1994 08:48:37 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
        assert_eq!(of("-1"), None);
        assert_eq!(of("1.5"), None);
    }
}

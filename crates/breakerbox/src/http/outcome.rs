//! What HTTP and gRPC answers count as: the rules of [`classify`](breakerbox_core::classify) for whole
//! responses.

use super::headers::retry_after_of;
use crate::Outcome;
use breakerbox_core::classify;
use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Response};
use std::time::{Duration, SystemTime};

/// What can be told from the headers of a response. gRPC says it here only if there is no body.
///
/// ```
/// use breakerbox::Outcome;
/// use breakerbox::http::of_headers;
/// use http::Response;
///
/// // A call of gRPC that came to nothing, UNAVAILABLE: for HTTP all was well.
/// let response = Response::builder()
///     .header("content-type", "application/grpc")
///     .header("grpc-status", "14")
///     .body(())
///     .unwrap();
/// assert_eq!((response.status().as_u16(), of_headers(&response)), (200, Outcome::Failure));
/// ```
pub fn of_headers<B>(response: &Response<B>) -> Outcome {
    match grpc_status(response.headers()) {
        Some(code) if is_grpc(response.headers()) => classify::grpc_status(code),
        _ => classify::http_status(response.status().as_u16()),
    }
}

/// What can be told from the trailers of a gRPC response; one without a status was cut off.
///
/// ```
/// use breakerbox::Outcome;
/// use breakerbox::http::of_grpc_trailers;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut trailers = HeaderMap::new();
/// trailers.insert("grpc-status", HeaderValue::from_static("0"));
/// assert_eq!(of_grpc_trailers(Some(&trailers)), Outcome::Success);
/// assert_eq!(of_grpc_trailers(None), Outcome::Failure);
/// ```
pub fn of_grpc_trailers(trailers: Option<&HeaderMap>) -> Outcome {
    match trailers.and_then(grpc_status) {
        Some(code) => classify::grpc_status(code),
        None => Outcome::Failure,
    }
}

/// Whether the status of the call is still to come, in the trailers.
///
/// ```
/// use breakerbox::http::comes_in_trailers;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("content-type", HeaderValue::from_static("application/grpc+proto"));
/// assert!(comes_in_trailers(&headers));
/// headers.insert("grpc-status", HeaderValue::from_static("5"));
/// assert!(!comes_in_trailers(&headers));
/// ```
pub fn comes_in_trailers(headers: &HeaderMap) -> bool {
    is_grpc(headers) && grpc_status(headers).is_none()
}

/// `application/grpc`, with a message format or a parameter or without. gRPC-Web is another thing:
/// it has its status in the body.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = after_grpc(headers);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t')))
}

/// `application/grpc-web` or `application/grpc-web-text`, with a format or without.
pub(super) fn is_grpc_web(headers: &HeaderMap) -> bool {
    after_grpc(headers).is_some_and(|rest| rest.to_ascii_lowercase().starts_with(b"-web"))
}

fn after_grpc(headers: &HeaderMap) -> Option<&[u8]> {
    const GRPC: &[u8] = b"application/grpc";
    let (start, rest) = headers.get(CONTENT_TYPE)?.as_bytes().split_at_checked(GRPC.len())?;
    start.eq_ignore_ascii_case(GRPC).then_some(rest)
}

pub(super) fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// What a retry policy is told of the headers of a response: its status, and when the other side wants to
/// be asked again, as `Retry-After` or gRPC's `grpc-retry-pushback-ms` say it (gRFC A6: what is no number
/// of milliseconds there means never).
///
/// ```
/// use breakerbox::http::hint_of_headers;
/// use http::Response;
/// use std::time::Duration;
///
/// let response = Response::builder().status(503).header("retry-after", "2").body(()).unwrap();
/// assert_eq!(hint_of_headers(&response).retry_after, Some(Duration::from_secs(2)));
/// ```
pub fn hint_of_headers<B>(response: &Response<B>) -> Hint {
    let headers = response.headers();
    if let Some(code) = grpc_status(headers).filter(|_| is_grpc(headers)) {
        let pushback = headers.get("grpc-retry-pushback-ms");
        let pushback = pushback.map(|value| value.to_str().ok()?.trim().parse().ok());
        let again = matches!(pushback, Some(None)).then_some(false);
        let retry_after = pushback.flatten().map(Duration::from_millis);
        return Hint { failure: Failure::Grpc(code), retry_after, again, ..Hint::NONE };
    }
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| retry_after_of(value, SystemTime::now()));
    Hint { failure: Failure::Status(response.status().as_u16()), retry_after, ..Hint::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&str, &str)]) -> Response<()> {
        let response = Response::builder().header("content-type", "application/grpc");
        let response = headers.iter().fold(response, |it, (name, value)| it.header(*name, *value));
        response.body(()).unwrap()
    }

    #[test]
    fn a_pushback_is_milliseconds_or_never() {
        let of = |value| {
            hint_of_headers(&response(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", value)]))
        };
        assert_eq!(of("25").retry_after, Some(Duration::from_millis(25)));
        assert_eq!((of("0").retry_after, of("0").again), (Some(Duration::ZERO), None));
        for never in ["-1", "soon", ""] {
            assert_eq!((of(never).retry_after, of(never).again), (None, Some(false)), "{never}");
        }
        let without = hint_of_headers(&response(&[("grpc-status", "14")]));
        assert_eq!((without.retry_after, without.again), (None, None));
        // Only of a failure that is gRPC's.
        let http = Response::builder().header("grpc-retry-pushback-ms", "-1").body(()).unwrap();
        assert_eq!(hint_of_headers(&http).again, None);
    }

    #[test]
    fn a_status_counts_where_grpc_says_it() {
        assert_eq!(of_headers(&response(&[("grpc-status", "14")])), Outcome::Failure);
        assert_eq!(of_headers(&response(&[("grpc-status", "5")])), Outcome::Success);
        assert!(comes_in_trailers(response(&[]).headers()));
        assert_eq!(of_grpc_trailers(None), Outcome::Failure);
        assert_eq!(
            of_grpc_trailers(Some(response(&[("grpc-status", "0")]).headers())),
            Outcome::Success
        );
    }
}

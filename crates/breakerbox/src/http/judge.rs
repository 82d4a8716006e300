//! What responses and errors count as, where nobody says otherwise.

use super::outcome;
use super::stems::{hint_of_error, outcome_of_error};
use crate::tower::{OverLayers, hint_of_layer, outcome_of_layer};
use crate::{Classify, Error, Hints, Outcome};
use breakerbox_core::classify;
use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;
use http::{Response, StatusCode};
use std::error::Error as StdError;

/// What responses count as by their status, of HTTP or of gRPC, and errors by what they stem from.
///
/// 5xx and errors are failures, 429 is ignored, other answers are successes; `UNAVAILABLE`,
/// `DEADLINE_EXCEEDED`, `INTERNAL`, `UNKNOWN` and `DATA_LOSS` of gRPC are failures, `RESOURCE_EXHAUSTED`
/// is ignored. So is what says nothing of the other side: see [`outcome_of_error`]. A retry policy is told
/// the status, `Retry-After` and `grpc-retry-pushback-ms`, and what [an error stems from](hint_of_error).
///
/// ```
/// use breakerbox::http::ByProtocol;
/// use breakerbox::{Classify, Outcome};
/// use http::Response;
///
/// let counts_as = |status: u16| {
///     let response = Response::builder().status(status).body(()).unwrap();
///     ByProtocol.classify(&Ok::<_, std::io::Error>(response))
/// };
/// assert_eq!(counts_as(404), Outcome::Success);
/// assert_eq!(counts_as(429), Outcome::Ignored);
/// assert_eq!(counts_as(503), Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByProtocol;

impl<B, E: StdError + 'static> Classify<Response<B>, E> for ByProtocol {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result {
            Ok(response) => outcome::of_headers(response),
            Err(error) => outcome_of_error(error),
        }
    }
}

impl<B, E: StdError + 'static> Hints<Response<B>, E> for ByProtocol {
    fn hint(&self, result: &Result<Response<B>, E>) -> Hint {
        match result {
            Ok(response) => outcome::hint_of_headers(response),
            Err(error) => hint_of_error(error),
        }
    }
}

impl<B, E: StdError + 'static> Classify<Response<B>, Error<E>> for OverLayers<ByProtocol> {
    fn classify(&self, result: &Result<Response<B>, Error<E>>) -> Outcome {
        match result {
            Ok(response) => outcome::of_headers(response),
            Err(Error::Inner(error)) => outcome_of_error(error),
            Err(error) => outcome_of_layer(error),
        }
    }
}

impl<B, E: StdError + 'static> Hints<Response<B>, Error<E>> for OverLayers<ByProtocol> {
    fn hint(&self, result: &Result<Response<B>, Error<E>>) -> Hint {
        match result {
            Ok(response) => outcome::hint_of_headers(response),
            Err(Error::Inner(error)) => hint_of_error(error),
            Err(error) => hint_of_layer(error).unwrap_or(Hint::NONE),
        }
    }
}

/// What responses count as by their status, and every error as a failure: how a
/// [`ServerLayer`](super::ServerLayer) judges the service behind it, whatever its errors are.
///
/// ```
/// use breakerbox::http::ByStatus;
/// use breakerbox::{Classify, Outcome};
/// use http::Response;
///
/// let broken: Result<Response<()>, &str> = Err("broken");
/// assert_eq!(ByStatus.classify(&broken), Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus;

impl<B, E> Classify<Response<B>, E> for ByStatus {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result {
            Ok(response) => outcome::of_headers(response),
            Err(_) => Outcome::Failure,
        }
    }
}

impl<B, E> Hints<Response<B>, E> for ByStatus {
    fn hint(&self, result: &Result<Response<B>, E>) -> Hint {
        result.as_ref().map_or(Hint::NONE, outcome::hint_of_headers)
    }
}

/// What responses to calls of gRPC count as: as [`ByProtocol`] says, and one that is no gRPC, as a proxy or
/// another server gives it, by the code that gRPC has for its status: `INTERNAL` for 400, `UNAVAILABLE` for
/// 502 to 504, `UNKNOWN` for most others, 200 among them.
///
/// ```
/// use breakerbox::http::ByGrpc;
/// use breakerbox::{Classify, Outcome};
/// use http::Response;
///
/// let page: Result<_, std::io::Error> = Ok(Response::new("<h1>Welcome to nginx!</h1>"));
/// assert_eq!(ByGrpc.classify(&page), Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByGrpc;

/// The code of a response that is no gRPC, where its status alone does not say enough.
fn code_of_other<B>(response: &Response<B>) -> Option<u32> {
    // gRPC-Web has its status in the body: only what translates it knows that.
    if outcome::is_grpc(response.headers()) || outcome::is_grpc_web(response.headers()) {
        return None;
    }
    if let Some(code) = outcome::grpc_status(response.headers()) {
        return Some(code);
    }
    match response.status() {
        // Of these the status itself says more.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => None,
        other => Some(classify::grpc_code_of_http(other.as_u16())),
    }
}

impl<B, E: StdError + 'static> Classify<Response<B>, E> for ByGrpc {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result.as_ref().ok().and_then(code_of_other) {
            Some(code) => classify::grpc_status(code),
            None => ByProtocol.classify(result),
        }
    }
}

impl<B, E: StdError + 'static> Hints<Response<B>, E> for ByGrpc {
    fn hint(&self, result: &Result<Response<B>, E>) -> Hint {
        let hint = ByProtocol.hint(result);
        match result.as_ref().ok().and_then(code_of_other) {
            Some(code) => Hint { failure: Failure::Grpc(code), ..hint },
            None => hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error as IoError;

    #[test]
    fn what_is_no_grpc_counts_by_the_code_that_its_status_has() {
        let of = |status: u16, content_type: &str, code: Option<&str>| {
            let response = Response::builder().status(status).header("content-type", content_type);
            let response =
                code.into_iter().fold(response, |it, code| it.header("grpc-status", code));
            let result: Result<_, IoError> = Ok(response.body(()).expect("good headers"));
            (ByGrpc.classify(&result), ByGrpc.hint(&result).failure)
        };
        let (html, grpc) = ("text/html", "application/grpc");
        for (status, content_type, code, counts, failure) in [
            (200, html, None, Outcome::Failure, Failure::Grpc(2)),
            (200, html, Some("14"), Outcome::Failure, Failure::Grpc(14)),
            (400, html, None, Outcome::Failure, Failure::Grpc(13)),
            (404, html, None, Outcome::Success, Failure::Grpc(12)),
            (429, html, None, Outcome::Ignored, Failure::Status(429)),
            (502, html, None, Outcome::Failure, Failure::Status(502)),
            (200, grpc, None, Outcome::Success, Failure::Status(200)),
            (200, "application/grpc+proto", Some("5"), Outcome::Success, Failure::Grpc(5)),
            (200, "application/grpc-web+proto", None, Outcome::Success, Failure::Status(200)),
            (200, "application/grpc-web-text", None, Outcome::Success, Failure::Status(200)),
            (503, "application/grpc-web", None, Outcome::Failure, Failure::Status(503)),
        ] {
            assert_eq!(
                of(status, content_type, code),
                (counts, failure),
                "{status} {content_type}"
            );
        }
    }
}

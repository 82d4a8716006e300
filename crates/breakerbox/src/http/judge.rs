//! What responses and errors count as, where nobody says otherwise.

use super::outcome;
use crate::tower::{OverLayers, hint_of_layer, outcome_of_layer};
use crate::{Classify, Error, Hints, Outcome};
use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;
use http::Response;
use std::error::Error as StdError;
use std::io::{Error as IoError, ErrorKind};

/// What responses count as by their status, of HTTP or of gRPC, and errors by what they stem from.
///
/// 5xx and errors are failures, 429 is ignored, other answers are successes; `UNAVAILABLE`,
/// `DEADLINE_EXCEEDED`, `INTERNAL`, `UNKNOWN` and `DATA_LOSS` of gRPC are failures, `RESOURCE_EXHAUSTED`
/// is ignored. A retry policy is told the status, `Retry-After` and `grpc-retry-pushback-ms`, and whether
/// a connection was refused or reset.
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

impl<B, E> Classify<Response<B>, E> for ByProtocol {
    fn classify(&self, result: &Result<Response<B>, E>) -> Outcome {
        match result {
            Ok(response) => outcome::of_headers(response),
            Err(_) => Outcome::Failure,
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

impl<B, E> Classify<Response<B>, Error<E>> for OverLayers<ByProtocol> {
    fn classify(&self, result: &Result<Response<B>, Error<E>>) -> Outcome {
        match result {
            Ok(response) => outcome::of_headers(response),
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

/// What can be told of an error by what it stems from.
///
/// ```
/// use breakerbox::core::retry::Failure;
/// use breakerbox::http::hint_of_error;
/// use std::io::{Error, ErrorKind};
///
/// let hint = hint_of_error(&Error::from(ErrorKind::ConnectionRefused));
/// assert!(hint.never_sent && hint.failure == Failure::Connect);
/// ```
pub fn hint_of_error(error: &(dyn StdError + 'static)) -> Hint {
    let mut next = Some(error);
    while let Some(error) = next {
        #[cfg(feature = "reqwest")]
        if let Some(hint) = error.downcast_ref().and_then(hint_of_reqwest) {
            return hint;
        }
        if let Some(failure) = error.downcast_ref::<IoError>().and_then(|it| kind_of(it.kind())) {
            // A connection that was never made has carried nothing.
            return Hint { failure, never_sent: failure == Failure::Connect, ..Hint::NONE };
        }
        next = error.source();
    }
    Hint::NONE
}

fn kind_of(kind: ErrorKind) -> Option<Failure> {
    match kind {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable => Some(Failure::Connect),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Some(Failure::Reset),
        _ => None,
    }
}

#[cfg(feature = "reqwest")]
fn hint_of_reqwest(error: &reqwest::Error) -> Option<Hint> {
    if error.is_connect() {
        // Names that cannot be resolved and handshakes that fail are among these.
        return Some(Hint { failure: Failure::Connect, never_sent: true, ..Hint::NONE });
    }
    error.is_timeout().then_some(Hint { failure: Failure::Timeout, ..Hint::NONE })
}

//! What an error stems from, as far as that can be told: it is looked for along its sources.

use super::replay::ReplayError;
#[cfg(feature = "reqwest-middleware")]
use crate::Error;
use crate::{Outcome, Rejection, Timeout};
use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;
use std::error::Error as StdError;
use std::io::{Error as IoError, ErrorKind};

/// What can be told of an error by what it stems from: what kind of failure it is, and whether the request
/// cannot have been received.
///
/// That nothing was sent is believed where no connection was made: of an [`io::Error`](IoError) if the
/// connection was refused, and of hyper (feature `hyper`) and tonic, which say so. reqwest is not believed:
/// it follows redirects, so its first request may have been received.
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
    stem(error).hint()
}

/// What an error counts as by what it stems from: a failure of the other side, but for what says nothing of
/// it. Those are the body of a request that failed by itself, a request that could not be made, too many
/// redirects, and a rejection by another pipeline in between.
///
/// ```
/// use breakerbox::http::outcome_of_error;
/// use breakerbox::{Control, Error, Outcome, Pipeline, breaker};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let posts = Pipeline::builder("posts").breaker(breaker::Settings::default()).build()?;
/// posts.control(Control::Isolate);
/// let Err(Error::Rejected(rejection)) = posts.call(async || Ok::<_, ()>(1)).await else { panic!() };
/// assert_eq!(outcome_of_error(&rejection), Outcome::Ignored);
/// assert_eq!(outcome_of_error(&std::io::Error::other("broken")), Outcome::Failure);
/// # Ok(()) }
/// ```
pub fn outcome_of_error(error: &(dyn StdError + 'static)) -> Outcome {
    stem(error).outcome()
}

/// What an error stems from.
enum Stem {
    /// The other side failed.
    Failed {
        failure: Failure,
        never_sent: bool,
    },
    /// It is the caller's own fault, and would be again.
    Caller,
    /// Another pipeline in between has rejected the call.
    Rejected(Rejection),
    Unknown,
}

impl Stem {
    const fn of(failure: Failure) -> Self {
        Self::Failed { failure, never_sent: false }
    }

    const fn never_sent(failure: Failure) -> Self {
        Self::Failed { failure, never_sent: true }
    }

    fn hint(self) -> Hint {
        match self {
            Self::Failed { failure, never_sent } => Hint { failure, never_sent, ..Hint::NONE },
            Self::Caller => Hint { again: Some(false), ..Hint::NONE },
            Self::Rejected(rejection) => {
                let failure = rejection.why().failure().unwrap_or(Failure::Other);
                Hint { failure, retry_after: rejection.retry_after(), ..Hint::NONE }
            }
            Self::Unknown => Hint::NONE,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Caller | Self::Rejected(_) => Outcome::Ignored,
            Self::Failed { .. } | Self::Unknown => Outcome::Failure,
        }
    }
}

fn stem(error: &(dyn StdError + 'static)) -> Stem {
    let (mut redirected, mut connected) = (false, false);
    let mut next = Some(error);
    while let Some(error) = next {
        redirected |= may_have_been_redirected(error);
        connected |= had_a_connection(error);
        match of_ours(error).or_else(|| of_clients(error)).or_else(|| of_connections(error)) {
            Some(Stem::Failed { failure, never_sent }) => {
                let sent = redirected || (connected && failure == Failure::Connect);
                return Stem::Failed { failure, never_sent: never_sent && !sent };
            }
            Some(stem) => return stem,
            None => next = inside(error).or_else(|| error.source()),
        }
    }
    Stem::Unknown
}

/// What an error holds that is not its source.
fn inside<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    #[cfg(feature = "reqwest-middleware")]
    if let Some(error) = error.downcast_ref() {
        return Some(match error {
            reqwest_middleware::Error::Reqwest(error) => error,
            reqwest_middleware::Error::Middleware(error) => &**error,
        });
    }
    #[cfg(feature = "reqwest-middleware")]
    if let Some(Error::Inner(error)) = error.downcast_ref::<Error<reqwest::Error>>() {
        return Some(error);
    }
    let held = error.downcast_ref::<IoError>()?.get_ref()?;
    Some(held)
}

/// What this library has said.
fn of_ours(error: &(dyn StdError + 'static)) -> Option<Stem> {
    #[cfg(feature = "reqwest-middleware")]
    match error.downcast_ref::<Error<reqwest::Error>>() {
        Some(Error::Rejected(rejection)) => return Some(Stem::Rejected(rejection.clone())),
        Some(Error::Timeout(_)) => return Some(Stem::of(Failure::Timeout)),
        Some(Error::Inner(_)) | None => {}
    }
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return Some(Stem::Rejected(rejection.clone()));
    }
    if error.is::<Timeout>() {
        return Some(Stem::of(Failure::Timeout));
    }
    // Nobody but the caller has made it.
    matches!(error.downcast_ref()?, ReplayError::Body(_)).then_some(Stem::Caller)
}

/// Whether the attempt may have been several requests, of which the first was received.
#[cfg(feature = "reqwest")]
fn may_have_been_redirected(error: &(dyn StdError + 'static)) -> bool {
    error.is::<reqwest::Error>()
}

#[cfg(not(feature = "reqwest"))]
fn may_have_been_redirected(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// Whether it is known that there was a connection.
#[cfg(feature = "hyper")]
fn had_a_connection(error: &(dyn StdError + 'static)) -> bool {
    let error = error.downcast_ref::<hyper_util::client::legacy::Error>();
    error.is_some_and(|error| !error.is_connect())
}

#[cfg(not(feature = "hyper"))]
fn had_a_connection(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// What HTTP clients say.
fn of_clients(error: &(dyn StdError + 'static)) -> Option<Stem> {
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return of_reqwest(error);
    }
    #[cfg(feature = "tonic")]
    if error.is::<tonic::TimeoutExpired>() {
        return Some(Stem::of(Failure::Timeout));
    }
    #[cfg(feature = "tonic")]
    if error.is::<tonic::ConnectError>() {
        return Some(Stem::never_sent(Failure::Connect));
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        // Names that cannot be resolved and handshakes that fail are among these.
        return error.is_connect().then_some(Stem::never_sent(Failure::Connect));
    }
    let _ = error;
    None
}

#[cfg(feature = "reqwest")]
fn of_reqwest(error: &reqwest::Error) -> Option<Stem> {
    // Before timeouts, which are looked for in what the body's error stems from as well.
    if error.is_builder() || error.is_redirect() || has_failed_to_send_its_body(error) {
        return Some(Stem::Caller);
    }
    if error.is_connect() {
        return Some(Stem::of(Failure::Connect));
    }
    error.is_timeout().then_some(Stem::of(Failure::Timeout))
}

/// Whether it was the body of the request. (That of a response is a body to reqwest, too.)
#[cfg(feature = "reqwest")]
fn has_failed_to_send_its_body(error: &reqwest::Error) -> bool {
    if !error.is_request() {
        return false;
    }
    let mut below = error.source();
    while let Some(error) = below {
        if error.downcast_ref().is_some_and(reqwest::Error::is_body) {
            return true;
        }
        below = error.source();
    }
    false
}

/// What connections say.
fn of_connections(error: &(dyn StdError + 'static)) -> Option<Stem> {
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return of_http2(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // It was closed where an answer was due.
        return error.is_incomplete_message().then_some(Stem::of(Failure::Reset));
    }
    match error.downcast_ref::<IoError>()?.kind() {
        ErrorKind::ConnectionRefused => Some(Stem::never_sent(Failure::Connect)),
        // These can come to a connection too that has carried a request.
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable => Some(Stem::of(Failure::Connect)),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Some(Stem::of(Failure::Reset)),
        ErrorKind::TimedOut => Some(Stem::of(Failure::Timeout)),
        _ => None,
    }
}

#[cfg(feature = "hyper")]
fn of_http2(error: &h2::Error) -> Option<Stem> {
    if !error.is_reset() {
        return None;
    }
    if error.is_remote() {
        // That is what it means: nothing was done with the request.
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        return refused.then_some(Stem::never_sent(Failure::RefusedStream));
    }
    // Neither the other side has reset the stream nor the protocol: a request's body has failed.
    (!error.is_library()).then_some(Stem::Caller)
}

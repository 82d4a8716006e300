//! How a layer judges what other layers below it have come to.

use crate::{ByResult, Classify, Error, Hints, NoHints, Outcome};
use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;

/// Judges the [`Error`]s of another layer below: what that has rejected says nothing about the service
/// behind, so it is ignored by a breaker, and repeated only if the retry settings name it. Timeouts and the
/// service's own errors are failures.
///
/// ```
/// use breakerbox::tower::{BreakerLayer, BulkheadLayer};
/// use breakerbox::{breaker, bulkhead};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
/// let breaker = BreakerLayer::new("posts", settings)?.over_layers();
/// let service = ServiceBuilder::new()
///     .layer(&breaker)
///     .layer(BulkheadLayer::new("connections", bulkhead::Settings::new(1))?)
///     .service(service_fn(async |_: ()| Ok::<_, std::io::Error>(tokio::task::yield_now().await)));
/// // The bulkhead is full, and the circuit stays closed.
/// let (first, second) = tokio::join!(service.clone().oneshot(()), service.oneshot(()));
/// assert!(first.is_ok() && second.is_err());
/// assert_eq!(breaker.pipeline().breaker_state(), Some(breakerbox::State::Closed));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OverLayers<J = ByResult>(J);

impl<J> OverLayers<J> {
    /// The same, where `judge` judges what the layers below let pass.
    pub(crate) const fn new(judge: J) -> Self {
        Self(judge)
    }
}

impl<T, E> Classify<T, Error<E>> for OverLayers<ByResult> {
    fn classify(&self, result: &Result<T, Error<E>>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => outcome_of_layer(error),
        }
    }
}

impl<T, E> Hints<T, Error<E>> for OverLayers<NoHints> {
    fn hint(&self, result: &Result<T, Error<E>>) -> Hint {
        result.as_ref().err().and_then(hint_of_layer).unwrap_or(Hint::NONE)
    }
}

/// What an error counts as that may be a rejection by a layer below.
pub(crate) fn outcome_of_layer<E>(error: &Error<E>) -> Outcome {
    if error.is_rejected() { Outcome::Ignored } else { Outcome::Failure }
}

/// What is known of an error that a layer below has made itself.
pub(crate) fn hint_of_layer<E>(error: &Error<E>) -> Option<Hint> {
    match error {
        Error::Rejected(rejection) => {
            let failure = rejection.why().failure().unwrap_or(Failure::Other);
            Some(Hint { failure, retry_after: rejection.retry_after(), ..Hint::NONE })
        }
        Error::Timeout(_) => Some(Hint { failure: Failure::Timeout, ..Hint::NONE }),
        Error::Inner(_) => None,
    }
}

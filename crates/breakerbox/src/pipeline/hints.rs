//! What a caller knows of a result besides whether it is a failure.

use breakerbox_core::pipeline::Hint;
use breakerbox_core::retry::Failure;
use std::time::Duration;

/// Tells what is known of a result that is not a success.
///
/// Made by [`PipelineCall::retry_if`](super::PipelineCall::retry_if) and its like; implement it where
/// one look at the result gives all of it.
///
/// ```
/// use breakerbox::Hints;
/// use breakerbox::core::pipeline::Hint;
/// use breakerbox::core::retry::Failure;
///
/// struct ByStatus;
///
/// impl Hints<u16, ()> for ByStatus {
///     fn hint(&self, result: &Result<u16, ()>) -> Hint {
///         Hint { failure: result.map_or(Failure::Reset, Failure::Status), ..Hint::NONE }
///     }
/// }
/// assert_eq!(ByStatus.hint(&Ok(503)).failure, Failure::Status(503));
/// ```
pub trait Hints<T, E> {
    /// What is known.
    fn hint(&self, result: &Result<T, E>) -> Hint;
}

/// Nothing is known.
///
/// ```
/// use breakerbox::core::pipeline::Hint;
/// use breakerbox::{Hints, NoHints};
///
/// assert_eq!(NoHints.hint(&Err::<(), _>("down")), Hint::NONE);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHints;

impl<T, E> Hints<T, E> for NoHints {
    #[inline(always)]
    fn hint(&self, _: &Result<T, E>) -> Hint {
        Hint::NONE
    }
}

/// What else is known, and whether the result is worth another attempt.
///
/// Made by [`PipelineCall::retry_if`](super::PipelineCall::retry_if):
///
/// ```
/// use breakerbox::{Pipeline, retry};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build()?;
/// let call = posts.protect().retry_if(|result| !matches!(result, Err("no such post")));
/// assert!(call.call(async || Err::<(), _>("no such post")).await.is_err());
/// assert_eq!(posts.stats().retries, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryIf<H, F>(pub(super) H, pub(super) F);

impl<T, E, H: Hints<T, E>, F: Fn(&Result<T, E>) -> bool> Hints<T, E> for RetryIf<H, F> {
    fn hint(&self, result: &Result<T, E>) -> Hint {
        Hint { again: Some((self.1)(result)), ..self.0.hint(result) }
    }
}

/// What else is known, and when the other side wants to be asked again.
///
/// Made by [`PipelineCall::retry_after`](super::PipelineCall::retry_after):
///
/// ```
/// use breakerbox::{Pipeline, retry};
/// use std::time::{Duration, Instant};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let settings = retry::Settings { attempts: 2, ..retry::Settings::default() };
/// let posts = Pipeline::builder("posts").retry(settings).build()?;
/// let begun = Instant::now();
/// let call = posts.protect().retry_after(|result: &Result<(), Duration>| result.err());
/// assert!(call.call(async || Err(Duration::from_millis(60))).await.is_err());
/// assert!(begun.elapsed() >= Duration::from_millis(60));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter<H, F>(pub(super) H, pub(super) F);

impl<T, E, H, F> Hints<T, E> for RetryAfter<H, F>
where
    H: Hints<T, E>,
    F: Fn(&Result<T, E>) -> Option<Duration>,
{
    fn hint(&self, result: &Result<T, E>) -> Hint {
        Hint { retry_after: (self.1)(result), ..self.0.hint(result) }
    }
}

/// What else is known, and what kind of failure it is.
///
/// Made by [`PipelineCall::failure_kind`](super::PipelineCall::failure_kind):
///
/// ```
/// use breakerbox::core::retry::Failure;
/// use breakerbox::{Pipeline, retry};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// // Repeats what the gateway would: 503 is among it, 500 is not.
/// let settings = retry::Settings { on: retry::When::http(), ..retry::Settings::default() };
/// let posts = Pipeline::builder("posts").retry(settings).build()?;
/// let call = posts.protect().failure_kind(|result: &Result<(), u16>| {
///     result.err().map_or(Failure::Other, Failure::Status)
/// });
/// assert!(call.call(async || Err(500)).await.is_err());
/// assert_eq!(posts.stats().retries, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FailureKind<H, F>(pub(super) H, pub(super) F);

impl<T, E, H, F> Hints<T, E> for FailureKind<H, F>
where
    H: Hints<T, E>,
    F: Fn(&Result<T, E>) -> Failure,
{
    fn hint(&self, result: &Result<T, E>) -> Hint {
        Hint { failure: (self.1)(result), ..self.0.hint(result) }
    }
}

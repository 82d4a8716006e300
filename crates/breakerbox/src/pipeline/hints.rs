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
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHints;

impl<T, E> Hints<T, E> for NoHints {
    #[inline(always)]
    fn hint(&self, _: &Result<T, E>) -> Hint {
        Hint::NONE
    }
}

/// What else is known, and whether the result is worth another attempt.
#[derive(Clone, Copy, Debug)]
pub struct RetryIf<H, F>(pub(super) H, pub(super) F);

impl<T, E, H: Hints<T, E>, F: Fn(&Result<T, E>) -> bool> Hints<T, E> for RetryIf<H, F> {
    fn hint(&self, result: &Result<T, E>) -> Hint {
        Hint { again: Some((self.1)(result)), ..self.0.hint(result) }
    }
}

/// What else is known, and when the other side wants to be asked again.
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

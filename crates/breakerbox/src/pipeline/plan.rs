//! What one call was told: how its results are judged, and what its caller gets.

use super::hints::Hints;
use crate::clock::Clock;
use crate::inner::Inner;
use crate::{Classify, Error, Recover};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::{Call, Ending, Hint};
use std::task::{Context, Poll};

/// What came of a look whether the answer is there: how it is judged, and what it is.
pub(crate) type Found<T, E> = (Ending, Result<(T, Option<Timestamp>), Error<E>>);

/// What one call was told.
pub trait Plan<T, E> {
    /// What its caller gets when all goes well.
    type Answer;

    /// Whether a success is only the beginning of an answer, which the call then goes on with.
    const STREAMS: bool = false;

    /// The answer of this attempt has begun. Where it goes on the call is to be taken, and the answer
    /// made of both.
    #[inline(always)]
    fn goes_on(&mut self, _: &mut Call, _: u32) {}

    /// What a result counts as.
    fn ending(&self, result: &Result<T, E>) -> Ending;

    /// What else is known of one that is no success.
    fn hint(&self, result: &Result<T, E>) -> Hint;

    /// Looks whether the answer is there, or on its way. `None`: it is not.
    fn poll_look_up(&mut self, cx: &mut Context<'_>, now: Timestamp) -> Poll<Option<Found<T, E>>>;

    /// What the call came to, for others.
    fn came_to(
        &mut self,
        now: impl FnOnce() -> Timestamp,
        ending: Ending,
        result: &Result<T, Error<E>>,
    );

    /// What the caller gets: this, or that instead.
    fn answer<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        result: Result<T, Error<E>>,
        instead: bool,
    ) -> Result<Self::Answer, Error<E>>;

    /// What the caller gets of an answer that was there.
    fn found<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        found: Found<T, E>,
        instead: bool,
    ) -> Result<Self::Answer, Error<E>>;
}

/// The plan of a call that shares nothing.
///
/// Seen in the types of futures, for those who have to name them:
///
/// ```
/// use breakerbox::clock::SystemClock;
/// use breakerbox::{Alone, ByResult, NoFallback, NoHints, Once, Pipeline, PipelineCalling};
///
/// fn get<Fut: Future<Output = Result<u32, ()>>>(
///     posts: &Pipeline,
///     one: impl FnOnce() -> Fut,
/// ) -> PipelineCalling<
///     '_,
///     SystemClock,
///     Once<impl FnOnce() -> Fut>,
///     Alone<ByResult, NoHints, NoFallback>,
/// > {
///     posts.call_once(one)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let posts = Pipeline::builder("posts").build().unwrap();
/// assert_eq!(get(&posts, async || Ok(7)).await, Ok(7));
/// # }
/// ```
#[derive(Debug)]
pub struct Alone<K, H, F> {
    pub(crate) classify: K,
    pub(crate) hints: H,
    pub(crate) fallback: Option<F>,
}

impl<T, E, K, H, F> Plan<T, E> for Alone<K, H, F>
where
    K: Classify<T, E>,
    H: Hints<T, E>,
    F: Recover<T, E>,
{
    type Answer = F::Answer;

    #[inline(always)]
    fn ending(&self, result: &Result<T, E>) -> Ending {
        self.classify.classify(result).into()
    }

    fn hint(&self, result: &Result<T, E>) -> Hint {
        self.hints.hint(result)
    }

    #[inline(always)]
    fn poll_look_up(&mut self, _: &mut Context<'_>, _: Timestamp) -> Poll<Option<Found<T, E>>> {
        Poll::Ready(None)
    }

    #[inline(always)]
    fn came_to(&mut self, _: impl FnOnce() -> Timestamp, _: Ending, _: &Result<T, Error<E>>) {}

    #[inline(always)]
    fn answer<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        result: Result<T, Error<E>>,
        instead: bool,
    ) -> Result<F::Answer, Error<E>> {
        match self.fallback.take() {
            Some(fallback) if instead => inner.instead(fallback, result),
            _ => result.map(F::real),
        }
    }

    fn found<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        (_, found): Found<T, E>,
        instead: bool,
    ) -> Result<F::Answer, Error<E>> {
        self.answer(inner, found.map(|(value, _)| value), instead)
    }
}

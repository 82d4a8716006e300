//! How a call is to be run: what counts as a failure, and what to answer instead.

use super::call::Calling;
use crate::Error;
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use breakerbox_core::Outcome;
use std::ops::Deref;
use std::time::Duration;

/// Tells what a result counts as. Every `Fn(&Result<T, E>) -> Outcome` does.
///
/// ```
/// use breakerbox::{BlockingBreaker, Classify, Outcome};
///
/// /// Statuses of HTTP.
/// struct ByStatus;
///
/// impl<E> Classify<u16, E> for ByStatus {
///     fn classify(&self, result: &Result<u16, E>) -> Outcome {
///         match result {
///             Ok(500..) | Err(_) => Outcome::Failure,
///             Ok(429) => Outcome::Ignored,
///             Ok(_) => Outcome::Success,
///         }
///     }
/// }
///
/// let posts = BlockingBreaker::new("posts");
/// assert_eq!(posts.classify(ByStatus).call(|| Ok::<_, ()>(503)), Ok(503));
/// assert_eq!(posts.stats().failures, 1);
/// ```
pub trait Classify<T, E> {
    /// What the result counts as.
    fn classify(&self, result: &Result<T, E>) -> Outcome;
}

/// `Ok` is a success, `Err` a failure. What counts where nothing else is said.
///
/// ```
/// use breakerbox::{ByResult, Classify, Outcome};
///
/// assert_eq!(ByResult.classify(&Ok::<_, ()>(7)), Outcome::Success);
/// assert_eq!(ByResult.classify(&Err::<(), _>(7)), Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByResult;

impl<T, E> Classify<T, E> for ByResult {
    #[inline]
    fn classify(&self, result: &Result<T, E>) -> Outcome {
        if result.is_ok() { Outcome::Success } else { Outcome::Failure }
    }
}

impl<T, E, F: Fn(&Result<T, E>) -> Outcome> Classify<T, E> for F {
    #[inline]
    fn classify(&self, result: &Result<T, E>) -> Outcome {
        self(result)
    }
}

/// Makes what the caller gets. Every `FnOnce(Result<T, Error<E>>) -> T` is a fallback: it is told
/// what the call came to, which is an error, or an `Ok` that was judged a failure.
///
/// ```
/// use breakerbox::{Error, NoFallback, Recover};
///
/// let stale = |_: Result<&str, Error<()>>| "a stale post";
/// let answer = stale.instead(Err(Error::Inner(()))).unwrap();
/// assert_eq!((*answer, answer.is_fallback()), ("a stale post", true));
///
/// let none: Result<&str, _> = NoFallback.instead(Err(Error::Inner(())));
/// assert_eq!(none, Err(Error::Inner(())));
/// ```
pub trait Recover<T, E> {
    /// What the caller gets where all went well.
    type Answer;

    /// Whether there is another answer for a call that comes to nothing.
    const HAS_FALLBACK: bool;

    /// The operation's own value.
    fn real(value: T) -> Self::Answer;

    /// What there is instead of what a call came to.
    ///
    /// # Errors
    /// The error itself, where there is no fallback.
    fn instead(self, result: Result<T, Error<E>>) -> Result<Self::Answer, Error<E>>;

    /// The same, always with a mark whether it is the fallback's.
    ///
    /// # Errors
    /// The error itself, where there is no fallback.
    fn answer(self, result: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>>;
}

/// The caller gets what the operation came to.
///
/// ```
/// use breakerbox::{NoFallback, Recover};
///
/// let real = <NoFallback as Recover<u32, ()>>::real(7);
/// assert_eq!(real, 7, "the bare value: nobody has to ask where it is from");
/// assert!(!<NoFallback as Recover<u32, ()>>::HAS_FALLBACK);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFallback;

impl<T, E> Recover<T, E> for NoFallback {
    type Answer = T;
    const HAS_FALLBACK: bool = false;

    #[inline]
    fn real(value: T) -> T {
        value
    }

    #[inline]
    fn instead(self, result: Result<T, Error<E>>) -> Result<T, Error<E>> {
        result
    }

    fn answer(self, result: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>> {
        result.map(Answer::real)
    }
}

impl<T, E, F: FnOnce(Result<T, Error<E>>) -> T> Recover<T, E> for F {
    type Answer = Answer<T>;
    const HAS_FALLBACK: bool = true;

    #[inline]
    fn real(value: T) -> Answer<T> {
        Answer::real(value)
    }

    fn instead(self, result: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>> {
        Ok(Answer::fallback(self(result)))
    }

    fn answer(self, result: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>> {
        self.instead(result)
    }
}

/// A value, and whether it is the fallback's.
///
/// ```
/// use breakerbox::BlockingBreaker;
///
/// let numbers = BlockingBreaker::new("numbers");
/// let parse = |text: &str| numbers.fallback(|_| 0).call(|| text.parse::<u32>());
///
/// let (seven, none) = (parse("7").unwrap(), parse("x").unwrap());
/// assert!(!seven.is_fallback() && none.is_fallback());
/// assert_eq!((*seven, none.into_inner()), (7, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    value: T,
    fallback: bool,
    age: Option<Duration>,
}

impl<T> Answer<T> {
    pub(crate) fn real(value: T) -> Self {
        Self { value, fallback: false, age: None }
    }

    pub(crate) fn fallback(value: T) -> Self {
        Self { value, fallback: true, age: None }
    }

    pub(crate) fn kept(value: T, age: Duration) -> Self {
        Self { value, fallback: false, age: Some(age) }
    }

    pub(crate) fn stale(value: T, age: Duration) -> Self {
        Self { value, fallback: true, age: Some(age) }
    }

    /// How old the value is, if it was there before the call: from a cache, or as the last good answer.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Whether this is the fallback's value rather than the operation's.
    pub fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A call in the making: what its results count as, and what to answer instead.
///
/// A caller that drops the future of a call gives it up. That counts as ignored, unless the call had
/// already run longer than `slow_call`: then as one slow call, not as a failure.
///
/// ```
/// use breakerbox::{Breaker, Error, Outcome};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error<std::io::Error>> {
/// # async fn fetch() -> std::io::Result<u16> { Ok(503) }
/// let posts = Breaker::new("posts");
/// let status = posts
///     .protect()
///     .classify(|result: &Result<u16, _>| match result {
///         Ok(500..) | Err(_) => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///     })
///     .fallback(|result| result.unwrap_or(504))
///     .call(fetch)
///     .await?;
/// // The fallback was asked, and let the judged answer pass.
/// assert_eq!((*status, status.is_fallback()), (503, true));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until `call`"]
pub struct Protection<'a, C: Clock = SystemClock, K = ByResult, F = NoFallback> {
    inner: &'a Inner<C>,
    classify: K,
    fallback: F,
}

impl<'a, C: Clock> Protection<'a, C> {
    pub(super) fn new(inner: &'a Inner<C>) -> Self {
        Self { inner, classify: ByResult, fallback: NoFallback }
    }
}

impl<'a, C: Clock, K, F> Protection<'a, C, K, F> {
    /// Judges results by `classify`.
    pub fn classify<L>(self, classify: L) -> Protection<'a, C, L, F> {
        Protection { inner: self.inner, classify, fallback: self.fallback }
    }

    /// Answers with `fallback` where the call would fail, time out or be rejected. It is told what
    /// the call came to: an error, or an `Ok` that was judged a failure. Neither an ignored result
    /// nor a panic is replaced.
    pub fn fallback<T, E, G>(self, fallback: G) -> Protection<'a, C, K, G>
    where
        G: FnOnce(Result<T, Error<E>>) -> T,
    {
        Protection { inner: self.inner, classify: self.classify, fallback }
    }

    /// Runs the operation: see [`Breaker::call`](super::Breaker::call).
    #[inline]
    pub fn call<Op, Fut, T, E>(self, operation: Op) -> Calling<'a, C, Op, Fut, K, F>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        K: Classify<T, E>,
        F: Recover<T, E>,
    {
        Calling::new(self.inner, operation, self.classify, self.fallback)
    }
}

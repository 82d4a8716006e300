//! The breaker around blocking operations.

use super::call::PanicGuard;
use super::protect::{ByResult, Classify, NoFallback, Recover};
use super::{Breaker, Permit, Stats};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::{Error, Event, ListenerId, Rejection};
use breakerbox_core::breaker::{Control, State};
use breakerbox_core::pipeline::{Call, Ending};

/// A circuit breaker around blocking operations.
///
/// The same breaker as [`Breaker`], for another kind of call: [`to_async`](Self::to_async) gives
/// that one. A blocking operation cannot be stopped, so the builder makes none with an attempt
/// timeout or a deadline.
///
/// ```
/// use breakerbox::{BlockingBreaker, Error};
///
/// let numbers = BlockingBreaker::new("numbers");
/// assert_eq!(numbers.call(|| "7".parse::<u32>()), Ok(7));
/// assert!(matches!(numbers.call(|| "x".parse::<u32>()), Err(Error::Inner(_))));
/// assert_eq!(numbers.stats().failures, 1);
/// ```
#[derive(Clone, Debug)]
pub struct BlockingBreaker<C: Clock = SystemClock> {
    breaker: Breaker<C>,
}

impl BlockingBreaker {
    /// A breaker with the default settings.
    pub fn new(name: &str) -> Self {
        Breaker::new(name).into_blocking()
    }
}

impl<C: Clock> Breaker<C> {
    pub(super) fn into_blocking(self) -> BlockingBreaker<C> {
        BlockingBreaker { breaker: self }
    }
}

impl<C: Clock> BlockingBreaker<C> {
    /// Runs an operation through the breaker: `Ok` is a success and `Err` a failure.
    ///
    /// # Errors
    /// [`Error::Rejected`] without running the operation, [`Error::Inner`] with its own error.
    #[inline]
    pub fn call<T, E>(&self, operation: impl FnOnce() -> Result<T, E>) -> Result<T, Error<E>> {
        self.protect().call(operation)
    }

    /// A call that can be told more.
    #[inline]
    pub fn protect(&self) -> BlockingProtection<'_, C> {
        let inner = &*self.breaker.inner;
        BlockingProtection { inner, classify: ByResult, fallback: NoFallback }
    }

    /// A call whose results are judged by `classify`.
    pub fn classify<K>(&self, classify: K) -> BlockingProtection<'_, C, K> {
        self.protect().classify(classify)
    }

    /// A call that gets the value of `fallback` where it would fail or be rejected: see
    /// [`Breaker::fallback`].
    ///
    /// ```
    /// use breakerbox::BlockingBreaker;
    ///
    /// let numbers = BlockingBreaker::new("numbers");
    /// let answer = numbers.fallback(|_| 0).call(|| "x".parse::<u32>())?;
    /// assert!(answer.is_fallback());
    /// assert_eq!(*answer, 0);
    /// # Ok::<(), breakerbox::Error<std::num::ParseIntError>>(())
    /// ```
    pub fn fallback<T, E, F>(&self, fallback: F) -> BlockingProtection<'_, C, ByResult, F>
    where
        F: FnOnce(Result<T, Error<E>>) -> T,
    {
        self.protect().fallback(fallback)
    }

    /// The right to run one call: see [`Breaker::permit`].
    ///
    /// # Errors
    /// The circuit is open, isolated, or half-open with all its probes under way.
    pub fn permit(&self) -> Result<Permit<'_, C>, Rejection> {
        self.breaker.permit()
    }

    /// The state now: see [`Breaker::state`].
    pub fn state(&self) -> State {
        self.breaker.state()
    }

    /// Counts, rates and latencies.
    pub fn stats(&self) -> Stats {
        self.breaker.stats()
    }

    /// Opens, isolates, closes or disables the breaker by hand.
    pub fn control(&self, control: Control) {
        self.breaker.control(control);
    }

    /// Calls `listener` on every event: see [`Breaker::on_event`].
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> ListenerId {
        self.breaker.on_event(listener)
    }

    /// The same breaker for async operations, and for what is not here.
    ///
    /// ```
    /// use breakerbox::BlockingBreaker;
    ///
    /// let numbers = BlockingBreaker::new("numbers");
    /// assert_eq!(numbers.to_async().name().as_str(), "numbers");
    /// ```
    pub fn to_async(&self) -> Breaker<C> {
        self.breaker.clone()
    }
}

/// A blocking call in the making.
///
/// ```
/// use breakerbox::{BlockingBreaker, Outcome};
/// use std::io::{Error, ErrorKind};
///
/// let disk = BlockingBreaker::new("disk");
/// let text = disk
///     .protect()
///     .classify(|result: &Result<String, Error>| match result {
///         Err(error) if error.kind() == ErrorKind::NotFound => Outcome::Success,
///         Err(_) => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///     })
///     .fallback(|_| String::new())
///     .call(|| std::fs::read_to_string("no such file"));
/// // No file is an answer like others: the disk works.
/// assert!(text.is_err());
/// assert_eq!(disk.stats().successes, 1);
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until `call`"]
pub struct BlockingProtection<'a, C: Clock = SystemClock, K = ByResult, F = NoFallback> {
    inner: &'a Inner<C>,
    classify: K,
    fallback: F,
}

impl<'a, C: Clock, K, F> BlockingProtection<'a, C, K, F> {
    /// Judges results by `classify`.
    pub fn classify<L>(self, classify: L) -> BlockingProtection<'a, C, L, F> {
        BlockingProtection { inner: self.inner, classify, fallback: self.fallback }
    }

    /// Answers with `fallback` where the call would fail or be rejected: see
    /// [`Protection::fallback`](super::Protection::fallback).
    pub fn fallback<T, E, G>(self, fallback: G) -> BlockingProtection<'a, C, K, G>
    where
        G: FnOnce(Result<T, Error<E>>) -> T,
    {
        BlockingProtection { inner: self.inner, classify: self.classify, fallback }
    }

    /// Runs the operation: see [`BlockingBreaker::call`].
    ///
    /// # Errors
    /// As there, unless the fallback answers.
    #[inline]
    pub fn call<T, E>(self, operation: impl FnOnce() -> Result<T, E>) -> Result<F::Answer, Error<E>>
    where
        K: Classify<T, E>,
        F: Recover<T, E>,
    {
        let Self { inner, classify, fallback } = self;
        let mut call = Call::NEW;
        if let Err(stopped) = inner.begin(&mut call) {
            return inner.instead(fallback, Err(stopped.into()));
        }
        let guard = PanicGuard { inner, call: &mut call };
        let result = operation();
        let ending = Ending::from(classify.classify(&result));
        guard.passed();
        let result = result.map_err(Error::Inner);
        if inner.ended(&mut call, ending) {
            inner.instead(fallback, result)
        } else {
            result.map(F::real)
        }
    }
}
